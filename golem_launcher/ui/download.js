const AHEAD = 2;
const PART_MS = 15_000;

/** All downloads of one page: asks the kernel for parts and puts them together. One view's downloads have ids of its own. */
class Downloads {
  constructor(model) {
    this.model = model;
    this.running = new Map();
  }

  dispose() {
    for (const download of this.running.values()) download.end();
  }

  /** Begin; `onChange({text, share, over, failed})` is told how it goes. */
  start(name, what, onChange) {
    const id = newId("download");
    const download = new Download(this.model, id, onChange, () => this.running.delete(id));
    this.running.set(id, download);
    if (!tell(this.model, { kind: "fetch", id, name, what })) download.fail("The page has lost its connection.");
    return download;
  }

  onMessage(content, buffers) {
    this.running.get(content.id)?.onMessage(content, buffers);
  }
}

class Download {
  constructor(model, id, onChange, onOver) {
    Object.assign(this, { model, id, onChange, onOver });
    this.parts = new Map(); // by offset
    this.asked = new Map(); // offset → when
    this.size = null;
    this.got = 0;
    this.next = 0;
    this.part = null;
    this.timer = setInterval(() => this.look(), 1000);
    onChange({ text: "Preparing …", share: null });
  }

  onMessage(content, buffers) {
    if (content.kind === "unfetched") this.fail(content.text);
    else if (content.kind === "fetching") {
      const share = content.total > 0 ? content.done / content.total : null;
      this.onChange({ text: share === null ? "Preparing …" : `Preparing … ${percent(share)}`, share });
    } else if (content.kind === "fetched") {
      this.size = content.size;
      this.file = content.file;
      this.note = content.note;
      this.askMore();
    } else if (content.kind === "part") this.take(content.offset, buffers[0]);
  }

  take(offset, view) {
    if (this.parts.has(offset) || !this.asked.has(offset)) return; // it was asked for twice
    this.asked.delete(offset);
    this.part ??= view.byteLength; // all but the last are as long as the first
    // A blob of its own at once: the browser may put it on disk, and the message can go.
    this.parts.set(offset, new Blob([view]));
    this.got += view.byteLength;
    this.onChange({ text: `${bytes(this.got)} of ${bytes(this.size)}`, share: this.size ? this.got / this.size : 1 });
    if (this.got >= this.size) this.finish();
    else this.askMore();
  }

  askMore() {
    if (this.part === null) {
      if (this.asked.size === 0) this.ask(0); // how long parts are is known from the first
      return;
    }
    this.next = Math.max(this.next, this.part);
    while (this.asked.size < AHEAD && this.next < this.size) {
      this.ask(this.next);
      this.next += this.part;
    }
  }

  ask(offset) {
    this.asked.set(offset, Date.now());
    this.lost = !tell(this.model, { kind: "part", id: this.id, offset });
  }

  /** Ask again for what does not come: messages of a connection that broke are lost. */
  look() {
    if (this.size === null) return;
    const late = [...this.asked].filter(([, when]) => this.lost || Date.now() - when > PART_MS).map(([offset]) => offset);
    if (late.length === 0) return;
    this.onChange({ text: `Waiting for the connection, ${percent(this.got / this.size)} is here`, share: this.got / this.size });
    late.forEach((offset) => this.ask(offset));
  }

  finish() {
    const whole = new Blob([...this.parts].sort(([one], [other]) => one - other).map(([, blob]) => blob));
    const address = URL.createObjectURL(whole);
    h("a", { href: address, download: this.file }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
    tell(this.model, { kind: "release", id: this.id });
    this.end();
    this.onChange({ text: `${this.file}, ${bytes(this.size)}. ${this.note}`.trim(), share: 1, over: true });
  }

  cancel() {
    tell(this.model, { kind: "release", id: this.id });
    this.end();
    this.onChange({ text: "", share: null, over: true });
  }

  fail(text) {
    this.end();
    this.onChange({ text, share: null, over: true, failed: true });
  }

  end() {
    clearInterval(this.timer);
    this.parts.clear();
    this.onOver();
  }
}

function percent(share) {
  return `${Math.floor(share * 100)} %`;
}

/** A button that downloads, and beside it how far that is. */
function downloadButton(label, downloads, name, what) {
  const state = h("span", { class: "gl-hint gl-download-state" });
  const bar = h("progress", { class: "gl-progress", max: 1, "aria-label": `${label}: progress`, hidden: true });
  const button = h("button", { type: "button", class: "gl-button gl-small", onclick: click }, label);
  const element = h("span", { class: `gl-download gl-download-${what}`, role: "group", "aria-label": label }, button, bar, state);
  let running = null;
  function click() {
    if (running) return running.cancel();
    state.classList.remove("gl-error-text");
    setText(button, "Cancel");
    running = downloads.start(name, what, onChange);
  }
  function onChange({ text, share, over, failed }) {
    setText(state, text);
    show(bar, !over);
    if (share === null) bar.removeAttribute("value");
    else bar.value = share;
    state.classList.toggle("gl-error-text", Boolean(failed));
    if (over) {
      running = null;
      setText(button, label);
    }
  }
  return element;
}
