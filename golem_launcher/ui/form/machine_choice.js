// The table of machines on offer, sorted and chosen from.

import { h, newId, setText, show } from "../common/dom.js";
import { counted, formatAgo } from "../common/format.js";
import { priceEnds, priceHistogram } from "./histogram.js";

/** @import { MachineRow, Offers } from "../types" */

const SHOWN_AT_FIRST = 6;
const PLOT_FROM = 12;
const NAMED = 3;
const LAST = "\uffff"; // is sorted after all names
const countries = new Intl.DisplayNames(["en"], { type: "region" });
const UNTOUCHED = ["invalid", "looking"]; // says nothing of the market: what was known stays

/**
 * What a column shows, and what it is sorted by: from the least, or from the most where that is the better.
 *
 * @typedef {object} Column
 * @property {string} title
 * @property {string} name
 * @property {(row: MachineRow) => string} text
 * @property {(row: MachineRow) => number | string} key
 * @property {boolean} [most]
 * @property {(row: MachineRow) => boolean} [known] it is shown where that is known of any machine
 */

/** @param {MachineRow} row */
const placeOf = ({ place }) => (place ? (countries.of(place) ?? place) : "");
/** @param {MachineRow} row */
const scoreOf = ({ score }) => (score === null ? "" : `${Math.round(100 * score)} %`);
/** @param {MachineRow} row */
const speedOf = ({ speed }) => (speed === null ? "" : `${speed.toFixed(1)} ×`);

/** @type {Column[]} */
const COLUMNS = [
  { title: "Machine", name: "machine", text: (row) => row.name, key: (row) => row.name.toLowerCase() },
  { title: "Price", name: "price", text: (row) => row.price, key: (row) => row.cost },
  { title: "Cores", name: "cores", text: (row) => row.sizes[0], key: (row) => row.cpus, most: true },
  { title: "Memory", name: "memory", text: (row) => `${row.sizes[1]} GiB`, key: (row) => row.memory, most: true },
  { title: "Disk", name: "disk", text: (row) => `${row.sizes[2]} GiB`, key: (row) => row.disk, most: true },
  { title: "GPU", name: "gpu", text: (row) => row.gpu || "–", key: (row) => row.gpus, most: true },
  {
    title: "With you",
    name: "record",
    text: (row) => row.record,
    key: (row) => row.went_well + row.tried / 1e6,
    most: true,
  },
  {
    title: "Reputation",
    name: "score",
    text: (row) => scoreOf(row) || "–",
    key: (row) => row.score ?? -1,
    most: true,
    known: (row) => row.score !== null,
  },
  {
    title: "Place",
    name: "place",
    text: (row) => placeOf(row) || "–",
    key: (row) => placeOf(row) || LAST,
    known: (row) => row.place !== "",
  },
  {
    title: "Speed",
    name: "speed",
    text: (row) => speedOf(row) || "–",
    key: (row) => row.speed ?? 0,
    most: true,
    known: (row) => row.speed !== null,
  },
];

/**
 * The machines that fit, to choose from. What is chosen stands in the field of allowed providers: none is "best for me".
 *
 * @param {{ allowed: () => string[], allow: (words: string[]) => void }} tools reads and sets that field
 */
