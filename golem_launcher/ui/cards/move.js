// How a move to another machine goes on, and the buttons that hurry it or give it up.

import { h, setResting, setText, show } from "../common/dom.js";
import { askingButton } from "./confirm.js";

/** @import { Session } from "../types" */

/** A move to another machine that is under way: how far it is; two machines are paid until it is over. */
export class MoveView {
  /** @param {{ now: () => void, stay: () => void }} acts */
  constructor({ now, stay }) {
    this.words = h("p", { dir: "auto" });
    this.now = askingButton("Move now", {
      kind: "move-now",
      question: "Cells that run end.",
      yes: "Move now",
      no: "Wait",
      act: () => this.act(now),
    });
    this.stay = h(
      "button",
      { type: "button", class: "gl-button gl-small gl-stay", onclick: () => this.act(stay) },
      "Stay here",
    );
    const buttons = h("div", { class: "gl-row" }, this.now.element, this.stay);
    this.element = h("div", { class: "gl-move", role: "status", hidden: true }, this.words, buttons);
  }

  /** @param {() => void} act */
  act(act) {
    this.rest(true);
    act();
  }

  /** @param {boolean} now */
  rest(now) {
    for (const button of [this.now.button, this.stay]) setResting(button, now);
  }

  answered() {
    this.rest(false);
  }

  /** @param {Session} session */
  update({ move, live }) {
    show(this.element, live && move !== null);
    if (move === null) return;
    setText(this.words, move.words);
    show(this.now.element, move.waits);
    show(this.stay, move.stays);
  }
}
