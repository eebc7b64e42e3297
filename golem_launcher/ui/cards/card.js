// The card of one session: its stages, meters, buttons and forms, kept up to date from the kernel's view model.

import { h, isResting, newId, setResting, setText, show } from "../common/dom.js";
import { askingButton } from "./confirm.js";
import { downloadButton } from "./downloads.js";
import { ExtendForm } from "./extend.js";
import { UsageView } from "./gauges.js";
import { JobView } from "./job.js";
import { LabRequestsView } from "./lab_requests.js";
import { LogView } from "./log.js";
import { MachinesView } from "./machines.js";
import { MetersView } from "./meters.js";
import { MoveView } from "./move.js";
import {
  continueWords,
  documentWords,
  ENDING,
  LOST_WORDS,
  OWN_IMAGE_WORDS,
  remoteWords,
  STAGE_WORDS,
  sentences,
  stakeWords,
  standbyWords,
  whereWords,
  workspaceWords,
} from "./session_text.js";
import { StagesView } from "./stages.js";
import { TopUpForm } from "./top_up.js";
import { WaysInView } from "./ways_in.js";

/** @import { Answer, Job, EventDigest, Session } from "../types" */
/** @import { Downloads } from "./downloads.js" */

/**
 * What a page's cards have in common.
 *
 * @typedef {object} Tools
 * @property {(content: object) => void} send tells the kernel
 * @property {() => number} now milliseconds of the kernel's clock
 * @property {() => void} watch asks for the lines of the logs that are shown
 * @property {boolean} remote whether the browser is on another machine than the sessions' addresses
 * @property {Downloads} downloads
 */

/** One session. */
export class Card {
  /**
   * @param {Session} session shown by the first `update`
   * @param {Tools} tools
   */
  constructor(session, tools) {
    const { name } = session;
    this.name = name;
    this.tools = tools;
    this.session = session;
    this.digest = /** @type {EventDigest | undefined} */ (undefined);
    const titleId = newId("card");
    this.title = h("h3", { id: titleId, tabindex: -1 }, name);
    this.badge = h("span", { class: "gl-badge" });
    this.where = h("p", { class: "gl-where", dir: "auto" });
    this.open = h(
      "a",
      { class: "gl-button gl-primary gl-open", target: "_blank", rel: "noopener noreferrer", hidden: true },
      `Open ${session.workload}`,
      h("span", { class: "gl-hidden" }, " (opens a new tab)"),
    );
    this.own = h("p", { class: "gl-reason gl-own-image", hidden: true }, OWN_IMAGE_WORDS);
    this.reason = h("p", { class: "gl-reason", dir: "auto", hidden: true });
    this.keep = h(
      "button",
      { type: "button", class: "gl-button gl-small gl-primary gl-keep", onclick: () => this.keepRunning() },
      "Keep it running",
    );
    this.idleWords = h("p", { dir: "auto" });
    this.idle = h("div", { class: "gl-idle", role: "status", hidden: true }, this.idleWords, this.keep);
    this.notices = h("ul", { class: "gl-notices", "aria-label": "Notices", hidden: true });
    this.asks = new LabRequestsView({
      extend: (hours) => {
        this.extend.open(true);
        this.extend.choose(hours);
      },
      price: (what) => tools.send({ kind: "move quote", name, what }),
      move: (what) => tools.send({ kind: "move", name, what }),
      end: () => this.abort.button.click(),
      decline: () => tools.send({ kind: "decline", name }),
    });
    this.move = new MoveView({
      now: () => tools.send({ kind: "move now", name }),
      stay: () => tools.send({ kind: "stay", name }),
    });
    this.variables = h("ul", { class: "gl-variables" });
    this.variablesBox = h(
      "details",
      { class: "gl-fold", hidden: true },
      h("summary", {}, "Variables kept"),
      this.variables,
    );
    this.stages = new StagesView();
    this.extend = new ExtendForm(name, tools);
    this.meters = new MetersView(this.extend.button, () => tools.send({ kind: "save", name }));
    this.usage = new UsageView();
    this.machines = new MachinesView();
    this.standby = h("p", { class: "gl-hint gl-standby", dir: "auto", hidden: true });
    this.job = new JobView(name, tools);
    this.ways = new WaysInView(name, tools);
    const search = (/** @type {string} */ text, /** @type {string[]} */ sources) =>
      tools.send({ kind: "search", name, text, sources });
    this.log = new LogView(`Log of ${name}`, session.workload, { search, watch: tools.watch });
    this.log.tail.append(downloadButton("Download the whole log", tools.downloads, name, "log"));
    this.logBox = h("details", { class: "gl-fold gl-log-box" }, h("summary", {}, "Log"), this.log.element);
    this.logBox.addEventListener("toggle", () => this.logBox.open && tools.watch());
    this.logBox.open = session.live; // its toggle event asks for the lines
    this.answer = h("p", { class: "gl-answer gl-error-text", role: "alert", hidden: true });
    this.abort = askingButton("Abort", {
      kind: "abort",
      question: "End this session?",
      yes: "Abort session",
      no: "Keep",
      act: () => this.end("stop"),
    });
    this.force = askingButton("End at once", {
      kind: "force",
      question: "Without saving or waiting for the bill?",
      yes: "End at once",
      no: "Wait",
      act: () => this.end("force"),
    });
    this.goOn = h(
      "button",
      { type: "button", class: "gl-button gl-small gl-primary gl-continue", onclick: () => this.continue() },
      "Continue",
    );
    this.more = new TopUpForm(this.goOn, "Wake up", { hours: "Hours", budget: "Budget" }, (given) =>
      this.continue(null, given),
    );
    this.again = h(
      "button",
      {
        type: "button",
        class: "gl-button gl-small gl-relaunch",
        onclick: () => tools.send({ kind: "relaunch", name }),
      },
      "Start afresh …",
    );
    this.again.title = "Fills the form with what was asked for then, under a new name and without the saved files";
    this.remove = askingButton("Remove", {
      kind: "remove",
      question: "Take it off this list?",
      yes: "Remove",
      no: "Keep",
      act: () => tools.send({ kind: "remove", name }),
    });
    this.buttons = h(
      "div",
      { class: "gl-session-buttons" },
      this.open,
      this.abort.element,
      this.force.element,
      this.goOn,
      this.again,
      this.remove.element,
    );
    this.workspace = h("p", { class: "gl-hint gl-workspace", hidden: true });
    this.ownSave = h(
      "button",
      {
        type: "button",
        class: "gl-button gl-small",
        hidden: true,
        onclick: () => this.continue(this.session.saving?.generation),
      },
      "Go on from its own last save",
    );
    this.results = h(
      "div",
      { class: "gl-row gl-results" },
      downloadButton("Download results", tools.downloads, name, "results"),
      this.ownSave,
    );
    this.element = h(
      "article",
      { class: "gl-card gl-session", "aria-labelledby": titleId, "data-name": name },
      h(
        "header",
        { class: "gl-session-head" },
        h("div", { class: "gl-session-title" }, this.title, this.badge),
        this.buttons,
      ),
      this.where,
      this.own,
      this.answer,
      this.more.form,
      this.asks.element,
      this.reason,
      this.idle,
      this.move.element,
      this.notices,
      this.stages.element,
      this.job.element,
      this.meters.element,
      this.extend.form,
      this.usage.element,
      this.machines.element,
      this.standby,
      this.workspace,
      this.results,
      this.ways.element,
      this.variablesBox,
      this.logBox,
    );
  }