export function makeMachineChoice({ allowed, allow }) {
  const titleId = newId("machines");
  const rows = /** @type {Map<string, OfferRow>} */ (new Map());
  let machines = /** @type {MachineRow[]} */ ([]);
  let sorted = COLUMNS[1];
  let backwards = false;
  let all = false;

  const best = h("input", { type: "checkbox", class: "gl-check", id: newId("best"), onchange: chooseBest });
  const bestWords = h("span", { dir: "auto" });
  const bestRow = h(
    "label",
    { class: "gl-check-label gl-best", for: best.id },
    best,
    h("span", {}, h("strong", {}, "Best for me"), bestWords),
  );
  const heads = COLUMNS.map((column) => makeHead(column, () => sort(column)));
  const body = h("tbody", {});
  const caption = h("caption", { class: "gl-hidden" }, "Machines that fit");
  const header = h(
    "tr",
    {},
    h("th", { scope: "col" }, h("span", { class: "gl-hidden" }, "Chosen")),
    ...heads.map((head) => head.cell),
  );
  const table = h("table", { class: "gl-offered" }, caption, h("thead", {}, header), body);
  const more = h("button", { type: "button", class: "gl-button gl-small gl-offered-more", onclick: toggle });
  const aboutSpeed = h(
    "p",
    { class: "gl-hint", hidden: true },
    "Speed: of a core when it was measured in a session of yours, with a usual core of a server as 1.",
  );
  const plot = h("div", { class: "gl-offers-plot" });
  const box = h(
    "div",
    { class: "gl-offered-box" },
    h("div", { class: "gl-offered-list" }, table, aboutSpeed, more),
    plot,
  );
  const none = h("p", { class: "gl-hint gl-offered-none" }, "Looking at what is on offer …");
  const element = h(
    "section",
    { class: "gl-group gl-machine-choice", "aria-labelledby": titleId },
    h("h3", { id: titleId, tabindex: -1 }, "What fits"),
    none,
    bestRow,
    box,
  );
  element.dataset.state = "looking"; // as high as with a few machines: what is below stays where it is
  showAny(false);

  /** @param {boolean} any */
  function showAny(any) {
    show(none, !any);
    show(bestRow, any);
    show(box, any);
  }

  /** @param {Offers} view */
  function update(view) {
    if (UNTOUCHED.includes(view.state ?? "")) return;
    machines = view.machines ?? [];
    element.dataset.state = view.state ?? "";
    setText(none, view.headline ?? "");
    showAny(machines.length > 0);
    setText(heads[1].words, `Price for ${view.time ?? ""}, ${view.token ?? ""}`);
    const now = allowed().length === 0 && view.best?.length ? `; now ${view.best.slice(0, NAMED).join(", ")}` : "";
    setText(bestWords, `: whichever of them is best when the session starts${now}`);
    const bars = machines.length >= PLOT_FROM ? view.bars : undefined;
    const drawn = JSON.stringify(bars ?? null);
    if (plot.dataset.drawn !== drawn) {
      plot.dataset.drawn = drawn;
      plot.replaceChildren(...(bars ? [priceHistogram(bars), priceEnds(bars)] : []));
    }
    draw();
  }

  function draw() {
    const words = allowed();
    const chosen = machines.filter((machine) => isChosen(machine, words));
    best.checked = words.length === 0;
    const order = [...machines].sort(compare);
    const shown = all ? order : order.filter((machine, index) => index < SHOWN_AT_FIRST || chosen.includes(machine));
    const known = COLUMNS.map((column) => column.known === undefined || machines.some(column.known));
    heads.forEach(({ cell }, index) => {
      show(cell, known[index]);
    });
    show(aboutSpeed, known[COLUMNS.length - 1]);
    const ids = new Set(shown.map(({ id }) => id));
    for (const [id, row] of rows) {
      if (ids.has(id)) continue;
      row.element.remove();
      rows.delete(id);
    }
    shown.forEach((machine, index) => {
      const row = rows.get(machine.id) ?? new OfferRow(() => pick(machine.id));
      rows.set(machine.id, row);
      row.update(machine, chosen.includes(machine), known);
      if (body.children[index] !== row.element) body.insertBefore(row.element, body.children[index] ?? null);
    });
    for (const [index, { cell }] of heads.entries()) {
      if (COLUMNS[index] === sorted) cell.setAttribute("aria-sort", descends() ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    }
    show(more, machines.length > SHOWN_AT_FIRST);
    setText(more, all ? "Show fewer" : `Show all ${machines.length}`);
    more.setAttribute("aria-expanded", String(all));
  }

  const descends = () => Boolean(sorted.most) !== backwards;

  /**
   * @param {MachineRow} one
   * @param {MachineRow} other
   */
  function compare(one, other) {
    const [first, second] = [sorted.key(one), sorted.key(other)];
    const order = first < second ? -1 : Number(first > second);
    return (descends() ? -order : order) || one.cost - other.cost || (one.id < other.id ? -1 : 1);
  }

  /** @param {Column} column */
  function sort(column) {
    backwards = column === sorted ? !backwards : false;
    sorted = column;
    draw();
  }

  function toggle() {
    all = !all;
    draw();
  }

  function chooseBest() {
    allow([]);
    draw();
  }

  /** @param {string} id */
  function pick(id) {
    const machine = machines.find((one) => one.id === id);
    if (!machine) return;
    const words = allowed();
    const own = [id, ...machine.by];
    allow(isChosen(machine, words) ? words.filter((word) => !own.includes(word)) : [...words, id]);
    draw();
  }
  return { element, update, draw };
}

/**
 * @param {MachineRow} machine
 * @param {string[]} words who is allowed
 */
const isChosen = (machine, words) => words.some((word) => word === machine.id || machine.by.includes(word));

/**
 * @param {Column} column
 * @param {() => void} sort
 */
function makeHead({ title, name }, sort) {
  const words = h("span", {}, title);
  const button = h("button", { type: "button", class: "gl-sort", onclick: sort }, words);
  return { cell: h("th", { scope: "col", class: `gl-of-${name}` }, button), words };
}

/** One machine. */
class OfferRow {
  /** @param {() => void} pick */
  constructor(pick) {
    const titleId = newId("machine");
    this.box = h("input", { type: "checkbox", class: "gl-check", "aria-labelledby": titleId, onchange: pick });
    this.name = h("span", { class: "gl-offered-name", id: titleId, dir: "auto" });
    this.hint = h("span", { class: "gl-hint" });
    // Where there is no room for these columns:
    this.sizes = h("span", { class: "gl-hint gl-offered-sizes" });
    this.rest = h("span", { class: "gl-hint gl-offered-rest" });
    this.cells = COLUMNS.slice(1).map(({ name }) => h("td", { class: `gl-of-${name}`, dir: "auto" }));
    this.element = h(
      "tr",
      {},
      h("td", {}, this.box),
      h("th", { scope: "row", class: "gl-of-machine" }, this.name, this.sizes, this.rest, this.hint),
      ...this.cells,
    );
    this.element.addEventListener("click", ({ target }) => target !== this.box && pick());
  }

  /**
   * @param {MachineRow} machine
   * @param {boolean} chosen
   * @param {boolean[]} known which columns are shown
   */
  update(machine, chosen, known) {
    this.box.checked = chosen;
    this.element.classList.toggle("gl-chosen", chosen);
    setText(this.name, machine.name);
    const seen = machine.seen ? `last used ${formatAgo((Date.now() - Date.parse(machine.seen)) / 1000)}` : "";
    const beyond = machine.beyond ? "More than the budget" : "";
    this.element.classList.toggle("gl-beyond", machine.beyond);
    setText(this.hint, [beyond, machine.note, seen].filter(Boolean).join(" · "));
    setText(this.sizes, `${counted(machine.cpus, "core")}, ${machine.sizes[1]} GiB memory`);
    const speed = speedOf(machine) && `speed ${speedOf(machine)}`;
    const score = scoreOf(machine) && `reputation ${scoreOf(machine)}`;
    const rest = [`${machine.sizes[2]} GiB disk`, machine.gpu, placeOf(machine), speed, score, machine.record];
    setText(this.rest, rest.filter(Boolean).join(" · "));
    for (const [index, { text }] of COLUMNS.slice(1).entries()) {
      setText(this.cells[index], text(machine));
      show(this.cells[index], known[index + 1]);
    }
  }
}
