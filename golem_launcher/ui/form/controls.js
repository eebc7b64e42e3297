// One control per field of the request: how it looks, what it holds, what is wrong with it.

import { h, newId, setText, show } from "../common/dom.js";
import { counted, formatBytes, formatClock } from "../common/format.js";

/** @import { Attributes, Child, Field, Money, Saved, Value } from "../types" */
/** @import { Uploads } from "./uploads.js" */

/**
 * What some kinds of control need of their form.
 *
 * @typedef {object} Tools
 * @property {(changed: () => void) => Uploads} makeUploads
 * @property {(listener: (saved: Saved[]) => void) => void} onWorkspaces
 * @property {(name: string, text: string) => void} complain says what is wrong with a field
 * @property {(data: ArrayBuffer) => void} readRequirements
 */

/** @typedef {(event?: Pick<Event, "type">) => void} Listener */

/**
 * The part of a control that depends on its field's kind. Some kinds can do more.
 *
 * @typedef {object} Part
 * @property {(HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement)[]} inputs
 * @property {HTMLElement | null} body
 * @property {() => Value} value
 * @property {(value: Value) => void} set
 * @property {HTMLElement} [label] in the place of the usual one
 * @property {boolean} [grouped]
 * @property {(token: string) => void} [payIn] names the chosen network's coin, where this is an amount
 * @property {(values: string[]) => void} [suggest] what may be typed, where that is known
 * @property {() => Record<string, string>} [implies] what other fields are with the chosen one, where nothing is picked
 * @property {(value: string) => void} [usual] shows what is taken while nothing is picked
 * @property {() => Record<string, number>} [least] what the chosen one asks of other fields: the least of each
 * @property {() => Money | undefined} [mood]
 * @property {() => string | undefined} [token] the coin that is paid with
 * @property {(text: string) => void} [add]
 */

/**
 * @typedef {object} Surroundings
 * @property {string} id
 * @property {Attributes} described
 * @property {HTMLElement} hint
 * @property {Tools} tools
 * @property {Listener} onchange
 */

/**
 * @typedef {Part & {
 *   field: Field,
 *   name: string,
 *   touched: boolean,
 *   element: HTMLElement,
 *   complain: (text: string) => void,
 *   focus: () => void,
 * }} Control
 */

export const LARGEST_LIST = 256 * 1024;

/** A private key must not leave the place where it was pasted by mistake. */
const PRIVATE_KEY = /PRIVATE\s+KEY/i;

/**
 * A field as a control.
 *
 * @param {Field} field
 * @param {(control: Control) => void} changed called at every change
 * @param {Tools} tools
 * @returns {Control}
 */
export function makeControl(field, changed, tools) {
  const id = newId(field.name);
  const hint = h("p", { class: "gl-hint", id: `${id}-hint` }, field.description);
  const error = h("p", { class: "gl-error-text", id: `${id}-error`, hidden: true });
  const described = { "aria-describedby": `${id}-error ${id}-hint` };
  const make = MAKERS[field.kind] ?? makeText;
  const part = make(field, { id, described, hint, tools, onchange });
  const element = h(
    part.grouped ? "fieldset" : "div",
    { class: `gl-field gl-kind-${field.kind} gl-field-${field.name}` },
    part.label ?? h("label", { for: id }, field.title),
    part.body,
    error,
    hint,
  );
  /** @param {string} text */
  function complain(text) {
    setText(error, text);
    show(error, text !== "");
    for (const input of part.inputs) {
      if (text) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
    }
  }
  function focus() {
    const chosen = part.inputs.find((input) => input instanceof HTMLInputElement && input.checked);
    (chosen ?? part.inputs[0]).focus();
  }
  const control = { ...part, field, name: field.name, touched: false, element, complain, focus };

  /** @type {Listener} */
  function onchange(event) {
    control.complain("");
    if (event?.type === "change") control.touched = true;
    if (event && PRIVATE_KEY.test(String(control.value()))) {
      control.set("");
      control.complain("This is a private key: it was thrown away. Paste the line of the file that ends in .pub.");
      return;
    }
    changed(control);
  }
  return control;
}