  /** @param {"stop" | "force"} kind */
  end(kind) {
    const { button } = kind === "stop" ? this.abort : this.force;
    setResting(button, true);
    setText(button, kind === "stop" ? "Aborting …" : "Ending …");
    this.tools.send({ kind, name: this.name });
  }

  /**
   * @param {number | null} [generation] another save than the newest
   * @param {Record<string, string>} [given] in place of what was left of its time and budget
   */
  continue(generation, given) {
    for (const button of [this.goOn, this.ownSave]) setResting(button, true);
    setText(this.goOn, "Starting …");
    this.tools.send({ kind: "continue", name: this.name, generation, ...given });
  }

  keepRunning() {
    setResting(this.keep, true);
    this.tools.send({ kind: "keep running", name: this.name });
  }

  /**
   * The kernel's answer to one of the buttons.
   *
   * @param {Answer} content
   */
  answered(content) {
    const { to, ok } = content;
    const { budget, token } = this.session;
    if (to === "continue") {
      for (const button of [this.goOn, this.ownSave]) setResting(button, false);
      this.showButtons(false);
      this.more.answered();
      if (ok) this.more.close();
      else if (content.lacks) this.more.ask(content.lacks, content.lacks === "hours" ? "1" : budget, token);
    } else if (to === "save") {
      this.meters.answered();
    } else if (to === "keep running") {
      setResting(this.keep, false);
    } else if (to === "go on" && !ok) {
      this.job.busy(false);
      this.job.more.answered();
      if (content.lacks) this.job.more.ask(content.lacks, "", token);
    } else if (!ok && (to === "stop" || to === "force")) {
      const { button } = to === "stop" ? this.abort : this.force;
      setResting(button, false);
      setText(button, to === "stop" ? "Abort" : "End at once");
    }
    if (to === "move now" || to === "stay") this.move.answered();
    if (to === "move quote" || to === "move") this.asks.answered(content);
    if (to === "extend") return this.extend.answered(content);
    if (to === "share" || to === "view only") this.ways.viewOnly.answered(content);
    if (to === "ssh") return this.ways.toldSsh(content);
    if (to === "hub" && ok && content.link) return this.ways.opened(content.link);
    setText(this.answer, ok ? "" : content.text);
    show(this.answer, !ok);
  }

