// Downloads of a session's results: asked for, carried in pieces, written to the user's disk, with progress and cancel.

import { h, newId, setText, show, tell } from "../common/dom.js";
import { formatBytes } from "../common/format.js";
import { Speed } from "../common/progress_rate.js";

/** @import { DownloadTold, Fetched, Teller } from "../types" */

/**
 * How far a download is: `share` between 0 and 1, null while that is not known.
 *
 * @typedef {{ text: string, share: number | null, over?: boolean, failed?: boolean }} DownloadState
 */
/** @typedef {BlobSpool | DiskSpool} Spool */
/** @typedef {DataView<ArrayBuffer>} Part */

const AHEAD = 2;
const PART_MS = { least: 3_000, first: 15_000, most: 60_000 }; // that a part may take before it is asked for again

const ON_DISK_BYTES = 4 * 1024 * 1024; // files larger than that are gathered on the browser's disk
const SPOOL_NAME = "golem-launcher-download-";
const SPOOL_MS = 900_000;

/** Where the parts of a file are gathered: as blobs, which a browser may keep in memory. */
class BlobSpool {
  constructor() {
    this.parts = /** @type {Map<number, Blob>} */ (new Map()); // by offset
  }

  /**
   * @param {number} offset
   * @param {Part} view
   */
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
  /** @param {string} id */
  static async make(id) {
    const directory = await navigator.storage.getDirectory();
    await sweepSpools(directory);
    const name = `${SPOOL_NAME}${id}`;
    const handle = await directory.getFileHandle(name, { create: true });
    return new DiskSpool(directory, handle, await handle.createWritable());
  }

  /**
   * @param {FileSystemDirectoryHandle} directory
   * @param {FileSystemFileHandle} handle
   * @param {FileSystemWritableFileStream} writer
   */
  constructor(directory, handle, writer) {
    this.directory = directory;
    this.handle = handle;
    this.writer = writer;
  }

  /**
   * @param {number} offset
   * @param {Part} view
   */
  write(offset, view) {
    return this.writer.write({ type: "write", position: offset, data: view });
  }

  /** The browser copies it from here to where it keeps downloads; that may take a while. */
  async file() {
    await this.writer.close();
    setTimeout(() => this.directory.removeEntry(this.handle.name).catch(() => {}), SPOOL_MS);
    return this.handle.getFile();
  }

  async drop() {
    await this.writer.abort();
    await this.directory.removeEntry(this.handle.name);
  }
}

/**
 * Remove what pages left that were closed.
 *
 * @param {FileSystemDirectoryHandle} directory
 */
async function sweepSpools(directory) {
  for await (const [name, handle] of directory.entries()) {
    if (!name.startsWith(SPOOL_NAME) || !(handle instanceof FileSystemFileHandle)) continue;
    const { lastModified } = await handle.getFile();
    if (Date.now() - lastModified > SPOOL_MS) await directory.removeEntry(name).catch(() => {});
  }
}

/**
 * @param {string} id
 * @param {number} size
 * @returns {Promise<Spool>}
 */
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
  /** @param {Teller} model */
  constructor(model) {
    this.model = model;
    this.running = /** @type {Map<string, Download>} */ (new Map());
    navigator.storage
      ?.getDirectory?.()
      .then(sweepSpools)
      .catch(() => {});
  }

  dispose() {
    for (const download of this.running.values()) download.drop();
  }

  /**
   * Begin; `onChange` is told how it goes.
   *
   * @param {string} name
   * @param {string} what
   * @param {(state: DownloadState) => void} onChange
   */
  start(name, what, onChange) {
    const id = newId("download");
    const download = new Download(this.model, { id, name, what }, onChange, () => this.running.delete(id));
    this.running.set(id, download);
    return download;
  }

  /**
   * @param {DownloadTold} content
   * @param {Part[]} buffers
   */
  onMessage(content, buffers) {
    this.running.get(content.id)?.onMessage(content, buffers);
  }
}

class Download {
  /**
   * @param {Teller} model
   * @param {{ id: string, name: string, what: string }} wanted the download's `id`, and `what` is to be had of the
   *   session `name`
   * @param {(state: DownloadState) => void} onChange
   * @param {() => void} onOver
   */
  constructor(model, wanted, onChange, onOver) {
    this.model = model;
    this.id = wanted.id;
    this.wanted = wanted;
    this.onChange = onChange;
    this.onOver = onOver;
    this.found = /** @type {Fetched | null} */ (null);
    this.spool = /** @type {Spool | null} */ (null);
    this.writing = Promise.resolve();
    this.over = false;
    this.asked = /** @type {Map<number, number>} */ (new Map()); // offset → when
    this.lost = false;
    this.heard = 0;
    this.got = 0;
    this.speed = new Speed();
    this.next = 0;
    this.part = /** @type {number | null} */ (null);
    this.patience = PART_MS.first;
    this.timer = setInterval(() => this.look(), 1000);
    onChange({ text: "Preparing …", share: null });
    this.fetch();
  }

