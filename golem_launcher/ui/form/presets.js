// Named sets of the form's values: kept, applied, deleted.

import { h, show, tell } from "../common/dom.js";

/** @import { FormModel, Values } from "../types" */

/**
 * A row that loads, saves and removes presets. `values()` gives what is typed.
 *
 * @param {FormModel} model
 * @param {() => Values} values
 */
export function makePresets(model, values) {
  const select = h("select", { class: "gl-input", "aria-label": "Preset", onchange: load });
  const remove = h("button", { type: "button", class: "gl-button gl-small", hidden: true, onclick: forget }, "Remove");
  const open = h("button", { type: "button", class: "gl-button gl-small", onclick: () => ask(true) }, "Save as preset");
  const title = h("input", {
    type: "text",
    class: "gl-input",
    maxlength: 60,
    "aria-label": "Title of the preset",
    onkeydown: onEnter,
  });
  const save = h("button", { type: "button", class: "gl-button gl-small", onclick: keep }, "Save");
  const cancel = h("button", { type: "button", class: "gl-button gl-small", onclick: () => ask(false) }, "Cancel");
  const choosing = h("span", { class: "gl-row" }, h("span", { class: "gl-control" }, select), remove, open);
  const titled = h("label", { class: "gl-row" }, "Title", h("span", { class: "gl-control" }, title));
  const asking = h("span", { class: "gl-row", hidden: true }, titled, save, cancel);
  asking.addEventListener("keydown", (event) => event.key === "Escape" && ask(false));
  const element = h("div", { class: "gl-presets", role: "group", "aria-label": "Presets" }, choosing, asking);

  function list(chosen = select.value) {
    const titles = model.get("presets");
    const first = h("option", { value: "" }, titles.length ? "Presets …" : "No presets yet");
    // A title begins with a mark, so that none can be taken for the first row.
    select.replaceChildren(first, ...titles.map((name) => h("option", { value: `=${name}` }, name)));
    select.value = titles.includes(chosen.slice(1)) ? chosen : "";
    select.disabled = titles.length === 0;
    show(remove, select.value !== "");
  }
  function load() {
    show(remove, select.value !== "");
    if (select.value) tell(model, { kind: "load preset", title: select.value.slice(1) });
  }
  function forget() {
    tell(model, { kind: "remove preset", title: select.value.slice(1) });
    select.value = "";
    show(remove, false);
    open.focus();
  }
  /** @param {boolean} now */
  function ask(now) {
    show(asking, now);
    show(choosing, !now);
    title.value = now ? select.value.slice(1) : "";
    (now ? title : open).focus();
  }
  function keep() {
    if (!title.value.trim()) return title.focus();
    tell(model, { kind: "save preset", title: title.value, values: values() });
  }
  /** @param {KeyboardEvent} event */
  function onEnter(event) {
    if (event.key !== "Enter") return;
    event.preventDefault(); // it would start the session
    keep();
  }
  /** @param {string} name */
  function saved(name) {
    ask(false);
    list(`=${name}`);
  }
  list("");
  return { element, list: () => list(), saved };
}
