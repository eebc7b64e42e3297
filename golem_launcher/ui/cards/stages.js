// The stages of a session's start, with what is going on in the present one.

import { h, setText, show } from "../common/dom.js";
import { formatDuration } from "../common/format.js";
import { STAGE_WORDS, stageSentence } from "./session_text.js";

/** @import { EventDigest, Session, Step, Transfer } from "../types" */

const STATUS_MARKS = { done: "✓", failed: "✕", current: "●", ahead: "○" };
const STATUS_WORDS = { done: "done", failed: "failed", current: "in progress", ahead: "to come" };

/** The stages of one session with their times, what happens at this moment, and how far transfers are. */
export class StagesView {
  constructor() {
    this.steps = /** @type {ReturnType<typeof makeStep>[]} */ ([]);
    this.list = h("ol", { class: "gl-stages", "aria-label": "Stages" });
    this.doing = h("p", { class: "gl-doing", dir: "auto" });
    this.transfers = h("div", { class: "gl-transfers" });
    this.now = h("div", { class: "gl-now" }, this.doing, this.transfers);
    this.element = h("div", { class: "gl-stages-box" }, this.list, this.now);
  }

  /** @param {Session} session */
  update(session) {
    const { steps } = session;
    while (this.steps.length > steps.length) this.steps.pop()?.element.remove();
    while (this.steps.length < steps.length) {
      const step = makeStep();
      this.steps.push(step);
      this.list.append(step.element);
    }
    for (const [index, step] of steps.entries()) this.steps[index].update(step, session.workload);
    show(this.element, steps.length > 0 && (session.live || session.stage === "failed"));
  }

  /**
   * @param {Session} session
   * @param {Pick<EventDigest, "doing" | "progress">} digest the last that the session said, and what is being moved
   */
  showNow(session, { doing, progress }) {
    const busy = session.live && session.alive && (session.stage !== "ready" || progress.length > 0);
    show(this.now, busy);
    if (!busy) return;
    const words = stageSentence(session.stage, session.workload);
    setText(this.doing, doing && session.stage !== "ready" ? `${words} ${doing}` : words);
    this.transfers.replaceChildren(...progress.map(transfer));
  }

  /**
   * @param {number} now
   * @param {boolean} live
   */
  tick(now, live) {
    for (const step of this.steps) step.tick(now, live);
  }
}

/** @param {Transfer} transfer */
function transfer({ what, done, total, figures }) {
  return h(
    "label",
    { class: "gl-transfer" },
    h("span", { dir: "auto" }, what),
    h("progress", { class: "gl-progress", max: total || 1, value: total ? done : null }),
    h("span", { class: "gl-hint" }, figures),
  );
}

function makeStep() {
  const mark = h("span", { class: "gl-mark", "aria-hidden": "true" });
  const word = h("span", { class: "gl-step-name" });
  const status = h("span", { class: "gl-hidden" });
  const time = h("span", { class: "gl-step-time" });
  const element = h("li", { class: "gl-step" }, mark, word, status, time);
  let step = /** @type {Step | null} */ (null);
  return {
    element,
    /**
     * @param {Step} next
     * @param {string} workload
     */
    update(next, workload) {
      step = next;
      element.dataset.status = step.status;
      element.dataset.stage = step.stage;
      element.title = stageSentence(step.stage, workload);
      if (step.status === "current") element.setAttribute("aria-current", "step");
      else element.removeAttribute("aria-current");
      const ready = step.stage === "ready" && step.status === "current";
      setText(mark, ready ? STATUS_MARKS.done : STATUS_MARKS[step.status]);
      setText(word, STAGE_WORDS[step.stage][0] + (step.tries > 1 ? `, try ${step.tries}` : ""));
      setText(status, ready ? ", now" : `, ${STATUS_WORDS[step.status]}`);
    },
    /**
     * @param {number} now
     * @param {boolean} live
     */
    tick(now, live) {
      if (!step?.at || (!step.until && !live)) return setText(time, "");
      const end = step.until ? Date.parse(step.until) : now;
      setText(time, formatDuration((end - Date.parse(step.at)) / 1000));
    },
  };
}