/** @type {Record<string, ((field: Field, given: Surroundings) => Part) | undefined>} */
const MAKERS = {
  tiles: makeTiles,
  choice: makeChoice,
  check: makeCheck,
  resume: makeResume,
  lines: makeLines,
  packages: makeLines,
  inputs: makeLines,
};

/**
 * @param {Field} field
 * @param {Surroundings} given
 * @returns {Part}
 */
function makeText(field, { id, described, onchange }) {
  const numeric = field.kind === "number"; // a text field all the same: what cannot be read is refused with a reason
  const known = h("datalist", { id: `${id}-known` });
  const input = h("input", {
    id,
    name: field.name,
    class: "gl-input",
    type: "text",
    inputmode: numeric ? "decimal" : null,
    placeholder: field.example || null,
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
    oninput: onchange,
    onchange,
    ...described,
  });
  const unit = field.unit ? h("span", { class: "gl-unit", "aria-hidden": "true" }, field.unit) : null;
  return {
    inputs: [input],
    body: h("div", { class: "gl-control" }, input, unit, known),
    value: () => input.value.trim(),
    set: (value) => (input.value = String(value)),
    suggest: (values) => {
      known.replaceChildren(...values.map((value) => h("option", { value })));
      if (values.length) input.setAttribute("list", known.id);
      else input.removeAttribute("list"); // with one it is a combobox to who listens
    },
    payIn: (token) => unit && setText(unit, field.unit.replace(/^GLM/, token)),
  };
}

/**
 * @param {Field} field
 * @param {Surroundings} given
 * @returns {Part}
 */
function makeChoice(field, { id, described, onchange }) {
  const options = field.options.map(({ value, title }) => h("option", { value }, title));
  const input = h("select", { id, name: field.name, class: "gl-input", onchange, ...described }, ...options);
  return {
    inputs: [input],
    body: h("div", { class: "gl-control" }, input),
    value: () => input.value,
    implies: () => field.options.find(({ value }) => value === input.value)?.implies ?? {},
    set: (value) => (input.value = String(value)),
  };
}

/**
 * Workspaces that were saved here; one of another store, which a file may name, is added as it is.
 *
 * @param {Field} field
 * @param {Surroundings} given
 * @returns {Part}
 */
function makeResume(field, { id, described, onchange, tools }) {
  const input = h("select", { id, name: field.name, class: "gl-input", onchange, ...described });
  let known = /** @type {Saved[]} */ ([]);
  /** @param {string} wanted */
  function list(wanted) {
    const rows = [["", "Start afresh"], ...known.map((saved) => [saved.value, savedWords(saved)])];
    if (!rows.some(([value]) => value === wanted)) rows.push([wanted, wanted]);
    input.replaceChildren(...rows.map(([value, title]) => h("option", { value }, title)));
    input.value = wanted;
  }
  tools.onWorkspaces((workspaces) => {
    known = workspaces;
    list(input.value);
  });
  return {
    inputs: [input],
    body: h("div", { class: "gl-control" }, input),
    value: () => input.value,
    set: (value) => list(String(value)),
  };
}

/** @param {Saved} saved */
function savedWords({ value, older, at, files, bytes }) {
  return `${older ? "\u2003" : ""}${value} · ${formatClock(at)} · ${counted(files, "file")}, ${formatBytes(bytes)}`;
}

/**
 * @param {Field} field
 * @param {Surroundings} given
 * @returns {Part}
 */
function makeCheck(field, { id, described, onchange }) {
  const input = h("input", { id, name: field.name, type: "checkbox", class: "gl-check", onchange, ...described });
  return {
    inputs: [input],
    label: h("label", { class: "gl-check-label", for: id }, input, h("span", {}, field.title)),
    body: null,
    value: () => input.checked,
    set: (value) => (input.checked = Boolean(value)),
  };
}

/**
 * Choices that are worth being told apart at a glance: radio buttons as tiles, the chosen one's sentence below.
 *
 * @param {Field} field
 * @param {Surroundings} given
 * @returns {Part}
 */
