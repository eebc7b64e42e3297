// Figures of a running session: time left, money spent, last save.

import { h, setResting, setText, show } from "../common/dom.js";
import { counted, formatAgo, formatAmount, formatBytes, formatClock, formatDuration } from "../common/format.js";
import { gauge, plot } from "./gauges.js";
import { documentWords } from "./session_text.js";

/** @import { EventDigest, Saving, Session } from "../types" */

/** A save that is older than this is high in its picture. */
const LATE_SECONDS = 60;

/** What a session has spent, how long it goes on, and how old its last save is. */
export class MetersView {
  /**
   * @param {HTMLElement} extend the button that gives it more time
   * @param {() => void} save has it saved now
   */
  constructor(extend, save) {
    this.save = save;
    this.session = /** @type {Session | undefined} */ (undefined);
    this.digest = /** @type {EventDigest | undefined} */ (undefined);
    this.spent = gauge("Spent", "spent");
    this.costs = plot();
    this.spent.element.append(this.costs.element);
    this.left = gauge("Time left", "left");
    this.left.element.append(extend);
    this.saved = gauge("Saved", "saved");
    this.saveNow = h(
      "button",
      { type: "button", class: "gl-button gl-small gl-save", onclick: () => this.pressed() },
      "Save now",
    );
    this.saveAges = plot();
    this.saved.element.append(this.saveNow, this.saveAges.element);
    this.element = h("div", { class: "gl-meters" }, this.spent.element, this.left.element, this.saved.element);
  }

  pressed() {
    setResting(this.saveNow, true);
    setText(this.saveNow, "Saving …");
    this.save();
  }

  /** It was saved, or could not be. */
  answered() {
    setResting(this.saveNow, false);
    setText(this.saveNow, "Save now");
  }

  /** @param {Session} session */
  update(session) {
    this.session = session;
    show(this.element, session.live);
    show(this.left.element, Boolean(session.deadline));
    show(this.saved.element, Boolean(session.saving));
    show(this.saveNow, session.stage === "ready");
    this.showMoney(session);
  }

  /** @param {EventDigest} digest */
  setDigest(digest) {
    this.digest = digest;
    this.costs.set(digest.costs);
    this.saveAges.set(digest.used.save_age, LATE_SECONDS);
    if (this.session) this.showMoney(this.session);
  }

  /** @param {Session} session */
  showMoney(session) {
    const { cost, at_most: atMost, budget, token, spent_share: share, money_ends: ends } = session;
    const rate = this.digest?.rate;
    const lately = rate == null ? "" : `${formatAmount(rate)} ${token} an hour lately`;
    const until =
      ends && Date.parse(ends) < Date.parse(session.deadline ?? ends) ? `used up at ${formatClock(ends)}` : "";
    const most = atMost ? "at most " : "";
    this.spent.set(`${most}${cost} of ${budget} ${token}`, share, {
      low: share > 0.9 || until !== "",
      below: [lately, until].filter(Boolean).join(", "),
    });
  }

  /**
   * What changes with time alone.
   *
   * @param {Session} session
   * @param {number} now
   */
  tick(session, now) {
    if (session.saving) this.tickSaving(session.saving, session.unsaved, now);
    if (!session.deadline) return;
    const end = Date.parse(session.deadline);
    const total = end - Date.parse(session.created);
    const left = Math.max(0, end - now);
    this.left.set(formatDuration(left / 1000), total > 0 ? left / total : 0, {
      low: left < 600_000,
      below: `ends at ${formatClock(session.deadline)}`,
    });
  }

  /**
   * @param {Saving} saving
   * @param {number} unsaved
   * @param {number} now
   */
  tickSaving(saving, unsaved, now) {
    const when = saving.saved_at ? formatAgo((now - Date.parse(saving.saved_at)) / 1000) : "not yet";
    const every = saving.interval ? `every ${Math.round(saving.interval) || 1} s` : "";
    const what = saving.generation ? `${counted(saving.files, "file")}, ${formatBytes(saving.bytes)}` : "";
    const open = unsaved ? documentWords(unsaved) : "";
    this.saved.set(when, null, {
      low: saving.problem !== "",
      below: saving.problem || [open, what, every].filter(Boolean).join(", "),
    });
  }
}
