// The widget that runs a notebook for many sets of parameters.

import { h, isResting, newId, setResting, setText, show, tell } from "../common/dom.js";
import { counted } from "../common/format.js";
import { Insist, Presence } from "../common/presence.js";

/** @import { Parameter, SweepModel, SweepTold, View } from "../types" */

/**
 * @typedef {{
 *   name: () => string,
 *   value: () => string,
 *   isDefault: () => boolean,
 *   complain: (text: string, ofName?: boolean) => void,
 *   focus: () => void,
 *   element: HTMLElement,
 * }} Row
 */

const CONSIDER_MS = 250;
const LARGEST_NOTEBOOK = 8 * 1024 * 1024; // web servers drop messages of more than 10 MiB without a word
const BEGIN_WORDS = "Start the sweep";
const WORKERS = "--workers"; // the kernel's word for the number of machines
const GONE = "This file can't be read: is it still there?";
const TOO_LARGE =
  "This notebook has more than 8 MiB: clear its outputs, or use the command golem-launcher sweep with its file.";

/** @param {View<SweepModel>} view */
function renderSweep({ model, el }) {
  el.classList.add("gl", "gl-sweep");
  let rows = /** @type {Row[]} */ ([]);

  const file = h("input", { type: "file", class: "gl-hidden", accept: ".ipynb" });
  file.addEventListener("change", () => read());
  const chosen = h("span", { class: "gl-sweep-chosen", role: "status", dir: "auto" });
  const pick = h("label", { class: "gl-button gl-small gl-pick" }, file, "Choose a notebook");
  const wrong = h("p", { class: "gl-error-text", role: "alert", hidden: true });
  const note = h("p", { class: "gl-hint", hidden: true });
  const hintId = newId("values");
  const hint = h(
    "p",
    { class: "gl-hint", id: hintId },
    "A value, or several with commas between them: 0.1, 0.01. What you leave as it is stays the notebook's own.",
  );
  const list = h("div", { class: "gl-sweep-rows" });
  const more = h(
    "button",
    { type: "button", class: "gl-button gl-small", onclick: () => addNamed() },
    "Add a parameter",
  );
  const parameters = h("fieldset", { class: "gl-sweep-parameters" }, h("legend", {}, "Parameters"), hint, list, more);
  const workersId = newId("workers");
  const workers = h("input", {
    id: workersId,
    type: "text",
    inputmode: "numeric",
    class: "gl-input",
    autocomplete: "off",
    "aria-describedby": `${workersId}-error`,
    oninput: () => complainOfWorkers(""),
  });
  workers.value = "3";
  const workersError = h("p", { class: "gl-error-text", id: `${workersId}-error`, hidden: true });
  const stop = h("input", { type: "checkbox", class: "gl-check" });
  const base = h("p", { class: "gl-hint" });
  const count = h("p", { class: "gl-sweep-count", role: "status" });
  const button = h("button", { type: "submit", class: "gl-button gl-primary gl-sweep-start" }, BEGIN_WORDS);
  const rest = h(
    "div",
    { class: "gl-sweep-rest", hidden: true },
    note,
    parameters,
    h(
      "div",
      { class: "gl-row" },
      h("label", { for: workersId }, "Machines"),
      h("span", { class: "gl-control gl-sweep-workers" }, workers),
      h("label", { class: "gl-check-label" }, stop, "Begin nothing more once one has failed"),
    ),
    workersError,
    base,
    h("div", { class: "gl-row" }, button, count),
  );
  const form = h(
    "form",
    { class: "gl-sweep-form", novalidate: true, onsubmit: submit, "aria-label": "A sweep" },
    h(
      "p",
      {},
      "Runs a notebook once for every combination of its parameters, on several machines. You get a notebook for each, and a table of all.",
    ),
    h("div", { class: "gl-row" }, pick, chosen),
    wrong,
    rest,
  );
  el.append(
    h(
      "details",
      { class: "gl-card gl-sweep-fold" },
      h("summary", {}, h("h2", {}, "One notebook, many sets of parameters")),
      form,
    ),
  );

  async function read() {
    const [one] = file.files ?? [];
    if (!one) return;
    const tooLarge = one.size > LARGEST_NOTEBOOK;
    const data = tooLarge ? null : await one.arrayBuffer().catch(() => null);
    file.value = ""; // the same file again is a change again
    complain("", tooLarge ? TOO_LARGE : data ? "" : GONE);
    if (data) model.send({ kind: "notebook", name: one.name }, undefined, [data]);
  }

  function drawBase() {
    setText(base, model.get("base") || "The form above has something to mend first.");
  }

  /** Empty what was typed: called when there is another notebook, and not when the same one comes again. */
  function drawNotebook() {
    const notebook = model.get("notebook");
    const { parameters: found } = notebook;
    setText(chosen, notebook.name ?? "");
    complain("", notebook.wrong ?? "");
    setText(note, notebook.note ?? "");
    show(note, Boolean(notebook.note));
    show(rest, Boolean(found));
    show(more, notebook.takes_others === true);
    rows = (found ?? []).map(makeRow);
    list.replaceChildren(...rows.map((row) => row.element));
    consider();
  }

  /**
   * @param {Parameter} parameter
   * @returns {Row}
   */
  function makeRow({ name, default: first, comment }) {
    const id = newId("parameter");
    const { input, error, complain } = makeValue(id);
    input.value = first;
    const element = h(
      "div",
      { class: "gl-sweep-row" },
      h("label", { for: id }, h("code", { dir: "auto" }, name)),
      h("span", { class: "gl-control" }, input),
      h("span", { class: "gl-hint", dir: "auto" }, comment),
      error,
    );
    const isDefault = () => input.value.trim() === first;
    return { name: () => name, value: () => input.value, isDefault, complain, focus: () => input.focus(), element };
  }

  /** One that no cell sets, by a name that is typed. */
  function addNamed() {
    const id = newId("parameter");
    const { input, error, complain } = makeValue(id);
    const name = h("input", {
      type: "text",
      class: "gl-input",
      autocomplete: "off",
      spellcheck: "false",
      id: newId("named"),
      "aria-describedby": error.id,
      oninput: () => consider(),
    });
    /**
     * @param {string} text
     * @param {boolean} [ofName] whether the name is wrong, and not the values
     */
    function complainOfEither(text, ofName = false) {
      complain(text);
      mark(name, text !== "" && ofName);
      mark(input, text !== "" && !ofName);
    }
    const row = {
      name: () => name.value.trim(),
      value: () => input.value,
      isDefault: () => !name.value.trim() && !input.value.trim(),
      complain: complainOfEither,
      focus: () => (name.hasAttribute("aria-invalid") ? name : input).focus(),
      element: h(
        "div",
        { class: "gl-sweep-row" },
        h(
          "div",
          { class: "gl-sweep-named" },
          h("label", { for: name.id }, "Its name"),
          h("span", { class: "gl-control" }, name),
        ),
        h(
          "div",
          { class: "gl-sweep-named" },
          h("label", { for: id }, "Its values"),
          h("span", { class: "gl-control" }, input),
        ),
        error,
      ),
    };
    rows.push(row);
    list.append(row.element);
    name.focus();
  }

  /** @param {string} id */
  function makeValue(id) {
    const errorId = `${id}-error`;
    const input = h("input", {
      id,
      type: "text",
      class: "gl-input",
      autocomplete: "off",
      autocapitalize: "off",
      spellcheck: "false",
      "aria-describedby": `${errorId} ${hintId}`,
      oninput: () => consider(),
    });
    const error = h("p", { class: "gl-error-text", id: errorId, hidden: true });
    /** @param {string} text */
    function complain(text) {
      setText(error, text);
      show(error, text !== "");
      mark(input, text !== "");
    }
    return { input, error, complain };
  }

  /** What was changed, by parameter. */
  function typed() {
    return Object.fromEntries(rows.filter((row) => !row.isDefault()).map((row) => [row.name(), row.value()]));
  }

  /**
   * Say what is wrong where it is; elsewhere at the top. Nothing is wrong with an empty text.
   *
   * @param {string} field
   * @param {string} text
   * @param {boolean} [ofName] whether it is wrong that there is this field, and not what was typed into it
   */
  function complain(field, text, ofName = false) {
    const ofWorkers = field === WORKERS;
    const row = rows.find((one) => field !== "" && one.name() === field);
    for (const one of rows) one.complain(one === row ? text : "", ofName);
    complainOfWorkers(ofWorkers ? text : "");
    const general = row || ofWorkers ? "" : text;
    setText(wrong, general);
    show(wrong, general !== "");
    return ofWorkers ? workers : row;
  }

  /** @param {string} text */
  function complainOfWorkers(text) {
    setText(workersError, text);
    show(workersError, text !== "");
    mark(workers, text !== "");
  }

  /**
   * Say what the kernel, which is told of each name once, can't see: values without a name, and a name that comes twice.
   *
   * @returns {Row | undefined} the first row that is wrong so
   */
  function refuseNames() {
    /** @param {Row} row */
    const isTwice = (row) => rows.slice(0, rows.indexOf(row)).some((other) => other.name() === row.name());
    const faulty = rows.filter((row) => !row.isDefault() && (!row.name() || isTwice(row)));
    if (!faulty.length) return undefined;
    complain("", "");
    setText(count, "");
    for (const row of faulty)
      row.complain(
        row.name() ? `'${row.name()}' is above already: type all its values there.` : "It needs a name.",
        true,
      );
    return faulty[0];
  }

  let asked = 0;
  let soon = /** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined);
  const considering = new Insist(() => tell(model, { kind: "consider", asked, parameters: typed() }));
  /** No answer counts that is still on its way. */
  function forget() {
    clearTimeout(soon);
    considering.done();
    asked += 1;
  }
  function consider() {
    forget();
    if (!rest.hidden) soon = setTimeout(considerNow, CONSIDER_MS);
  }
  function considerNow() {
    if (!refuseNames()) considering.begin();
  }

  let order = /** @type {object | null} */ (null);
  let orderId = "";
  const ordering = new Insist(() => tell(model, { kind: "submit", order: orderId, ...order }));
  /** @param {SubmitEvent} event */
  function submit(event) {
    event.preventDefault();
    if (isResting(button)) return;
    forget(); // it must not take away what is wrong with this
    complain("", "");
    const row = refuseNames();
    if (row) return row.focus();
    orderId = newId("order");
    order = { parameters: typed(), workers: workers.value, stop_at_failure: stop.checked };
    busy(true);
    ordering.begin();
  }

  /** @param {boolean} now */
  function busy(now) {
    setResting(button, now);
    form.setAttribute("aria-busy", String(now));
    setText(button, now ? "Starting …" : BEGIN_WORDS);
    if (!now) ordering.done();
  }

  /** @param {SweepTold} content */
  function onMessage(content) {
    if (content.kind === "considered") {
      if (content.asked !== asked) return;
      considering.done();
      setText(count, content.sets ? counted(content.sets, "notebook") : "");
      complain(...(content.wrong ?? /** @type {[string, string]} */ (["", ""])), content.of_name);
    } else if (content.kind === "refused" && content.order === orderId) {
      busy(false);
      complain(...content.wrong, content.of_name)?.focus();
    } else if (content.kind === "accepted" && content.order === orderId) {
      busy(false);
      document.dispatchEvent(new CustomEvent("gl-started", { detail: content.name }));
    }
  }

  model.on("msg:custom", onMessage);
  model.on("change:notebook", drawNotebook);
  model.on("change:base", drawBase);
  drawBase();
  drawNotebook();
  const presence = new Presence(model);
  return () => {
    clearTimeout(soon);
    considering.done();
    ordering.done();
    presence.end();
    model.off("msg:custom", onMessage);
    model.off("change:notebook", drawNotebook);
    model.off("change:base", drawBase);
  };
}

/**
 * @param {HTMLInputElement} input
 * @param {boolean} wrong
 */
function mark(input, wrong) {
  if (wrong) input.setAttribute("aria-invalid", "true");
  else input.removeAttribute("aria-invalid");
}

export default { render: renderSweep };
