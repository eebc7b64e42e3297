// The log of a session, as it comes.

import { h, setText, show } from "../common/dom.js";

/** @import { LogLine, LogNews, LogSource } from "../types" */

const RING_LINES = 500; // of each source
const SEARCH_MS = 300;
/** @type {LogSource[]} */
const LOG_SOURCES = ["event", "workload", "detail"];

/** A log of at most RING_LINES lines of each source, following its end unless the reader has scrolled up. */
export class LogView {
  /**
   * @param {string} label
   * @param {string} workload
   * @param {{ search: (text: string, sources: LogSource[]) => void, watch: () => void }} tools `search` looks through
   *   the whole log; what is found comes to `found`. `watch` asks for lines.
   */
  constructor(label, workload, tools) {
    this.tools = tools;
    this.last = 0;
    /** @type {Record<LogSource, HTMLElement[]>} */
    this.rings = { event: [], workload: [], detail: [] };
    this.wanted = "";
    /** @type {Record<LogSource, string>} */
    const words = { event: "Session", workload, detail: "Details" };
    this.timer = /** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined);
    // Not a live region: a screen reader would never fall silent. Stages are announced instead.
    this.box = h("div", { class: "gl-log", role: "log", "aria-live": "off", "aria-label": label, tabindex: "0" });
    this.empty = h("p", { class: "gl-log-empty" }, "Nothing yet.");
    this.box.append(this.empty);
    this.foundBox = h("div", {
      class: "gl-log gl-log-found",
      role: "region",
      "aria-label": `Found in: ${label}`,
      tabindex: "0",
      hidden: true,
    });
    this.filters = LOG_SOURCES.map((source) => this.makeFilter(source, words[source]));
    this.input = h("input", {
      type: "search",
      class: "gl-input",
      "aria-label": `Search the ${label.toLowerCase()}`,
      oninput: () => this.searchSoon(),
    });
    this.count = h("span", { class: "gl-hint", role: "status" });
    this.tail = h("div", { class: "gl-row gl-log-tail" });
    this.element = h(
      "div",
      { class: "gl-log-view" },
      h(
        "div",
        { class: "gl-row" },
        h("label", { class: "gl-row gl-log-search" }, "Search", h("span", { class: "gl-control" }, this.input)),
        ...this.filters.map(({ element }) => element),
        this.count,
      ),
      this.box,
      this.foundBox,
      this.tail,
    );
    this.following = true;
    this.box.addEventListener(
      "scroll",
      () => (this.following = this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight < 24),
    );
    new ResizeObserver(() => this.follow()).observe(this.box); // other widths break lines elsewhere
    this.filter();
  }

  follow() {
    if (this.following) this.box.scrollTop = this.box.scrollHeight;
  }

  /**
   * @param {LogSource} source
   * @param {string} words
   */
  makeFilter(source, words) {
    const input = h("input", {
      type: "checkbox",
      checked: source !== "detail",
      onchange: () => this.filter(),
    });
    const why = source === "detail" ? "What the launcher itself and yapapi log about this session" : null;
    return { source, input, element: h("label", { class: "gl-log-kind", title: why }, input, words) };
  }

  get sources() {
    return this.filters.filter(({ input }) => input.checked).map(({ source }) => source);
  }

  filter() {
    const chosen = this.sources;
    for (const source of LOG_SOURCES) this.box.classList.toggle(`gl-without-${source}`, !chosen.includes(source));
    this.box.scrollTop = this.box.scrollHeight;
    if (this.wanted) this.search();
  }

  searchSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.search(), SEARCH_MS);
  }

  search() {
    this.wanted = this.input.value.trim();
    show(this.foundBox, this.wanted !== "");
    show(this.box, this.wanted === "");
    setText(this.count, this.wanted ? "Searching …" : "");
    if (this.wanted) this.tools.search(this.wanted, this.sources);
    else this.box.scrollTop = this.box.scrollHeight;
  }

  /**
   * @param {string} text
   * @param {LogLine[]} lines
   */
  found(text, lines) {
    if (text !== this.wanted) return; // the reader has typed on
    this.foundBox.replaceChildren(...lines.map(logLine));
    this.foundBox.scrollTop = this.foundBox.scrollHeight;
    setText(
      this.count,
      lines.length === 0 ? "Not found." : lines.length >= 200 ? "The last 200 matches" : `${lines.length} found`,
    );
  }

  /**
   * Take the lines `after` a number, each with its own, `n`: those already here are dropped, and those lost fetched.
   *
   * @param {Pick<LogNews, "lines" | "skipped" | "after">} news
   */
  add({ lines, skipped, after }) {
    if (after > this.last && !skipped) return this.tools.watch();
    const fresh = lines.filter((line) => line.n > this.last);
    const last = fresh.at(-1);
    if (!last) return;
    this.empty.remove();
    const box = this.box;
    if (skipped)
      box.append(
        this.keep(
          "workload",
          h(
            "div",
            { class: "gl-line gl-line-workload gl-line-gap" },
            "… too fast to show all: the whole log can be downloaded",
          ),
        ),
      );
    box.append(...fresh.map((line) => this.keep(line.source, logLine(line))));
    this.last = last.n;
    this.follow();
  }

  /**
   * Remember a line's element, and forget the oldest of its source beyond what the ring holds.
   *
   * @param {LogSource} source
   * @param {HTMLElement} element
   */
  keep(source, element) {
    const ring = this.rings[source];
    ring.push(element);
    if (ring.length > RING_LINES) ring.shift()?.remove();
    return element;
  }
}

/** @param {LogLine} line */
function logLine(line) {
  const at = line.at ? new Date(line.at) : null;
  const time = at?.toLocaleTimeString([], { hour12: false }) ?? "";
  return h(
    "div",
    { class: `gl-line gl-line-${line.source} gl-level-${line.level}` },
    h("span", { class: "gl-line-time", title: at?.toString() }, time),
    h("span", { class: "gl-line-text", dir: "auto" }, line.text),
  );
}
