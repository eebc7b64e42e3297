// The form that gives a session more time.

import { h, setResting, setText, show } from "../common/dom.js";
import { formatAmount, formatClock } from "../common/format.js";

/** @import { Answer, Session } from "../types" */
/** @import { Tools } from "./card.js" */

const CHIPS = [1, 2, 5];
const HOUR_MS = 3_600_000;
const DIGITS = 3; // of an amount that is proposed

/** More time, more money: how much of each, in words that the kernel answers. */
export class ExtendForm {
  /**
   * @param {string} name
   * @param {Tools} tools
   */
  constructor(name, tools) {
    this.name = name;
    this.tools = tools;
    this.hours = this.field("Hours more", "1", "0.5");
    this.budget = this.field("Budget more", "", "0.1");
    this.unit = h("span", { class: "gl-hint" });
    this.session = /** @type {Session | undefined} */ (undefined);
    this.chips = CHIPS.map((hours) => ({
      hours,
      button: h(
        "button",
        { type: "button", class: "gl-button gl-small gl-chip", onclick: () => this.choose(hours) },
        `+${hours} h`,
      ),
    }));
    this.result = h("p", { class: "gl-extend-result", role: "status" });
    for (const { input } of [this.hours, this.budget]) input.addEventListener("input", () => this.tell());
    this.asking = false;
    this.send = h("button", { type: "submit", class: "gl-button gl-small gl-extend-send" }, "Extend");
    this.answer = h("p", { class: "gl-answer", role: "status" });
    this.hint = h("p", { class: "gl-hint" });
    this.form = h(
      "form",
      {
        class: "gl-extend-form",
        novalidate: true,
        hidden: true,
        onsubmit: (event) => this.submit(event),
        "aria-label": `Extend ${name}`,
      },
      h("div", { class: "gl-row gl-chips" }, ...this.chips.map(({ button }) => button)),
      h("div", { class: "gl-row" }, this.hours.label, this.budget.label, this.unit, this.send),
      this.result,
      this.hint,
      this.answer,
    );
    this.form.addEventListener("keydown", (event) => event.key === "Escape" && this.open(false));
    this.button = h(
      "button",
      {
        type: "button",
        class: "gl-button gl-small gl-extend",
        "aria-expanded": "false",
        onclick: () => this.open(this.form.hidden !== false),
      },
      "Extend",
    );
  }

  /**
   * @param {string} title
   * @param {string} value
   * @param {string} step
   */
  field(title, value, step) {
    const input = h("input", { type: "text", inputmode: "decimal", class: "gl-input", value, step, size: 5 });
    const label = h(
      "label",
      { class: "gl-extend-field" },
      h("span", {}, title),
      h("span", { class: "gl-control" }, input),
    );
    return { input, label };
  }

  /**
   * Fill in so many hours, and what the budget then lacks.
   *
   * @param {number} hours
   */
  choose(hours) {
    this.hours.input.value = String(hours);
    this.budget.input.value = this.lacking(hours);
    this.tell();
  }

  /**
   * By how much the budget would have to grow to last for so many hours more at full load; empty where it lasts.
   *
   * @param {number} hours
   */
  lacking(hours) {
    const { session } = this;
    if (!session?.price || !session.deadline) return "";
    const left = (Date.parse(session.deadline) - this.tools.now()) / HOUR_MS + hours;
    const more = Number(session.cost) + Number(session.price) * left - Number(session.budget);
    if (!(more > 0)) return "";
    const unit = 10 ** (Math.floor(Math.log10(more)) + 1 - DIGITS);
    return formatAmount(Math.ceil(more / unit) * unit);
  }

  /** Say what comes of it. */
  tell() {
    const { session } = this;
    if (!session) return;
    const hours = numberOf(this.hours.input.value);
    const budget = numberOf(this.budget.input.value);
    const ends = hours > 0 && session.deadline ? Date.parse(session.deadline) + hours * HOUR_MS : null;
    const late = ends !== null && isLater(ends, session);
    setResting(this.send, late || this.asking);
    if (late) return setText(this.result, "That is longer than this provider can be kept.");
    const parts = [];
    if (ends !== null) parts.push(`It ends at ${formatClock(new Date(ends).toISOString())}`);
    if (hours > 0 && session.price)
      parts.push(`costs at most ${formatAmount(Number(session.price) * hours)} ${session.token} more`);
    if (budget > 0) parts.push(`may cost ${formatAmount(Number(session.budget) + budget)} ${session.token} in all`);
    setText(this.result, parts.length ? `${parts.join(", ")}.` : "");
  }

  /** @param {boolean} now */
  open(now) {
    const { activeElement } = document;
    const isHere = activeElement === document.body || this.form.contains(activeElement);
    show(this.form, now);
    this.button.setAttribute("aria-expanded", String(now));
    setText(this.answer, "");
    if (now) this.hours.input.focus();
    else if (isHere) this.button.focus(); // an answer may come to who has gone on elsewhere
    if (!now) return;
    this.hours.input.select();
    this.tell();
  }

  /** @param {Session} session */
  update(session) {
    this.session = session;
    for (const { hours, button } of this.chips) {
      const cost = session.price ? ` · ${formatAmount(Number(session.price) * hours)} ${session.token}` : "";
      setText(button, `+${hours} h${cost}`);
      setResting(button, isLater(Date.parse(session.deadline ?? "") + hours * HOUR_MS, session));
    }
    if (!this.form.hidden) this.tell();
    setText(this.unit, session.token);
    const room = session.extendable ? `This provider can be kept until ${formatClock(session.extendable)}.` : "";
    setText(this.hint, room);
    show(this.hint, room !== "");
    show(this.button, session.live && session.alive && ["ready", "recovering"].includes(session.stage));
    if (this.button.hidden) show(this.form, false);
  }

  /** @param {SubmitEvent} event */
  submit(event) {
    event.preventDefault();
    this.asking = true;
    setResting(this.send, true);
    this.answer.classList.remove("gl-error-text");
    setText(this.answer, "Asking …");
    this.tools.send({
      kind: "extend",
      name: this.name,
      hours: this.hours.input.value,
      budget: this.budget.input.value,
    });
  }

  /** @param {Answer} answer */
  answered({ ok, text }) {
    this.asking = false;
    setResting(this.send, false);
    if (ok) this.open(false);
    this.answer.classList.toggle("gl-error-text", !ok);
    setText(this.answer, text ?? "");
  }
}

/**
 * Whether the session's provider can't be kept for so long.
 *
 * @param {number} end
 * @param {Session} session
 */
const isLater = (end, { extendable }) => extendable !== null && end > Date.parse(extendable);

/**
 * A number as people type it.
 *
 * @param {string} text
 */
const numberOf = (text) => Number(text.trim().replace(/^(\d*),(\d+)$/, "$1.$2") || "0");
