const RING_LINES = 500;

/** A log of at most RING_LINES lines of text, following its end unless the reader has scrolled up. */
class LogView {
  constructor(label) {
    this.next = null;
    // Not a live region: a screen reader would never fall silent. Stages are announced instead.
    this.element = h("div", { class: "gl-log", role: "log", "aria-live": "off", "aria-label": label, tabindex: "0" });
    this.empty = h("p", { class: "gl-log-empty" }, "Nothing yet.");
    this.element.append(this.empty);
  }

  /** Take lines numbered from `start`; those already here are dropped, a gap is marked. */
  add(start, lines) {
    if (this.next !== null && start < this.next) {
      lines = lines.slice(this.next - start);
      start = this.next;
    }
    if (lines.length === 0) return;
    this.empty.remove();
    const box = this.element;
    const following = box.scrollHeight - box.scrollTop - box.clientHeight < 24;
    const gap = start > (this.next ?? 0);
    if (gap) box.append(h("div", { class: "gl-line gl-line-gap" }, "… earlier lines are in the session's files"));
    box.append(...lines.map(logLine));
    while (box.childElementCount > RING_LINES) box.firstElementChild.remove();
    this.next = start + lines.length;
    if (following) box.scrollTop = box.scrollHeight;
  }
}

function logLine(line) {
  const time = line.at ? new Date(line.at).toLocaleTimeString([], { hour12: false }) : "";
  return h(
    "div",
    { class: `gl-line gl-line-${line.source} gl-level-${line.level}` },
    h("span", { class: "gl-line-time" }, time),
    h("span", { class: "gl-line-text", dir: "auto" }, line.text),
  );
}
