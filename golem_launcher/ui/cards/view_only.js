// The view-only link of a session: made, shown, copied, revoked.

import { copyButton, h, show } from "../common/dom.js";

/** @import { Answer, Session } from "../types" */
/** @import { Tools } from "./card.js" */

/** The link by which others see a session's notebooks: made, copied, revoked. */
export class ViewOnlyView {
  /**
   * @param {string} name
   * @param {Tools} tools
   */
  constructor(name, tools) {
    this.make = h(
      "button",
      { type: "button", class: "gl-button gl-small", onclick: () => tools.send({ kind: "share", name }) },
      "Make a view-only link",
    );
    this.code = h("code", { class: "gl-code", tabindex: 0, "aria-label": "The view-only link" });
    const revoke = h(
      "button",
      { type: "button", class: "gl-button gl-small", onclick: () => tools.send({ kind: "unshare", name }) },
      "Revoke",
    );
    const copy = copyButton("Copy", () => this.code.textContent ?? "", this.code);
    this.link = h("div", { class: "gl-row gl-way-row", hidden: true }, this.code, copy, revoke);
    this.element = h(
      "div",
      { class: "gl-way gl-view-only" },
      h("span", {}, "For others to see the notebooks, and do nothing else"),
      h("div", { class: "gl-row" }, this.make),
      this.link,
    );
    this.ask = () => tools.send({ kind: "view only", name });
    this.asked = false;
  }

  /** @param {Session} session */
  update(session) {
    show(this.make, !session.shared);
    if (!session.shared) {
      this.asked = false;
      this.told("");
    } else if (!this.code.textContent && !this.asked) {
      this.asked = true;
      this.ask();
    }
  }

  /** @param {Answer} answer */
  answered(answer) {
    if (answer.ok) this.told(answer.link ?? "");
  }

  /** @param {string} link */
  told(link) {
    if (this.code.textContent !== link) this.code.textContent = link;
    show(this.link, link !== "");
  }
}
