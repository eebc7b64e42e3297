// The widget of the form: its controls, what is wrong with them, and Start.

import { h, isResting, newId, setResting, setText, show, tell } from "../common/dom.js";
import { keepPlace } from "../common/place.js";
import { Insist, Presence } from "../common/presence.js";
import { makeControl } from "./controls.js";
import { makeMachineChoice } from "./machine_choice.js";
import { makeOffers } from "./offers.js";
import { makePresets } from "./presets.js";
import { makeRememberedValues } from "./remembered_values.js";
import { makeRequestExport } from "./request_export.js";
import { Uploads } from "./uploads.js";

/** @import { FormModel, FormTold, Group, Refused, Saved, Value, Values, View } from "../types" */
/** @import { Control, Tools } from "./controls.js" */

const CONSIDER_MS = 250;
const PAY_WORDS = {
  none: "Nothing is paid here: tGLM is play money. On Golem you pay a stranger by the second, who could look into the machine.",
  test: "Paid with play money (tGLM), by the second, to a stranger who could look into the machine.",
  real: "You pay real money, by the second, to a stranger who could look into the machine while it runs.",
};
const START_WORDS = "Start JupyterLab on Golem";

/**
 * The fields are described by the kernel, which is still loading what it describes them by when the page comes.
 *
 * @param {View<FormModel>} view
 */
function renderForm({ model, el }) {
  el.classList.add("gl", "gl-form");
  const loading = h("p", { class: "gl-hint gl-loading", role: "status" }, "Loading …");
  let form = model.get("groups").length ? makeForm({ model, el }) : null;
  if (!form) el.append(loading);
  const presence = new Presence(model, { more: () => form?.wanted() ?? {} });
  const begin = () => {
    if (form) return;
    loading.remove();
    form = makeForm({ model, el });
    presence.ask(); // for what a form wants besides
  };
  model.on("change:groups", begin);
  return () => {
    presence.end();
    model.off("change:groups", begin);
    form?.end();
  };
}