  /**
   * @param {Session} session
   * @param {string | undefined} link
   */
  update(session, link) {
    const wasLive = this.session.live;
    this.session = session;
    const lost = session.live && !session.alive;
    const troubled = session.live && !lost && (session.trouble !== "" || session.not_ended !== "");
    this.element.classList.toggle("gl-over", !session.live);
    this.element.dataset.stage = lost ? "lost" : troubled ? "troubled" : session.stage;
    const word = session.move && !session.move.stays ? "Moving" : STAGE_WORDS[session.stage][0];
    const trouble = session.trouble ? "Not answering" : "Not ended";
    setText(this.badge, lost ? "Unattended" : troubled && session.stage === "ready" ? trouble : word);
    setText(this.where, whereWords(session));
    setText(
      this.reason,
      lost
        ? [session.trouble, LOST_WORDS].filter(Boolean).join(" ")
        : [session.trouble, session.not_ended, session.reason].filter(Boolean).join(" ") ||
            (this.tools.remote && session.started && session.live ? remoteWords(session) : ""),
    );
    this.reason.classList.toggle("gl-bad", lost || session.stage === "failed");
    show(this.reason, this.reason.textContent !== "");
    show(this.own, Boolean(session.own_image && session.live && session.started));
    this.asks.update(session);
    this.move.update(session);
    setText(this.idleWords, session.idle);
    show(this.idle, session.live && session.idle !== "");
    this.showNotices();
    this.showButtons(lost);
    this.stages.update(session);
    this.showNow();
    this.meters.update(session);
    this.showSaved();
    this.usage.update(session);
    this.machines.update(session);
    this.job.update(session);
    this.extend.update(session);
    if (session.live) this.more.close();
    show(this.results, session.saving?.generation != null);
    this.setLink(session.live ? link : undefined);
    this.tick();
    if (wasLive && !session.live) this.logBox.open = false;
  }

  /** @param {boolean} lost */
  showButtons(lost) {
    const { live, stage } = this.session;
    const ending = live && !lost && ENDING.includes(stage);
    show(this.abort.element, live && !ending);
    const { saving, not_ended, unsaved } = this.session;
    const stake = live ? stakeWords(saving) : "";
    show(this.force.element, ending || (live && (not_ended !== "" || stake !== "")));
    show(this.goOn, !this.more.open && (stage === "suspended" || (!live && saving?.generation != null)));
    if (!isResting(this.goOn)) setText(this.goOn, stage === "suspended" ? "Wake up" : "Continue");
    if (saving && !live) this.goOn.title = continueWords(this.session, saving);
    show(this.again, !live && !this.session.job);
    show(this.remove.element, !live);
    const first = saving ? "Its files are saved first." : "";
    const waits = stake && "It goes on for up to ten minutes if they still can't be saved.";
    setText(this.abort.question, sentences("End this session?", first, stake, waits));
    setText(
      this.force.question,
      sentences("Without saving or waiting for the bill?", stake, unsaved ? `${documentWords(unsaved)}.` : ""),
    );
    setText(this.force.sure, stake || not_ended ? "End anyway" : "End at once");
  }

  showNotices() {
    const { notices, variables } = this.session;
    show(this.notices, notices.length > 0);
    showLines(this.notices, notices);
    show(this.variablesBox, variables.length > 0);
    showLines(this.variables, variables);
  }

  /**
   * A Lab that is being closed is not worth opening any more.
   *
   * @param {string | undefined} known
   */
  setLink(known) {
    const link = ENDING.includes(this.session.stage) ? undefined : known;
    if (link) this.open.href = link;
    else this.open.removeAttribute("href");
    show(this.open, Boolean(link));
    this.ways.update(this.session, link);
  }

  /** @param {EventDigest} digest */
  setDigest(digest) {
    this.digest = digest;
    this.meters.setDigest(digest);
    this.usage.setUsed(digest.used);
    this.showNow();
  }

  /** @param {Job} job */
  setJob(job) {
    this.job.set(job);
    this.job.update(this.session);
  }

  showNow() {
    this.stages.showNow(this.session, this.digest ?? { doing: "", progress: [] });
  }

  showSaved() {
    const words = workspaceWords(this.session);
    setText(this.workspace, words);
    show(this.workspace, words !== "");
    show(this.ownSave, Boolean(this.session.newer));
  }

  /** What changes with time alone. */
  tick() {
    const { session } = this;
    const now = this.tools.now();
    this.stages.tick(now, session.live);
    show(this.standby, session.live && session.standby !== null);
    if (!session.live) return;
    this.job.tick();
    setText(this.standby, standbyWords(session, now));
    this.meters.tick(session, now);
  }
}

/**
 * What was selected in a list stays so while nothing in it changes.
 *
 * @param {HTMLElement} list
 * @param {string[]} lines
 */
function showLines(list, lines) {
  if ([...list.children].map((each) => each.textContent).join("\n") !== lines.join("\n")) {
    list.replaceChildren(...lines.map((line) => h("li", { dir: "auto" }, line)));
  }
}
