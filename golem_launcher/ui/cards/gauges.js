// Gauges and small plots of what a session uses: CPU, memory, disk, GPU.

import { h, setText, show, svg } from "../common/dom.js";
import { formatBytes } from "../common/format.js";

/** @import { EventDigest, Session } from "../types" */

/**
 * A label, a value, a bar, a hint below, and room for more. Their heights do not change with their numbers.
 *
 * @param {string} label
 * @param {string} kind
 */
export function gauge(label, kind) {
  const value = h("span", { class: "gl-meter-value" });
  const bar = h("span", { class: "gl-bar-fill" });
  const track = h("span", { class: "gl-bar", "aria-hidden": "true" }, bar);
  const hint = h("span", { class: "gl-hint gl-meter-hint" });
  const element = h(
    "div",
    { class: `gl-meter gl-meter-${kind}`, role: "group", "aria-label": label },
    h("span", { class: "gl-meter-label" }, label),
    value,
    track,
    hint,
  );
  return {
    element,
    /**
     * @param {string} text
     * @param {number | null} share between 0 and 1, or null for no bar
     */
    set(text, share, { low = false, below = "" } = {}) {
      setText(value, text);
      track.classList.toggle("gl-no-bar", share === null); // its place stays: what stands below is in line with others
      if (share !== null) bar.style.width = `${(Math.min(1, Math.max(0, share)) * 100).toFixed(1)}%`;
      element.classList.toggle("gl-low", low);
      setText(hint, below);
    },
  };
}

/** How a figure went: a line in a small picture, whose words stand beside it. */
export function plot() {
  const line = svg("polyline", { class: "gl-plot-line", fill: "none", "vector-effect": "non-scaling-stroke" });
  const area = svg("polygon", { class: "gl-plot-area" });
  const element = svg(
    "svg",
    { class: "gl-plot", viewBox: "0 0 100 24", preserveAspectRatio: "none", "aria-hidden": "true" },
    area,
    line,
  );
  return {
    element,
    /**
     * @param {EventDigest["costs"]} points none, or one, make no picture
     * @param {number} least what the picture's height is at least, so that what is always small looks small
     */
    set(points = [], least = 0) {
      const [first, last] = [points[0], points.at(-1)];
      const wide = last ? last[0] - first[0] : 0;
      const high = Math.max(least, ...points.map(([, value]) => value));
      if (!first || wide <= 0 || high <= 0) return element.classList.add("gl-empty-plot");
      element.classList.remove("gl-empty-plot");
      const path = points.map(
        ([at, value]) => `${(((at - first[0]) / wide) * 100).toFixed(2)},${(23 - (value / high) * 21).toFixed(2)}`,
      );
      line.setAttribute("points", path.join(" "));
      area.setAttribute("points", `0,24 ${path.join(" ")} 100,24`);
    },
  };
}

/** What the session uses of its machine. */
export class UsageView {
  constructor() {
    this.parts = {
      cpu: gauge("CPU", "cpu"),
      memory: gauge("Memory", "memory"),
      disk: gauge("Disk", "disk"),
      gpu: gauge("GPU", "gpu"),
    };
    this.plots = { cpu_percent: plot(), memory_bytes: plot(), gpu_percent: plot() };
    this.parts.cpu.element.append(this.plots.cpu_percent.element);
    this.parts.memory.element.append(this.plots.memory_bytes.element);
    this.parts.gpu.element.append(this.plots.gpu_percent.element);
    this.gpus = h("p", { class: "gl-hint gl-gpus" });
    const gauges = Object.values(this.parts).map((part) => part.element);
    this.element = h(
      "div",
      { class: "gl-meters gl-usage", role: "group", "aria-label": "The machine" },
      ...gauges,
      this.gpus,
    );
  }

  /** @param {EventDigest["used"]} used */
  setUsed(used) {
    this.plots.cpu_percent.set(used.cpu_percent, 100);
    this.plots.memory_bytes.set(used.memory_bytes);
    this.plots.gpu_percent.set(used.gpu_percent, 100);
  }

  /** @param {Session} session */
  update(session) {
    const { usage } = session;
    show(this.element, Boolean(usage));
    if (!usage) return;
    const { cpu, memory, disk, gpu } = this.parts;
    const cores = session.cpus ?? 1;
    cpu.set(`${Math.round(usage.cpu_percent)} %`, usage.cpu_percent / (cores * 100), {
      below: cores === 1 ? "of one core" : `${cores} cores are ${cores * 100} %`,
    });
    sized(memory, usage.memory_bytes, session.memory);
    sized(disk, usage.disk_bytes, session.disk);
    setText(this.gpus, session.gpus.join("\n"));
    show(this.gpus, session.gpus.length > 0);
    show(gpu.element, usage.gpu_percent !== null);
    if (usage.gpu_percent === null) return;
    const filled = usage.gpu_memory_bytes === null ? "" : `${formatBytes(usage.gpu_memory_bytes)} of its memory`;
    gpu.set(`${Math.round(usage.gpu_percent)} %`, usage.gpu_percent / 100, { below: filled });
  }
}

/**
 * @param {ReturnType<typeof gauge>} part
 * @param {number} used
 * @param {number | undefined} limit
 */
function sized(part, used, limit) {
  const share = limit ? used / limit : null;
  part.set(formatBytes(used), share, {
    low: share !== null && share > 0.9,
    below: limit ? `of ${formatBytes(limit)}` : "",
  });
}