/** @param {View<FormModel>} view */
function makeForm({ model, el }) {
  const controls = /** @type {Map<string, Control>} */ (new Map());
  const workspaceListeners = /** @type {((saved: Saved[]) => void)[]} */ ([]);
  let uploads = /** @type {Uploads | null} */ (null);
  /** @type {Tools} */
  const tools = {
    makeUploads: (changed) => (uploads = new Uploads(model, changed)),
    onWorkspaces: (listener) => workspaceListeners.push(listener),
    complain: (name, text) => controlOf(name).complain(text),
    readRequirements: (data) => model.send({ kind: "requirements" }, undefined, [data]),
  };
  const note = h("p", { class: "gl-form-error", role: "alert", hidden: true });
  const near = () => void tell(model, { kind: "near" }); // what a session needs loads before it is asked for
  const button = h(
    "button",
    { type: "submit", class: "gl-button gl-primary gl-start", onpointerenter: near, onfocus: near },
    START_WORDS,
  );
  const headingId = newId("form");
  const form = h("form", { class: "gl-columns", novalidate: true, onsubmit: submit, "aria-labelledby": headingId });
  const presets = makePresets(model, values);
  const share = makeRequestExport(model);
  const title = h("h2", { id: headingId, tabindex: -1 }, "New session");
  const head = h("div", { class: "gl-form-head" }, title, presets.element);
  const described = model.get("groups");
  const folded = described.filter((group) => group.folded);
  const leave = () => title.focus({ preventScroll: true });
  const kept = makeRememberedValues({ put, reset: () => tell(model, { kind: "reset" }), leave, folded });
  const groups = described.map(makeGroup);
  const choice = makeMachineChoice({ allowed, allow: (words) => put("allow", words.join("\n")) });
  groups.splice(described.indexOf(folded[0]), 0, choice.element);
  const fields = h("div", { class: "gl-card gl-asked" }, head, kept.element, ...groups, share.element);
  const offers = makeOffers({ set: put, mend: () => tell(model, { kind: "mend" }) });
  const pay = h("p", { class: "gl-hint" });
  const priceId = newId("price");
  const start = h("div", { class: "gl-start-bar" }, note, h("div", { class: "gl-start-row" }, offers.short, button));
  const costs = h(
    "div",
    { class: "gl-costs" },
    h("h2", { id: priceId, tabindex: -1 }, "What it will cost"),
    offers.element,
  );
  const aside = h("section", { class: "gl-card gl-price", "aria-labelledby": priceId }, costs, start, pay);
  form.append(fields, aside);
  el.append(form);
  const letGo = keepPlace(form, leave);

  function allowed() {
    const lines = String(controlOf("allow").value()).split("\n");
    return lines.map((line) => line.trim()).filter(Boolean);
  }

  /** @param {string} name */
  function controlOf(name) {
    const control = controls.get(name);
    if (!control) throw new Error(`The form has no field called ${name}`);
    return control;
  }

  /** @param {Group} group */
  function makeGroup(group) {
    const body = h("div", { class: "gl-fields" });
    for (const field of group.fields) {
      const control = makeControl(field, onChange, tools);
      controls.set(field.name, control);
      body.append(control.element);
      if (field.when?.instead) body.append(h("p", { class: "gl-hint gl-instead", hidden: true }, field.when.instead));
    }
    const sentence = group.sentence ? h("p", { class: "gl-hint gl-group-hint" }, group.sentence) : null;
    if (group.folded) {
      return h("details", { class: `gl-fold gl-group-${group.name}` }, h("summary", {}, group.title), body);
    }
    const title = group.name === "main" ? null : h("h3", {}, group.title);
    return h("section", { class: `gl-group gl-group-${group.name}` }, title, sentence, body);
  }

  /**
   * What is typed, by field, less the fields that are of no use now.
   *
   * @returns {Values}
   */
  function values() {
    const shown = [...controls.values()].filter((control) => !control.element.hidden);
    return Object.fromEntries(shown.map((control) => [control.name, control.value()]));
  }

  /** @param {Values} given */
  function fill(given) {
    for (const [name, control] of controls) {
      if (name in given) control.set(given[name]);
      control.complain("");
      control.touched = false;
    }
    follow();
    consider(0); // nobody types on
  }

  /** Show what was there before anybody typed anything, though it is not what most sessions have. */
  function fillFirst() {
    const given = model.get("values");
    fill(given);
    kept.remember(controls, given);
  }

  /**
   * Change one field, as if it were typed.
   *
   * @param {string} name
   * @param {Value} value
   */
  function put(name, value) {
    const control = controlOf(name);
    control.set(value);
    control.complain("");
    onChange(control);
  }

  /** Show the fields that depend on others, and hide those that do not matter now. */
  function follow() {
    for (const { element, field } of controls.values()) {
      const { when } = field;
      if (!when) continue;
      const value = controlOf(when.field).value();
      const wanted = when.is ? when.is.includes(value) : !when.not.includes(value);
      show(element, wanted);
      const instead = element.nextElementSibling;
      if (when.instead && instead instanceof HTMLElement) show(instead, !wanted);
    }
    for (const control of controls.values()) {
      for (const [name, value] of Object.entries(control.implies?.() ?? {})) controlOf(name).usual?.(value);
    }
    const token = controlOf("network").token?.();
    if (token) for (const control of controls.values()) control.payIn?.(token);
    kept.update();
    choice.draw();
    const mood = controlOf("network").mood?.();
    setText(pay, mood ? PAY_WORDS[mood] : "");
  }

  /** @type {Record<string, string>} */
  const suggested = {};

  /**
   * What may be typed into a field; a list that is open stays as it is while nothing changes.
   *
   * @param {string} name
   * @param {string[]} values
   */
  function suggest(name, values) {
    if (suggested[name] === values.join("\n")) return;
    suggested[name] = values.join("\n");
    controlOf(name).suggest?.(values);
  }

  /** @param {Control} control */
  function onChange(control) {
    for (const [name, least] of Object.entries(control.least?.() ?? {})) {
      const other = controlOf(name);
      if (!(Number(other.value()) >= least)) other.set(String(least));
    }
    follow();
    consider();
  }

  let soon = /** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined);
  let asked = 0; // only the answer to the last question says anything of what stands there now
  const considering = new Insist(() => tell(model, { kind: "consider", asked, values: values() }));
  function consider(wait = CONSIDER_MS) {
    clearTimeout(soon);
    considering.done();
    asked += 1;
    soon = setTimeout(() => considering.begin(), wait);
  }

  let order = /** @type {{ order: string, values: Values } | null} */ (null); // the kernel starts one session for it, however often it hears of it
  const ordering = new Insist(() => tell(model, { kind: "submit", ...order }) || answered());
  function answered() {
    order = null;
    ordering.done();
    busy(false);
  }

  /** @param {SubmitEvent} event */
  function submit(event) {
    event.preventDefault();
    if (isResting(button)) return;
    clear();
    if (uploads?.busy) {
      controlOf("inputs").complain("Files are still on their way: wait for them, or cancel them.");
      return controlOf("inputs").focus();
    }
    if (uploads?.partial) {
      controlOf("inputs").complain("Some files are only partly here: add them again, or remove them.");
      return controlOf("inputs").focus();
    }
    busy(true);
    order = { order: newId("order"), values: values() };
    ordering.begin();
  }

  /** @param {boolean} now */
  function busy(now) {
    setResting(button, now);
    form.setAttribute("aria-busy", String(now));
    setText(button, now ? "Starting …" : START_WORDS);
  }

  function clear() {
    for (const control of controls.values()) control.complain("");
    show(note, false);
  }

  /** @param {FormTold} content */
  function onMessage(content) {
    switch (content.kind) {
      case "here":
        return; // for `presence`
      case "considered":
        if (content.asked === asked) considered(content.errors);
        return;
      case "requirements":
        controlOf("packages").add?.(content.text);
        return controlOf("packages").complain(content.wrong);
      case "refused":
        return refuse(content);
      case "failed":
        if (content.order === order?.order) answered();
        return;
      case "accepted":
        if (order && content.order === order.order) accepted(String(order.values.name).trim(), content.name);
        return;
      case "fill":
        fill(content.values);
        return form.scrollIntoView({ block: "nearest" });
      case "preset":
        return presets.saved(content.title);
      case "uploads":
        return uploads?.found(content);
      case "upload":
        return uploads?.answer(content);
      case "upload refused":
        return uploads?.refuse(content);
      case "not opened":
        return share.complain(content.text);
    }
  }

  /** @param {Refused["errors"]} errors */
  function considered(errors) {
    considering.done();
    for (const [name, text] of errors) {
      const control = controls.get(name);
      if (control?.touched) control.complain(text);
    }
    const wrong = new Set(errors.map(([name]) => controls.get(name)?.field.title ?? ""));
    offers.complain([...wrong].filter(Boolean));
  }

  /**
   * @param {string} started the name of the session
   * @param {string} next that of another one
   */
  function accepted(started, next) {
    document.dispatchEvent(new CustomEvent("gl-started", { detail: started }));
    answered();
    controlOf("name").set(next);
    controlOf("name").touched = false;
    consider();
  }

  /** @param {Refused} content */
  function refuse({ errors, wipe, order: of }) {
    if (of && of !== order?.order) return;
    if (of) answered();
    clear();
    const said = new Map(errors);
    const general = errors.filter(([name]) => !controls.has(name)).map(([, text]) => text);
    const wrong = [...controls.values()].filter((control) => said.has(control.name)); // in the order of the page
    for (const control of wrong) control.complain(said.get(control.name) ?? "");
    const first = wrong[0];
    for (const name of wipe) controlOf(name).set("");
    setText(note, general.join(" "));
    show(note, general.length > 0);
    const fold = first?.element.closest("details");
    if (fold) fold.open = true;
    first?.focus();
  }

  model.on("msg:custom", onMessage);
  model.on("change:presets", presets.list);
  model.on("change:shared", share.update);
  const showWorkspaces = () => {
    for (const listener of workspaceListeners) listener(model.get("workspaces"));
  };
  model.on("change:workspaces", showWorkspaces);
  showWorkspaces();
  const showOffers = () => {
    offers.update(model.get("offers"));
    choice.update(model.get("offers"));
    suggest("gpu_model", model.get("offers").gpu_models ?? []);
  };
  model.on("change:offers", showOffers);
  showOffers();
  fillFirst();
  return { wanted: () => uploads?.wanted() ?? {}, end };

  function end() {
    letGo();
    clearTimeout(soon);
    considering.done();
    ordering.done();
    uploads?.close();
    model.off("msg:custom", onMessage);
    model.off("change:presets", presets.list);
    model.off("change:shared", share.update);
    model.off("change:offers", showOffers);
    model.off("change:workspaces", showWorkspaces);
  }
}

export default { render: renderForm };
