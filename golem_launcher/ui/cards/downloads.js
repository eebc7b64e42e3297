import { h, newId, setText, show, tell } from "../common/dom.js";
import { formatBytes } from "../common/units.js";

const AHEAD = 2;
const PART_MS = { least: 3_000, first: 15_000, most: 60_000 }; // that a part may take before it is asked for again

const ON_DISK_BYTES = 4 * 1024 * 1024; // files larger than that are gathered on the browser's disk
const SPOOL_NAME = "golem-launcher-download-";
const SPOOL_MS = 900_000;

/** Where the parts of a file are gathered: as blobs, which a browser may keep in memory. */
class BlobSpool {
  constructor() {
    this.parts = new Map(); // by offset
  }

  async write(offset, view) {
    this.parts.set(offset, new Blob([view]));
  }

  async file() {
    return new Blob([...this.parts].sort(([one], [other]) => one - other).map(([, blob]) => blob));
  }

  async drop() {
    this.parts.clear();
  }
}

/** The same in a private file of the page's origin, so that gigabytes take no memory. */
class DiskSpool {
  static async make(id) {
    const directory = await navigator.storage.getDirectory();
    await sweepSpools(directory);
    const spool = new DiskSpool();
    const name = `${SPOOL_NAME}${id}`;
    const handle = await directory.getFileHandle(name, { create: true });
    return Object.assign(spool, { directory, name, handle, writer: await handle.createWritable() });
  }

  write(offset, view) {
    return this.writer.write({ type: "write", position: offset, data: view });
  }

  /** The browser copies it from here to where it keeps downloads; that may take a while. */
  async file() {
    await this.writer.close();
    setTimeout(() => this.directory.removeEntry(this.name).catch(() => {}), SPOOL_MS);
    return this.handle.getFile();
  }

  async drop() {
    await this.writer.abort();
    await this.directory.removeEntry(this.name);
  }
}

/** Remove what pages left that were closed. */
async function sweepSpools(directory) {
  for await (const [name, handle] of directory.entries()) {
    if (!name.startsWith(SPOOL_NAME)) continue;
    const { lastModified } = await handle.getFile();
    if (Date.now() - lastModified > SPOOL_MS) await directory.removeEntry(name).catch(() => {});
  }
}

async function makeSpool(id, size) {
  if (size > ON_DISK_BYTES) {
    try {
      return await DiskSpool.make(id);
    } catch {
      // An older browser, or a page that is not served safely.
    }
  }
  return new BlobSpool();
}

/** All downloads of one page: asks the kernel for parts and puts them together. One view's downloads have ids of its own. */
export class Downloads {
  constructor(model) {
    this.model = model;
    this.running = new Map();
    navigator.storage
      ?.getDirectory?.()
      .then(sweepSpools)
      .catch(() => {});
  }

  dispose() {
    for (const download of this.running.values()) download.drop();
  }

  /** Begin; `onChange({text, share, over, failed})` is told how it goes. */
  start(name, what, onChange) {
    const id = newId("download");
    const download = new Download(this.model, { id, name, what }, onChange, () => this.running.delete(id));
    this.running.set(id, download);
    return download;
  }

  onMessage(content, buffers) {
    this.running.get(content.id)?.onMessage(content, buffers);
  }
}

class Download {
  /** `wanted`: the download's `id`, and `what` is to be had of the session `name`. */
  constructor(model, wanted, onChange, onOver) {
    Object.assign(this, { model, id: wanted.id, wanted, onChange, onOver });
    this.spool = null;
    this.writing = Promise.resolve();
    this.over = false;
    this.asked = new Map(); // offset → when
    this.size = null;
    this.got = 0;
    this.next = 0;
    this.part = null;
    this.patience = PART_MS.first;
    this.timer = setInterval(() => this.look(), 1000);
    onChange({ text: "Preparing …", share: null });
    this.fetch();
  }

  fetch() {
    this.heard = Date.now();
    tell(this.model, { kind: "fetch", ...this.wanted });
  }

  onMessage(content, buffers) {
    this.heard = Date.now();
    if (content.kind === "unfetched") this.fail(content.text);
    else if (content.kind === "fetching") {
      const share = content.total > 0 ? content.done / content.total : null;
      this.onChange({ text: share === null ? "Preparing …" : `Preparing … ${percent(share)}`, share });
    } else if (content.kind === "fetched") this.begin(content);
    else if (content.kind === "part") this.take(content.offset, buffers[0]);
  }

  async begin({ size, file, note }) {
    if (this.size !== null) return; // it was asked for twice
    Object.assign(this, { size, file, note });
    this.spool = await makeSpool(this.id, size);
    if (this.over) this.drop();
    else this.askMore();
  }

  take(offset, view) {
    if (!this.asked.has(offset)) return; // it was asked for twice
    // A slow line needs longer for a part; a fast one that broke should not be waited for long.
    this.patience = Math.min(Math.max(4 * (Date.now() - this.asked.get(offset)), PART_MS.least), PART_MS.most);
    this.asked.delete(offset);
    this.part ??= view.byteLength; // all but the last are as long as the first
    this.writing = this.writing
      .then(() => this.keep(offset, view))
      .catch(() => this.fail("This browser has no room for the file."));
  }

  async keep(offset, view) {
    if (this.over) return;
    await this.spool.write(offset, view);
    if (this.over) return;
    this.got += view.byteLength;
    this.onChange({
      text: `${formatBytes(this.got)} of ${formatBytes(this.size)}`,
      share: this.size ? this.got / this.size : 1,
    });
    if (this.got >= this.size) await this.finish();
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
    if (this.size === null) {
      if (Date.now() - this.heard > PART_MS.first) this.fetch();
      return;
    }
    const late = [...this.asked]
      .filter(([, when]) => this.lost || Date.now() - when > this.patience)
      .map(([offset]) => offset);
    if (late.length === 0) return;
    this.patience = Math.min(1.5 * this.patience, PART_MS.most);
    this.onChange({
      text: `Waiting for the connection, ${percent(this.got / this.size)} is here`,
      share: this.got / this.size,
    });
    for (const offset of late) this.ask(offset);
  }

  async finish() {
    const address = URL.createObjectURL(await this.spool.file());
    this.end();
    h("a", { href: address, download: this.file }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
    tell(this.model, { kind: "release", id: this.id });
    this.onChange({ text: `${this.file}, ${formatBytes(this.size)}. ${this.note}`.trim(), share: 1, over: true });
  }

  cancel() {
    this.drop();
    this.onChange({ text: "", share: null, over: true });
  }

  fail(text) {
    if (this.over) return;
    this.drop();
    this.onChange({ text, share: null, over: true, failed: true });
  }

  end() {
    this.over = true;
    clearInterval(this.timer);
    this.onOver();
  }

  drop() {
    this.end();
    tell(this.model, { kind: "release", id: this.id });
    const { spool } = this;
    if (spool) this.writing.then(() => spool.drop()).catch(() => {});
  }
}

function percent(share) {
  return `${Math.floor(share * 100)} %`;
}

/** A button that downloads, and beside it how far that is. */
export function downloadButton(label, downloads, name, what) {
  const state = h("span", { class: "gl-hint gl-download-state" });
  const bar = h("progress", { class: "gl-progress", max: 1, "aria-label": `${label}: progress`, hidden: true });
  const button = h("button", { type: "button", class: "gl-button gl-small", onclick: click }, label);
  const element = h(
    "span",
    { class: `gl-download gl-download-${what}`, role: "group", "aria-label": label },
    button,
    bar,
    state,
  );
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
