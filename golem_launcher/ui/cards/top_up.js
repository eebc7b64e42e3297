// The form for the time or money that a session or job lacks to go on.

import { h, setResting, show } from "../common/dom.js";

/** What was asked for lacks time or money: how much it gets, asked for in the button's place once the kernel said so. */
export class TopUpForm {
  /**
   * @param {HTMLButtonElement} button
   * @param {string} label
   * @param {Record<string, string>} fields the title of each
   * @param {(given: Record<string, string>) => void} act
   */
  constructor(button, label, fields, act) {
    this.button = button;
    this.unit = h("span", { class: "gl-hint" });
    this.inputs = Object.keys(fields).map((name) => ({
      name,
      input: h("input", { type: "text", inputmode: "decimal", class: "gl-input", size: 5 }),
    }));
    const labels = this.inputs.map(({ name, input }) =>
      h("label", { class: "gl-extend-field" }, h("span", {}, fields[name]), h("span", { class: "gl-control" }, input)),
    );
    this.send = h("button", { type: "submit", class: "gl-button gl-small gl-primary" }, label);
    this.form = h(
      "form",
      { class: "gl-more", novalidate: true, hidden: true, "aria-label": label },
      h("div", { class: "gl-row" }, ...labels, this.unit, this.send),
    );
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      setResting(this.send, true); // until it is answered
      act(Object.fromEntries(this.inputs.map(({ name, input }) => [name, input.value])));
    });
    this.form.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      this.close();
      this.button.focus();
    });
  }

  /**
   * @param {string} field what is lacking
   * @param {string} proposed how much of it
   * @param {string} coin
   */
  ask(field, proposed, coin) {
    this.unit.textContent = coin;
    show(this.form, true);
    show(this.button, false);
    const lacking = this.inputs.find(({ name }) => name === field);
    if (!lacking) return;
    lacking.input.value ||= proposed;
    lacking.input.focus();
    lacking.input.select();
  }

  answered() {
    setResting(this.send, false);
  }

  get open() {
    return this.form.hidden === false;
  }

  close() {
    if (!this.open) return;
    show(this.form, false);
    show(this.button, true);
    for (const { input } of this.inputs) input.value = "";
  }
}
