const STAGE_WORDS = {
  checking: ["Checking", "Is the node there, is there enough money, does an offer fit?"],
  allocating: ["Allocating", "Setting the budget aside."],
  negotiating: ["Negotiating", "Agreeing with a provider on the price."],
  deploying: ["Deploying", "The provider prepares the machine."],
  starting: ["Starting", "JupyterLab starts on the provider."],
  ready: ["Ready", "JupyterLab answers."],
  recovering: ["Recovering", "The provider was lost; looking for another one."],
  saving: ["Saving", "Fetching your files."],
  stopping: ["Stopping", "Ending the session and settling the bill."],
  ended: ["Ended", ""],
  failed: ["Failed", ""],
};
const ENDING = ["saving", "stopping"];
const LOST_WORDS = "Nothing looks after this session any more. What it left is being closed down.";
const REMOTE_WORDS =
  "JupyterLab runs. This page is served by a hub, so your browser can't reach the session's own address: see below how to open it.";

const OWN_IMAGE_WORDS =
  "Your own image brings its own page: a stranger's JavaScript runs in the Lab's page. It reaches this session, and nothing else of yours.";
const HUB_WORDS =
  "The provider's page would stand at your hub's own address and could use your server there in your name: its files, its kernels, your wallet's key. Open it?";

/** Seconds as 0.4 s, 12 s, 3:05, 1:02:03. */
function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (seconds < 9.95) return `${Math.max(0, seconds).toFixed(1)} s`;
  if (whole < 60) return `${whole} s`;
  const two = (number) => String(number).padStart(2, "0");
  const minutes = Math.floor(whole / 60) % 60;
  const hours = Math.floor(whole / 3600);
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** Seconds ago, in the one unit that matters. */
function ago(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s ago`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ago`;
  return `${Math.floor(whole / 3600)} h ago`;
}

function clockTime(iso) {
  const time = new Date(iso);
  const today = new Date().toDateString() === time.toDateString();
  const clock = { hour: "2-digit", minute: "2-digit", hour12: false };
  return today ? time.toLocaleTimeString([], clock) : time.toLocaleString([], { ...clock, month: "short", day: "numeric" });
}

/** Bytes as 3 MB, 1.4 GB: units of a thousand, as disks and downloads are told. */
function bytes(count) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (count >= 999.5 && unit < units.length - 1) {
    count /= 1000;
    unit += 1;
  }
  return `${count < 9.95 && unit ? count.toFixed(1) : Math.round(count)} ${units[unit]}`;
}

/** A small amount of money with the digits that matter. */
function amount(value) {
  if (value === 0) return "0";
  return value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}

function whereWords(session) {
  const parts = [session.provider ? `on ${session.provider}` : null, session.network];
  if (session.price && session.live) parts.push(`${session.price} ${session.token} an hour`);
  if (!session.live) parts.push(`cost ${session.at_most ? "at most " : ""}${session.cost} ${session.token}`);
  if (!session.live && session.ended) parts.push(`ended ${clockTime(session.ended)}`);
  return parts.filter(Boolean).join(" · ");
}

/** Those of the parts that say something, one after the other. */
const sentences = (...parts) => parts.filter(Boolean).join(" ");

const documentWords = (count) => counted(count, "open document has unsaved changes", "open documents have unsaved changes");

/** What an end would lose, as far as it is known; empty when that is nothing. */
function stakeWords(saving) {
  const count = saving?.at_stake;
  return count ? `${counted(count, "file is", "files are")} not saved, and would be lost: ${saving.problem}` : "";
}
