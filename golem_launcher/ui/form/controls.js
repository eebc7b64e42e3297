// One control per field of the request: how it looks, what it holds, what is wrong with it.

import { h, newId, setText, show } from "../common/dom.js";
import { counted, formatBytes } from "../common/units.js";

export const LARGEST_LIST = 256 * 1024;

/** A private key must not leave the place where it was pasted by mistake. */
const PRIVATE_KEY = /PRIVATE\s+KEY/i;

/**
 * A field as a control: element, name, value(), set(value), complain(text), focus().
 * `changed(control)` is called at every change; `tools` are what some kinds need.
 */
export function makeControl(field, changed, tools) {
  const id = newId(field.name);
  const hint = h("p", { class: "gl-hint", id: `${id}-hint` }, field.description);
  const error = h("p", { class: "gl-error-text", id: `${id}-error`, hidden: true });
  const described = { "aria-describedby": `${id}-error ${id}-hint` };
  const control = { field, name: field.name, touched: false };
  const make = { tiles: makeTiles, choice: makeChoice, check: makeCheck, resume: makeResume }[field.kind];
  const lists = ["lines", "packages", "inputs"].includes(field.kind);
  Object.assign(control, (make ?? (lists ? makeLines : makeText))(field, { id, described, hint, tools, onchange }));
  control.element = h(
    control.grouped ? "fieldset" : "div",
    { class: `gl-field gl-kind-${field.kind} gl-field-${field.name}` },
    control.label ?? h("label", { for: id }, field.title),
    control.body,
    error,
    hint,
  );
  control.complain = (text) => {
    setText(error, text);
    show(error, text !== "");
    for (const input of control.inputs) {
      if (text) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
    }
  };
  control.focus = () => (control.inputs.find((input) => input.checked) ?? control.inputs[0]).focus();

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

function makeText(field, { id, described, onchange }) {
  const numeric = field.kind === "number"; // a text field all the same: what cannot be read is refused with a reason
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
    body: h("div", { class: "gl-control" }, input, unit),
    value: () => input.value.trim(),
    set: (value) => (input.value = value),
    /** Name the chosen network's coin, where this is an amount. */
    payIn: (token) => unit && setText(unit, field.unit.replace(/^GLM/, token)),
  };
}

function makeChoice(field, { id, described, onchange }) {
  const options = field.options.map(({ value, title }) => h("option", { value }, title));
  const input = h("select", { id, name: field.name, class: "gl-input", onchange, ...described }, ...options);
  return {
    inputs: [input],
    body: h("div", { class: "gl-control" }, input),
    value: () => input.value,
    set: (value) => (input.value = value),
  };
}

/** Workspaces that were saved here; one of another store, which a file may name, is added as it is. */
function makeResume(field, { id, described, onchange, tools }) {
  const input = h("select", { id, name: field.name, class: "gl-input", onchange, ...described });
  let known = [];
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
    set: list,
  };
}

function savedWords({ value, older, at, files, bytes }) {
  const when = new Date(at).toLocaleString([], { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
  return `${older ? "\u2003" : ""}${value} · ${when} · ${counted(files, "file")}, ${formatBytes(bytes)}`;
}

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

/** Choices that are worth being told apart at a glance: radio buttons as tiles, the chosen one's sentence below. */
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
  function tell() {
    setText(hint, chosen()?.sentence ?? field.description);
  }
  function pick(event) {
    tell();
    onchange(event);
  }
  return {
    inputs,
    grouped: true,
    label: h("legend", { id }, field.title),
    body: h("div", { class: "gl-tiles" }, ...tiles),
    value: () => chosen()?.value ?? "",
    /** What the chosen one asks of other fields: the least of each. */
    least: () => chosen()?.least ?? {},
    mood: () => chosen()?.mood,
    /** The coin that is paid with. */
    token: () => chosen()?.token,
    set(value) {
      for (const input of inputs) input.checked = input.value === value;
      tell();
    },
  };
}

/** A list, one item a line. Packages may come from a file, files to bring from this computer. */
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
  const control = {
    inputs: [input],
    body: h("div", { class: "gl-stack" }, h("div", { class: "gl-control gl-area" }, input)),
    value: () => input.value,
    set: (value) => (input.value = value),
  };
  if (field.kind === "packages") {
    control.add = (text) => {
      input.value = [input.value.trim(), text].filter(Boolean).join("\n");
      onchange({ type: "change" });
    };
    control.body.append(
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
    control.body.append(uploads.element);
    control.value = () => [input.value.trim(), ...uploads.paths()].filter(Boolean).join("\n");
  }
  return control;
}

/** A button that lets one choose files; `taken(files)` gets them. It can be reached by keyboard like any input. */
export function filePicker(title, attributes, taken) {
  const input = h("input", { type: "file", class: "gl-hidden", ...attributes });
  input.addEventListener("change", () => {
    const files = [...input.files];
    input.value = ""; // the same file again is a change again
    if (files.length) taken(files);
  });
  return h("label", { class: "gl-button gl-small gl-pick" }, input, title);
}
