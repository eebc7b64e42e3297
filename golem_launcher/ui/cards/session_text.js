// The words for a session's stages, its end and its saves.

import { counted, formatAgo, formatBytes, formatClock } from "../common/format.js";

/** @import { Saving, Session, StageName } from "../types" */

/**
 * In a sentence `{}` stands for the workload.
 *
 * @type {Record<StageName, [word: string, sentence: string]>}
 */
export const STAGE_WORDS = {
  checking: ["Checking", "Is the node there, is there enough money, does an offer fit?"],
  allocating: ["Allocating", "Setting the budget aside."],
  negotiating: ["Negotiating", "Agreeing with a provider on the price."],
  deploying: ["Deploying", "The provider prepares the machine."],
  starting: ["Starting", "{} starts on the provider."],
  ready: ["Ready", "{} answers."],
  recovering: ["Recovering", "{} does not answer for a while; the session goes on by itself."],
  saving: ["Saving", "Fetching your files."],
  stopping: ["Stopping", "Ending the session and settling the bill."],
  ended: ["Ended", ""],
  suspended: ["Suspended", ""],
  failed: ["Failed", ""],
};
/** @type {StageName[]} */
export const ENDING = ["saving", "stopping"];
export const LOST_WORDS = "Nothing looks after this session any more. What it left is being closed down.";

/**
 * @param {StageName} stage
 * @param {string} workload
 */
export const stageSentence = (stage, workload) => STAGE_WORDS[stage][1].replace("{}", () => workload);

/** @param {Session} session */
export const remoteWords = ({ workload }) =>
  `${workload} runs. This page is served by a hub, so your browser can't reach the session's own address: see below how to open it.`;

export const OWN_IMAGE_WORDS =
  "Your own image brings its own page: a stranger's JavaScript runs in the Lab's page. It reaches this session, and nothing else of yours.";
export const HUB_WORDS =
  "The provider's page would stand at your hub's own address and could use your server there in your name: its files, its kernels, your wallet's key. Open it?";

/** @param {Session} session */
export function whereWords(session) {
  const others = session.machines.length > 1 ? ` and ${counted(session.machines.length - 1, "other")}` : "";
  const parts = [
    session.job ? "job" : null,
    session.provider ? `on ${session.provider}${others}` : null,
    session.network,
  ];
  if (session.price && session.live) parts.push(`${session.price} ${session.token} an hour`);
  if (!session.live) parts.push(`cost ${session.at_most ? "at most " : ""}${session.cost} ${session.token}`);
  const over = session.stage === "suspended" ? "suspended" : "ended";
  if (!session.live && session.ended) parts.push(`${over} ${formatClock(session.ended)}`);
  return parts.filter(Boolean).join(" · ");
}

/**
 * The machine that would take over: whose, how far behind the first, what it costs.
 *
 * @param {Session} session
 * @param {number} now
 */
export function standbyWords({ standby, price, token }, now) {
  if (!standby) return "";
  const behind = standby.has ? formatAgo((now - Date.parse(standby.has)) / 1000).replace(" ago", " behind") : "";
  const words = behind ? `Standby at ${standby.provider}, ${behind}` : standby.words;
  return standby.price ? `${words} · ${standby.price} of the ${price} ${token} an hour` : words;
}

/**
 * What Continue does.
 *
 * @param {Session} session
 * @param {Saving} saving
 */
export function continueWords({ budget, token, newer, stage }, { files, bytes }) {
  if (stage === "suspended") return "It goes on at its own address, with what is left of its budget and time";
  const work = newer ? `as '${newer.by}' saved them` : `${counted(files, "file")}, ${formatBytes(bytes)}`;
  return `Starts a session with its files (${work}), its packages and what else was asked for; at most ${budget} ${token}`;
}

/**
 * Where the saves of a past session are, when its name does not say it, and who saved there since; or nothing.
 *
 * @param {Session} session
 */
export function workspaceWords({ name, live, saving, newer }) {
  if (live || saving?.generation == null) return "";
  const place = saving.workspace === name ? "" : `Saved in the workspace '${saving.workspace}'.`;
  const since = newer ? `Newer saves exist, by '${newer.by}' at ${formatClock(newer.at)}: Continue takes those.` : "";
  return sentences(place, since);
}

/**
 * Those of the parts that say something, one after the other.
 *
 * @param {string[]} parts
 */
export const sentences = (...parts) => parts.filter(Boolean).join(" ");

/** @param {number} count */
export const documentWords = (count) =>
  counted(count, "open document has unsaved changes", "open documents have unsaved changes");

/**
 * What an end would lose, as far as it is known; empty when that is nothing.
 *
 * @param {Saving | null} saving
 */
export function stakeWords(saving) {
  return saving?.at_stake
    ? `${counted(saving.at_stake, "file is", "files are")} not saved, and would be lost: ${saving.problem}`
    : "";
}
