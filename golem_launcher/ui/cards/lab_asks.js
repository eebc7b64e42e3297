import { h, setText, show } from "../common/dom.js";

/** @import { Session } from "../types" */

/** What the Lab asks for: nothing of it happens before the user says yes here, where no provider's script can. */
export class LabAsksView {
  /** @param {{ extend: (hours: number) => void, end: () => void, decline: () => void }} acts */
  constructor({ extend, end, decline }) {
    this.asked = /** @type {Session["asked"]} */ (null);
    this.words = h("span", { role: "status" });
    this.yes = h("button", {
      type: "button",
      class: "gl-button gl-small gl-lab-yes",
      onclick: () => (this.asked?.what === "extend" ? extend(this.asked.hours) : end()),
    });
    const no = h("button", { type: "button", class: "gl-button gl-small gl-lab-no", onclick: decline }, "No");
    this.element = h("p", { class: "gl-row gl-lab-asks", hidden: true }, this.words, this.yes, no);
  }

  /** @param {Session} session */
  update({ asked, live }) {
    this.asked = asked;
    show(this.element, live && asked !== null);
    setText(this.words, asked?.words ?? "");
    setText(this.yes, asked?.what === "end" ? "End it …" : "Extend …");
  }
}
