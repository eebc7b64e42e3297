// A histogram of the prices on offer.

import { h, svg } from "../common/dom.js";

/** @import { Bars } from "../types" */

const PLOT = { width: 280, height: 48, gap: 2 };

/**
 * How many machines ask how much, the cheap ones at the left.
 *
 * @param {Bars} bars
 */
export function priceHistogram({ counts, words }) {
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

/**
 * What its sides stand for.
 *
 * @param {Bars} bars
 */
export function priceEnds({ low, high }) {
  return h(
    "div",
    { class: "gl-offers-ends", "aria-hidden": "true" },
    h("span", {}, low),
    h("span", {}, low === high ? "" : high),
  );
}
