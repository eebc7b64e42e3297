const PART_BYTES = 4 * 1024 * 1024;
const ANSWER_MS = 20_000;
const TRIES = 4;

/** Bytes as 12 B, 3.4 MB, 2 GB. */
function bytesWords(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value >= 100 || unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** Where this tab's files are kept: the same after a reload. */
function placeOfTab() {
  const fresh = [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  try {
    const place = sessionStorage.getItem("gl-uploads") ?? fresh;
    sessionStorage.setItem("gl-uploads", place);
    return place;
  } catch {
    return fresh; // the browser keeps nothing
  }
}

/** Files of this computer that are to be brought: chosen or dropped, sent in parts one after the other. */
class Uploads {
  constructor(model, changed) {
    this.model = model;
    this.changed = changed;
    this.files = new Map();
    this.sending = null;
    this.place = placeOfTab();
    this.asked = true; // until it is known what is there
    this.list = h("ul", { class: "gl-uploads", "aria-label": "Files to upload", hidden: true });
    this.picker = filePicker("Upload files", { multiple: true }, (files) => this.add(files));
    this.element = h("div", { class: "gl-stack gl-drop" }, h("div", { class: "gl-row" }, this.picker), this.list);
    this.unguard = this.guard();
    this.element.addEventListener("dragover", (event) => event.preventDefault());
    this.element.addEventListener("drop", (event) => {
      event.preventDefault();
      this.add([...event.dataTransfer.files]);
    });
  }

  /** Where the files are that arrived whole. */
  paths() {
    return [...this.files.values()].map((one) => one.path).filter(Boolean);
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
    return this.asked ? { uploads: this.place } : {};
  }

  /** What came before the page was loaded again. */
  found({ place, files }) {
    if (place !== this.place || !this.asked) return;
    this.asked = false;
    for (const { id, name, size, at, path } of files) {
      const one = { id, file: null, name, size, at, path, failed: false, tries: 0, timer: null };
      one.row = this.makeRow(one);
      this.files.set(id, one);
      this.list.append(one.row.element);
      show(one.row.bar, !path);
      one.row.bar.value = at;
      setText(one.row.remove, "Remove");
      setText(one.row.state, path ? bytesWords(size) : `${bytesWords(at)} of ${bytesWords(size)} is here: add it again to go on`);
    }
    show(this.list, this.files.size > 0);
    if (files.length) this.changed();
  }

  add(files) {
    for (const file of files) {
      const one = { id: newId("upload"), file, name: file.name, size: file.size, at: 0, path: null, failed: false, tries: 0, timer: null };
      one.row = this.makeRow(one);
      this.files.set(one.id, one);
      this.list.append(one.row.element);
    }
    show(this.list, this.files.size > 0);
    this.changed();
    this.next();
  }

  makeRow(one) {
    const name = h("span", { class: "gl-upload-name", dir: "auto" }, one.name);
    const state = h("span", { class: "gl-upload-state" }, "waiting");
    const bar = h("progress", { max: one.size || 1, value: 0, "aria-label": one.name });
    const remove = h("button", { type: "button", class: "gl-button gl-small", onclick: () => this.remove(one) }, "Cancel");
    return { name, state, bar, remove, element: h("li", { class: "gl-upload" }, name, state, bar, remove) };
  }

  /** Start with the next file that waits. */
  next() {
    if (this.sending && this.files.has(this.sending.id)) return;
    this.sending = [...this.files.values()].find((one) => one.file && !one.path && !one.failed) ?? null;
    if (!this.sending) return;
    const { name, size, lastModified: changed } = this.sending.file;
    this.ask(this.sending, { kind: "upload begin", place: this.place, name, size, changed });
  }

  /** Send, and send again when no answer comes. */
  ask(one, content, buffers) {
    clearTimeout(one.timer);
    one.timer = setTimeout(() => {
      one.tries += 1;
      if (one.tries < TRIES) this.ask(one, content, buffers);
      else this.fail(one, "The connection to this page's kernel is lost.");
    }, ANSWER_MS);
    try {
      this.model.send({ ...content, id: one.id }, undefined, buffers);
    } catch {
      this.fail(one, "The connection to this page's kernel is lost.");
    }
  }

  /** The kernel's word how far a file is. */
  async answer({ id, name, at, path }) {
    const one = this.files.get(id);
    if (!one || one.path || one.failed) return;
    clearTimeout(one.timer);
    one.tries = 0;
    one.at = at;
    setText(one.row.name, name);
    for (const other of this.files.values()) if (!other.file && !other.path && other.name === name) this.forget(other); // it goes on here
    one.row.bar.value = at;
    setText(one.row.state, `${bytesWords(at)} of ${bytesWords(one.file.size)}`);
    if (path) return this.finish(one, path);
    try {
      const part = await one.file.slice(at, at + PART_BYTES).arrayBuffer();
      if (this.files.has(id)) this.ask(one, { kind: "upload part", at }, [part]);
    } catch {
      this.fail(one, "The file changed or can no longer be read.");
      tell(this.model, { kind: "upload remove", id });
    }
  }

  finish(one, path) {
    one.path = path;
    show(one.row.bar, false);
    setText(one.row.state, bytesWords(one.file.size));
    setText(one.row.remove, "Remove");
    this.goOn();
  }

  fail(one, text) {
    clearTimeout(one.timer);
    one.failed = true;
    show(one.row.bar, false);
    one.row.element.classList.add("gl-upload-failed");
    setText(one.row.state, text);
    setText(one.row.remove, "Remove");
    this.goOn();
  }

  refuse({ id, text }) {
    const one = this.files.get(id);
    if (one) this.fail(one, text);
  }

  forget(one) {
    clearTimeout(one.timer);
    this.files.delete(one.id);
    one.row.element.remove();
    show(this.list, this.files.size > 0);
  }

  remove(one) {
    this.forget(one);
    tell(this.model, { kind: "upload remove", id: one.id });
    this.picker.querySelector("input").focus();
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
    const leaving = (event) => {
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