function makeTiles(field, { id, described, hint, onchange }) {
  const group = newId("tiles");
  const inputs = field.options.map(({ value }) =>
    h("input", {
      type: "radio",
      name: `${field.name}-${group}`,
      value,
      class: "gl-tile-input",
      onchange: pick,
      ...described,
    }),
  );
  const tiles = field.options.map((option, index) =>
    h(
      "label",
      { class: "gl-tile", "data-mood": option.mood ?? null },
      inputs[index],
      h("span", { class: "gl-tile-title" }, option.title),
      option.badge ? h("span", { class: "gl-tile-badge" }, option.badge) : null,
    ),
  );
  const chosen = () => field.options[inputs.findIndex((input) => input.checked)];
  let picked = false;
  let suggested = "";
  /** @param {string} value */
  function showChosen(value) {
    for (const input of inputs) input.checked = input.value === value;
    tell();
  }
  function tell() {
    setText(hint, chosen()?.sentence ?? field.description);
  }
  /** @param {Event} event */
  function pick(event) {
    picked = true;
    tell();
    onchange(event);
  }
  return {
    inputs,
    grouped: true,
    label: h("legend", { id }, field.title),
    body: h("div", { class: "gl-tiles" }, ...tiles),
    value: () => (picked ? (chosen()?.value ?? "") : ""),
    implies: () => chosen()?.implies ?? {},
    usual(value) {
      suggested = value;
      if (!picked) showChosen(value);
    },
    least: () => chosen()?.least ?? {},
    mood: () => chosen()?.mood,
    token: () => chosen()?.token,
    set(value) {
      picked = value !== "";
      showChosen(String(value) || suggested);
    },
  };
}

/**
 * A list, one item a line. Packages may come from a file, files to bring from this computer.
 *
 * @param {Field} field
 * @param {Surroundings} given
 * @returns {Part}
 */
function makeLines(field, { id, described, onchange, tools }) {
  const input = h("textarea", {
    id,
    name: field.name,
    class: "gl-input",
    rows: field.kind === "lines" ? 2 : 3,
    placeholder: field.example || null,
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
    wrap: "off",
    oninput: onchange,
    onchange,
    ...described,
  });
  const body = h("div", { class: "gl-stack" }, h("div", { class: "gl-control gl-area" }, input));
  /** @type {Part} */
  const part = { inputs: [input], body, value: () => input.value, set: (value) => (input.value = String(value)) };
  if (field.kind === "packages") {
    part.add = (text) => {
      input.value = [input.value.trim(), text].filter(Boolean).join("\n");
      onchange({ type: "change" });
    };
    body.append(
      filePicker("Read a requirements file", { accept: ".txt,text/plain" }, async ([file]) => {
        if (file.size > LARGEST_LIST)
          return tools.complain(field.name, "This file is too large for a list of packages.");
        if (PRIVATE_KEY.test(await file.text()))
          return tools.complain(field.name, "This is a private key: it was thrown away.");
        tools.readRequirements(await file.arrayBuffer()); // any encoding that pip takes: the kernel knows them
      }),
    );
  }
  if (field.kind === "inputs") {
    const uploads = tools.makeUploads(() => onchange());
    body.append(uploads.element);
    part.value = () => [input.value.trim(), ...uploads.paths()].filter(Boolean).join("\n");
  }
  return part;
}

/**
 * A button that lets one choose files; `taken` gets them. It can be reached by keyboard like any input.
 *
 * @param {string} title
 * @param {Attributes} attributes
 * @param {(files: File[]) => unknown} taken
 */
export function filePicker(title, attributes, taken) {
  const input = h("input", { type: "file", class: "gl-hidden", ...attributes });
  input.addEventListener("change", () => {
    const files = [...(input.files ?? [])];
    input.value = ""; // the same file again is a change again
    if (files.length) taken(files);
  });
  return h("label", { class: "gl-button gl-small gl-pick" }, input, title);
}
