import { h, setText, show } from "../common/dom.js";
import { formatClock } from "../common/units.js";

/** @import { Answer, Session } from "../types" */
/** @import { Tools } from "./card.js" */

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
      h("div", { class: "gl-row" }, this.hours.label, this.budget.label, this.unit, this.send),
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

  /** @param {boolean} now */
  open(now) {
    show(this.form, now);
    this.button.setAttribute("aria-expanded", String(now));
    setText(this.answer, "");
    (now ? this.hours.input : this.button).focus();
    if (now) this.hours.input.select();
  }

  /** @param {Session} session */
  update(session) {
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
    this.send.disabled = true;
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
    this.send.disabled = false;
    if (ok) this.open(false);
    this.answer.classList.toggle("gl-error-text", !ok);
    setText(this.answer, text ?? "");
  }
}
