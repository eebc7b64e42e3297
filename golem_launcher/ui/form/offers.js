// What is on offer for the request, and what to loosen where nothing is.

import { h, setText, show } from "../common/dom.js";

/** @import { Advice, Offers, Value } from "../types" */

/**
 * What it will cost, by what is on offer now. `set` changes a field; `mend` starts what does not run.
 *
 * @param {{ set: (name: string, value: Value) => void, mend: () => void }} tools
 */
export function makeOffers({ set, mend }) {
  const headline = h("p", { class: "gl-offers-headline", role: "status", "aria-live": "polite" });
  const range = h("p", { class: "gl-offers-range" });
  const rows = h("dl", { class: "gl-offers-rows" });
  const sending = h("p", { class: "gl-hint gl-offers-sending", hidden: true });
  const ways = h("ul", { class: "gl-offers-ways", hidden: true });
  const hint = h("p", { class: "gl-hint gl-offers-hint" });
  const wrong = h("p", { class: "gl-hint", hidden: true });
  const start = h("button", {
    type: "button",
    class: "gl-button gl-small gl-offers-mend",
    hidden: true,
    onclick: mend,
  });
  const short = h("p", { class: "gl-offers-short" }); // where the rest is out of sight
  const element = h("div", { class: "gl-offers" }, headline, wrong, range, rows, sending, ways, hint, start);
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
    const now = JSON.stringify([view.rows, view.loosen]);
    if (now === drawn) return;
    drawn = now;
    rows.replaceChildren(
      ...(view.rows ?? []).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
    );
    ways.replaceChildren(...(view.loosen ?? []).map(way));
    show(rows, Boolean(view.rows));
    show(ways, Boolean(view.loosen?.length));
  }

  /**
   * Which fields keep prices from being shown: some may be out of sight, and none that nobody touched is marked.
   *
   * @param {string[]} titles
   */
  function complain(titles) {
    setText(wrong, `To be mended: ${titles.join(", ")}.`);
    show(wrong, titles.length > 0);
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
  return { element, short, update, complain };
}
