// Files and folders that the user brings along.

import { h, newId, setText, show, tell } from "../common/dom.js";
import { counted, formatBytes, formatBytesOf } from "../common/format.js";
import { Speed } from "../common/progress_rate.js";
import { filePicker } from "./controls.js";
import { chosenFolder, dropped } from "./folder_upload.js";

/** @import { FormModel, UploadAnswer, UploadRefused, UploadsFound } from "../types" */
/** @import { Upload } from "./folder_upload.js" */

/**
 * One file on its way, or already there: then it has a `path`. `file` is null when it came before the page was loaded
 * again; `asked` is the number of the question whose answer counts.
 *
 * @typedef {{
 *   id: string,
 *   file: Upload | null,
 *   name: string,
 *   size: number,
 *   count: number | null,
 *   at: number,
 *   path: string | null,
 *   asked: number,
 *   speed: Speed,
 *   failed: boolean,
 *   timer: ReturnType<typeof setTimeout> | undefined,
 *   row: Row,
 * }} Item
 */
/** @typedef {{ name: HTMLElement, state: HTMLElement, bar: HTMLProgressElement, remove: HTMLElement, element: HTMLElement }} Row */

const PART_BYTES = 4 * 1024 * 1024;
const UPLOAD_PATIENCE_MS = { least: 3_000, first: 15_000, most: 60_000 }; // with an answer, before it is asked for again
const UPLOAD_SILENT_MS = 300_000;

/**
 * How large a file is, or a folder.
 *
 * @param {Pick<Item, "size" | "count">} one
 */
function sizeWords({ size, count }) {
  return count == null ? formatBytes(size) : `${counted(count, "file")}, ${formatBytes(size)}`;
}

/** Where this tab's files are kept: the same after a reload. */
function placeOfTab() {
  const fresh = [...crypto.getRandomValues(new Uint8Array(8))]
    .map((byte) => byte.toString(16).padStart(2, "0"))
    .join("");
  try {
    const place = sessionStorage.getItem("gl-uploads") ?? fresh;
    sessionStorage.setItem("gl-uploads", place);
    return place;
  } catch {
    return fresh; // the browser keeps nothing
  }
}

/** Files of this computer that are to be brought: chosen or dropped, sent in parts one after the other. */
export class Uploads {
  /**
   * @param {FormModel} model
   * @param {() => void} changed
   */
  constructor(model, changed) {
    this.model = model;
    this.changed = changed;
    this.files = /** @type {Map<string, Item>} */ (new Map());
    this.sending = /** @type {Item | null} */ (null);
    this.askedAt = 0;
    this.place = placeOfTab();
    this.unknown = true; // what is there already
    this.patience = UPLOAD_PATIENCE_MS.first;
    this.list = h("ul", { class: "gl-uploads", "aria-label": "Files to upload", hidden: true });
    this.picker = filePicker("Upload files", { multiple: true }, (files) => this.add(files));
    const folder = filePicker("Upload a folder", { webkitdirectory: true }, (files) => this.add([chosenFolder(files)]));
    const words = h("span", { class: "gl-hint" }, "or drop them here");
    this.element = h(
      "div",
      { class: "gl-stack gl-drop" },
      h("div", { class: "gl-row" }, this.picker, folder, words),
      this.list,
    );
    this.unguard = this.guard();
    this.element.addEventListener("dragover", (event) => event.preventDefault());
    this.element.addEventListener("drop", async (event) => {
      event.preventDefault();
      if (event.dataTransfer) this.add(await dropped(event.dataTransfer));
    });
  }

  /** Where the files are that arrived whole. */
  paths() {
    return [...this.files.values()].map((one) => one.path).filter((path) => path !== null);
  }

  get busy() {
    return [...this.files.values()].some((one) => one.file && !one.path && !one.failed);
  }

  /** Whether there are files of which only a part came before the page was loaded again. */
  get partial() {
    return [...this.files.values()].some((one) => !one.file && !one.path);
  }

  /** What the kernel should be asked for. */
  wanted() {
    return this.unknown ? { uploads: this.place } : {};
  }

  /**
   * What came before the page was loaded again.
   *
   * @param {UploadsFound} content
   */
  found({ place, files }) {
    if (place !== this.place || !this.unknown) return;
    this.unknown = false;
    for (const { id, name, size, count, at, path } of files) {
      const one = this.enlist({ id, file: null, name, size, count, at, path });
      show(one.row.bar, !path);
      one.row.bar.value = at;
      setText(one.row.remove, "Remove");
      setText(one.row.state, path ? sizeWords(one) : `${formatBytesOf(at, size)} is here: add it again to go on`);
    }
    show(this.list, this.files.size > 0);
    if (files.length) this.changed();
  }

  /** @param {Upload[]} files */
  add(files) {
    for (const file of files) {
      const { name, size, count = null } = file;
      this.enlist({ id: newId("upload"), file, name, size, count, at: 0, path: null });
    }
    show(this.list, this.files.size > 0);
    this.changed();
    this.next();
  }

  /**
   * Put one more into the list.
   *
   * @param {Pick<Item, "id" | "file" | "name" | "size" | "count" | "at" | "path">} known
   */
  enlist(known) {
    const row = this.makeRow(known);
    /** @type {Item} */
    const one = { ...known, row, asked: 0, speed: new Speed(), failed: false, timer: undefined };
    this.files.set(one.id, one);
    this.list.append(row.element);
    return one;
  }

