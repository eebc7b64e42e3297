// Values that the form remembers from the last time, shown as such, with a way to reset them.

import { h, show } from "../common/dom.js";

/** @import { Group, Value, Values } from "../types" */
/** @import { Control } from "./controls.js" */

/** Fields beside the folded ones whose last choice nobody would expect to find again. */
const QUIET = ["network", "resume"];
const LONGEST = 40;

/**
 * What is kept from the last time and differs from what most sessions have, where it might go unseen: said above the
 * form, each with a way back.
 *
 * @param {{
 *   put: (name: string, value: Value) => void, reset: () => void, leave: () => void, folded: Group[],
 * }} tools `put` changes one field, `reset` all; `leave` takes the keyboard's place once nothing is left here; in
 *   `folded` groups nobody looks
 */
export function makeRememberedValues({ put, reset, leave, folded }) {
  const unseen = new Set([...QUIET, ...folded.flatMap(({ fields }) => fields.map(({ name }) => name))]);
  const list = h("ul", { class: "gl-kept-list" });
  const all = h(
    "button",
    { type: "button", class: "gl-button gl-small gl-kept-all", onclick: reset },
    "Reset the form",
  );
  const words = h("p", {}, "As last time:");
  const element = h("div", { class: "gl-kept", role: "group", "aria-label": "Kept from last time", hidden: true });
  element.append(words, list, all);
  let first = /** @type {Values} */ ({});
  let watched = /** @type {Control[]} */ ([]);

  /**
   * @param {Map<string, Control>} controls
   * @param {Values} given what the form shows at first
   */
  function remember(controls, given) {
    first = given;
    watched = [...controls.values()].filter(
      ({ name, field }) => unseen.has(name) && name in given && given[name] !== field.default,
    );
    update();
  }

  function update() {
    watched = watched.filter((control) => control.value() === first[control.name] && !control.element.hidden);
    const shown = watched.map(({ name }) => name).join();
    if (element.dataset.shown === shown) return;
    element.dataset.shown = shown;
    const held = element.contains(document.activeElement);
    list.replaceChildren(...watched.map(chip));
    show(element, watched.length > 0);
    if (held && !watched.length) leave();
  }

  /** @param {Control} control */
  function chip({ name, field }) {
    const said = `${field.title}: ${wordsOf(field.options, first[name])}`;
    const undo = () => {
      put(name, field.default);
      list.querySelector("button")?.focus();
    };
    const button = h(
      "button",
      { type: "button", class: "gl-button gl-small", "aria-label": `Reset ${field.title}`, onclick: undo },
      "✕",
    );
    return h("li", {}, h("span", {}, said), button);
  }
  return { element, remember, update };
}

/**
 * @param {{ value: string, title: string }[]} options
 * @param {Value} value
 */
function wordsOf(options, value) {
  if (typeof value === "boolean") return value ? "yes" : "no";
  const known = options.find((option) => option.value === value)?.title;
  const words = known ?? value.split("\n").join(", ");
  return words.length > LONGEST ? `${words.slice(0, LONGEST)} …` : words;
}
