// What a session's Lab asks for, put to the user to allow or refuse.

import { h, setResting, setText, show } from "../common/dom.js";

/** @import { Answer, Session } from "../types" */

const YES = { extend: "Extend …", move: "See the price …", gpu: "See the price …", end: "End it …" };

/** What the Lab asks for: nothing of it happens before the user says yes here, where no provider's script can. */
export class LabRequestsView {
  /**
   * @param {{
   *   extend: (hours: number) => void, price: (what: string) => void, move: (what: string) => void, end: () => void,
   *   decline: () => void,
   * }} acts `price` asks what another machine costs, of the kind that is asked for
   */
  constructor(acts) {
    this.acts = acts;
    this.asked = /** @type {Session["asked"]} */ (null);
    this.price = ""; // of another machine, once it is known
    this.words = h("span", { role: "status" });
    this.yes = h("button", {
      type: "button",
      class: "gl-button gl-small gl-lab-yes",
      onclick: () => this.agree(),
    });
    const no = h("button", { type: "button", class: "gl-button gl-small gl-lab-no", onclick: acts.decline }, "No");
    this.element = h("p", { class: "gl-row gl-lab-asks", hidden: true }, this.words, this.yes, no);
  }

  agree() {
    const { acts, asked } = this;
    if (asked?.what === "extend") return acts.extend(asked.hours);
    if (asked?.what === "end") return acts.end();
    if (!asked) return;
    setResting(this.yes, true); // until it is answered
    if (this.price) acts.move(asked.what);
    else acts.price(asked.what);
  }

  /** @param {Answer} answer to what `agree` asked for */
  answered(answer) {
    setResting(this.yes, false);
    const known = answer.to === "move quote" && answer.ok && answer.what === this.asked?.what; // else it asks anew
    this.price = known ? (answer.text ?? "") : "";
    this.draw();
  }

  /** @param {Session} session */
  update({ asked, live }) {
    if (asked?.what !== this.asked?.what) this.price = ""; // which is of another machine than is asked for now
    this.asked = asked;
    show(this.element, live && asked !== null);
    this.draw();
  }

  draw() {
    setText(this.words, [this.asked?.words, this.price].filter(Boolean).join(" "));
    setText(this.yes, this.price ? "Move" : YES[this.asked?.what ?? "end"]);
  }
}