  /**
   * @param {Pick<Item, "id" | "name" | "size">} one
   * @returns {Row}
   */
  makeRow(one) {
    const name = h("span", { class: "gl-upload-name", dir: "auto" }, one.name);
    const state = h("span", { class: "gl-upload-state" }, "waiting");
    const bar = h("progress", { max: one.size || 1, value: 0, "aria-label": one.name });
    const remove = h(
      "button",
      { type: "button", class: "gl-button gl-small", onclick: () => this.remove(one.id) },
      "Cancel",
    );
    return { name, state, bar, remove, element: h("li", { class: "gl-upload" }, name, state, bar, remove) };
  }

  /** Start with the next file that waits. */
  next() {
    if (this.sending && this.files.has(this.sending.id)) return;
    this.sending = [...this.files.values()].find((one) => one.file && !one.path && !one.failed) ?? null;
    if (this.sending?.file) this.begin(this.sending, this.sending.file);
  }

  /**
   * Say what is to come. Said again, it asks how far the file is.
   *
   * @param {Item} one
   * @param {Upload} file
   * @param {number} [since]
   */
  begin(one, file, since) {
    const { name, size, lastModified: changed, listed = 0 } = file;
    this.ask(one, file, { kind: "upload begin", place: this.place, name, size, changed, listed }, undefined, since);
  }

  /**
   * Send. When no answer comes, the connection broke and what it carried is lost: ask how far the file is.
   *
   * @param {Item} one
   * @param {Upload} file
   * @param {object} content
   * @param {ArrayBuffer[]} [buffers]
   */
  ask(one, file, content, buffers, since = Date.now()) {
    clearTimeout(one.timer);
    one.timer = setTimeout(() => {
      if (Date.now() - since > UPLOAD_SILENT_MS) return this.fail(one, "The connection to this page's kernel is lost.");
      setText(one.row.state, `Waiting for the connection, ${formatBytes(one.at)} are there`);
      this.patience = UPLOAD_PATIENCE_MS.least; // the question is small
      this.begin(one, file, since);
    }, this.patience);
    one.asked += 1; // its answer is the one that counts
    this.askedAt = Date.now();
    try {
      this.model.send({ ...content, id: one.id, asked: one.asked }, undefined, buffers);
    } catch {
      // There is no connection: asked again in a while.
    }
  }

  /**
   * The kernel's word how far a file is.
   *
   * @param {UploadAnswer} content
   */
  async answer({ id, asked, name, at, path }) {
    const one = this.files.get(id);
    const file = one?.file;
    if (!file || one.path || one.failed || asked !== one.asked) return;
    clearTimeout(one.timer);
    // A slow line needs longer for a part; a fast one that broke should not be waited for long.
    if (at > one.at)
      this.patience = Math.min(
        Math.max(4 * (Date.now() - this.askedAt), UPLOAD_PATIENCE_MS.least),
        UPLOAD_PATIENCE_MS.most,
      );
    one.at = at;
    setText(one.row.name, name);
    for (const other of this.files.values()) if (!other.file && !other.path && other.name === name) this.forget(other); // it goes on here
    one.row.bar.value = at;
    setText(one.row.state, one.speed.figures(at, file.size));
    if (path) return this.finish(one, path);
    try {
      const part = await file.slice(at, at + PART_BYTES).arrayBuffer();
      if (this.files.has(id)) this.ask(one, file, { kind: "upload part", at }, [part]);
    } catch {
      this.fail(one, "The file changed or can no longer be read.");
      tell(this.model, { kind: "upload remove", id });
    }
  }

  /**
   * @param {Item} one
   * @param {string} path
   */
  finish(one, path) {
    one.path = path;
    show(one.row.bar, false);
    setText(one.row.state, sizeWords(one));
    setText(one.row.remove, "Remove");
    this.goOn();
  }

  /**
   * @param {Item} one
   * @param {string} text
   */
  fail(one, text) {
    clearTimeout(one.timer);
    one.failed = true;
    show(one.row.bar, false);
    one.row.element.classList.add("gl-upload-failed");
    setText(one.row.state, text);
    setText(one.row.remove, "Remove");
    this.goOn();
  }

  /** @param {UploadRefused} content */
  refuse({ id, text }) {
    const one = this.files.get(id);
    if (one) this.fail(one, text);
  }

  /** @param {Item} one */
  forget(one) {
    clearTimeout(one.timer);
    this.files.delete(one.id);
    one.row.element.remove();
    show(this.list, this.files.size > 0);
  }

  /** @param {string} id */
  remove(id) {
    const one = this.files.get(id);
    if (!one) return;
    this.forget(one);
    tell(this.model, { kind: "upload remove", id });
    this.picker.querySelector("input")?.focus();
    this.goOn();
  }

  goOn() {
    this.sending = null;
    this.changed();
    this.next();
  }

  /** Whoever leaves while files are on their way is asked. Voilà ends the kernel before the answer: it must wait, too. */
  guard() {
    let held = false;
    const leaving = (/** @type {BeforeUnloadEvent} */ event) => {
      if (!event.isTrusted || !this.busy) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      held = true;
    };
    const gone = () => held && window.dispatchEvent(new Event("beforeunload"));
    window.addEventListener("beforeunload", leaving, { capture: true });
    window.addEventListener("pagehide", gone);
    return () => {
      window.removeEventListener("beforeunload", leaving, { capture: true });
      window.removeEventListener("pagehide", gone);
    };
  }

  close() {
    this.unguard();
    for (const one of this.files.values()) clearTimeout(one.timer);
  }
}