  fetch() {
    this.heard = Date.now();
    tell(this.model, { kind: "fetch", ...this.wanted });
  }

  /**
   * @param {DownloadTold} content
   * @param {Part[]} buffers
   */
  onMessage(content, buffers) {
    this.heard = Date.now();
    if (content.kind === "unfetched") this.fail(content.text);
    else if (content.kind === "fetching") {
      const share = content.total > 0 ? content.done / content.total : null;
      this.onChange({ text: share === null ? "Preparing …" : `Preparing … ${percent(share)}`, share });
    } else if (content.kind === "fetched") this.begin(content);
    else if (content.kind === "part") this.take(content.offset, buffers[0]);
  }

  /** @param {Fetched} found */
  async begin(found) {
    if (this.found) return; // it was asked for twice
    this.found = found;
    this.spool = await makeSpool(this.id, found.size);
    if (this.over) this.drop();
    else this.askMore(found);
  }

  /**
   * @param {number} offset
   * @param {Part} view
   */
  take(offset, view) {
    const { found, spool } = this;
    const when = this.asked.get(offset);
    if (!found || !spool || when === undefined) return; // it was asked for twice
    // A slow line needs longer for a part; a fast one that broke should not be waited for long.
    this.patience = Math.min(Math.max(4 * (Date.now() - when), PART_MS.least), PART_MS.most);
    this.asked.delete(offset);
    this.part ??= view.byteLength; // all but the last are as long as the first
    this.writing = this.writing
      .then(() => this.keep(found, spool, offset, view))
      .catch(() => this.fail("This browser has no room for the file."));
  }

  /**
   * @param {Fetched} found
   * @param {Spool} spool
   * @param {number} offset
   * @param {Part} view
   */
  async keep(found, spool, offset, view) {
    if (this.over) return;
    await spool.write(offset, view);
    if (this.over) return;
    this.got += view.byteLength;
    this.onChange({
      text: this.speed.figures(this.got, found.size),
      share: found.size ? this.got / found.size : 1,
    });
    if (this.got >= found.size) await this.finish(found, spool);
    else this.askMore(found);
  }

  /** @param {Fetched} found */
  askMore({ size }) {
    if (this.part === null) {
      if (this.asked.size === 0) this.ask(0); // how long parts are is known from the first
      return;
    }
    this.next = Math.max(this.next, this.part);
    while (this.asked.size < AHEAD && this.next < size) {
      this.ask(this.next);
      this.next += this.part;
    }
  }

  /** @param {number} offset */
  ask(offset) {
    this.asked.set(offset, Date.now());
    this.lost = !tell(this.model, { kind: "part", id: this.id, offset });
  }

  /** Ask again for what does not come: messages of a connection that broke are lost. */
  look() {
    const { found } = this;
    if (!found) {
      if (Date.now() - this.heard > PART_MS.first) this.fetch();
      return;
    }
    const late = [...this.asked]
      .filter(([, when]) => this.lost || Date.now() - when > this.patience)
      .map(([offset]) => offset);
    if (late.length === 0) return;
    this.patience = Math.min(1.5 * this.patience, PART_MS.most);
    this.onChange({
      text: `Waiting for the connection, ${percent(this.got / found.size)} is here`,
      share: this.got / found.size,
    });
    for (const offset of late) this.ask(offset);
  }

  /**
   * @param {Fetched} found
   * @param {Spool} spool
   */
  async finish({ file, size, note }, spool) {
    const address = URL.createObjectURL(await spool.file());
    this.end();
    h("a", { href: address, download: file }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
    tell(this.model, { kind: "release", id: this.id });
    this.onChange({ text: `${file}, ${formatBytes(size)}. ${note}`.trim(), share: 1, over: true });
  }

  cancel() {
    this.drop();
    this.onChange({ text: "", share: null, over: true });
  }

  /** @param {string} text */
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

/** @param {number} share */
function percent(share) {
  return `${Math.floor(share * 100)} %`;
}

/**
 * A button that downloads, and beside it how far that is.
 *
 * @param {string} label
 * @param {Downloads} downloads
 * @param {string} name
 * @param {string} what
 */
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
  let running = /** @type {Download | null} */ (null);
  function click() {
    if (running) return running.cancel();
    state.classList.remove("gl-error-text");
    setText(button, "Cancel");
    running = downloads.start(name, what, onChange);
  }
  /** @param {DownloadState} state */
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
