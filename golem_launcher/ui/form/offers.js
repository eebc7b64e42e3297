import { h, setText, show, svg } from "../common/dom.js";

/** @import { Advice, Bars, Offers, Value } from "../types" */

const PLOT = { width: 280, height: 48, gap: 2 };

/**
 * What it will cost, by what is on offer now. `set` changes a field; `mend` starts what does not run.
 *
 * @param {{ set: (name: string, value: Value) => void, mend: () => void }} tools
 */
export function makeOffers({ set, mend }) {
  const headline = h("p", { class: "gl-offers-headline", role: "status", "aria-live": "polite" });
  const range = h("p", { class: "gl-offers-range" });
  const plot = h("div", { class: "gl-offers-plot" });
  const rows = h("dl", { class: "gl-offers-rows" });
  const sending = h("p", { class: "gl-hint gl-offers-sending", hidden: true });
  const ways = h("ul", { class: "gl-offers-ways", hidden: true });
  const hint = h("p", { class: "gl-hint gl-offers-hint" });
  const start = h("button", {
    type: "button",
    class: "gl-button gl-small gl-offers-mend",
    hidden: true,
    onclick: mend,
  });
  const short = h("p", { class: "gl-offers-short" }); // where the rest is out of sight
  const element = h("div", { class: "gl-offers" }, headline, range, plot, rows, sending, ways, hint, start);
  let drawn = "";

  /** @param {Offers} view */
  function update(view) {
    element.dataset.state = view.state ?? "";
    setText(headline, view.headline ?? "");
    setText(range, view.range ?? "");
    setText(short, view.short ?? "");
    setText(hint, view.hint ?? "");
    setText(sending, view.sending ?? "");
    show(sending, Boolean(view.sending));
    setText(start, view.mend ?? "");
    show(start, Boolean(view.mend));
    const now = JSON.stringify([view.bars, view.rows, view.loosen]);
    if (now === drawn) return;
    drawn = now;
    plot.replaceChildren(...(view.bars ? [histogram(view.bars), ends(view.bars)] : []));
    rows.replaceChildren(
      ...(view.rows ?? []).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
    );
    ways.replaceChildren(...(view.loosen ?? []).map(way));
    show(rows, Boolean(view.rows));
    show(ways, Boolean(view.loosen?.length));
  }

  /** @param {Advice} advice */
  function way({ text, values }) {
    const change = () => {
      for (const [name, value] of Object.entries(values)) set(name, value);
    };
    return h(
      "li",
      {},
      h("span", {}, text),
      h("button", { type: "button", class: "gl-button gl-small", onclick: change }, "Use this"),
    );
  }
  return { element, short, update };
}

/**
 * How many machines ask how much, the cheap ones at the left.
 *
 * @param {Bars} bars
 */
function histogram({ counts, words }) {
  const most = Math.max(...counts);
  const step = PLOT.width / counts.length;
  const bars = counts.map((count, index) => {
    const height = count === 0 ? 1 : Math.max(4, (count / most) * PLOT.height);
    const width = Math.min(step - PLOT.gap, 24);
    return svg("rect", {
      x: index * step,
      y: PLOT.height - height,
      width,
      height,
      class: count ? "gl-bar-some" : "gl-bar-none",
    });
  });
  const box = { viewBox: `0 0 ${PLOT.width} ${PLOT.height}`, class: "gl-histogram", role: "img", "aria-label": words };
  return svg("svg", { ...box, preserveAspectRatio: "none" }, ...bars);
}

/** @param {Bars} bars */
function ends({ low, high }) {
  return h(
    "div",
    { class: "gl-offers-ends", "aria-hidden": "true" },
    h("span", {}, low),
    h("span", {}, low === high ? "" : high),
  );
}
