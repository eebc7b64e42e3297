// A button that asks before it acts.

import { h, newId, show } from "../common/dom.js";

/**
 * A button that asks once before it does `act`.
 *
 * @param {string} label
 * @param {{
 *   kind: string,
 *   question: string,
 *   yes: string,
 *   no: string,
 *   act: (button: HTMLButtonElement) => void,
 *   danger?: boolean,
 * }} words
 */
export function askingButton(label, { kind, question, yes, no, act, danger = true }) {
  const button = h(
    "button",
    { type: "button", class: `gl-button gl-small gl-${kind}`, onclick: () => ask(true) },
    label,
  );
  const words = h("span", { class: "gl-question", id: newId("question") }, question);
  const sure = h(
    "button",
    {
      type: "button",
      class: `gl-button gl-small gl-${kind}-yes${danger ? " gl-danger" : ""}`,
      "aria-describedby": words.id,
      onclick: go,
    },
    yes,
  );
  const stay = h(
    "button",
    { type: "button", class: `gl-button gl-small gl-${kind}-no`, onclick: () => ask(false) },
    no,
  );
  const asking = h("span", { class: "gl-asking", role: "group", hidden: true }, words, sure, stay);
  asking.addEventListener("keydown", (event) => event.key === "Escape" && ask(false));
  /** @param {boolean} now */
  function ask(now) {
    show(asking, now);
    show(button, !now);
    (now ? stay : button).focus();
  }
  function go() {
    ask(false);
    act(button);
  }
  return { element: h("span", { class: "gl-asks" }, button, asking), button, question: words, sure };
}
