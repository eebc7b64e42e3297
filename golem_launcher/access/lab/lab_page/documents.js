// Saves the documents that are open in JupyterLab's page: soon after something was typed, and whenever it is asked to.
/** @import { Application, DocumentContext, DocumentManager } from "./jupyterlab" */

const PAUSE_MS = 1000; // in typing, after which a document is saved
const LONGEST_MS = 3000; // until it is saved though somebody goes on typing
const REST = 4; // times what the last save took: the next one comes no sooner
const AREAS = ["main", "left", "right", "down"];

/**
 * What is known of a document: when it was typed in and how often it changed, how often it had when it was last begun
 * to be saved, since when it is not saved, and how its saving stands.
 *
 * @typedef {object} Known
 * @property {number} typed
 * @property {number} changes
 * @property {number} begun
 * @property {number | null} since
 * @property {number} notBefore
 * @property {Promise<void> | null} saving
 * @property {boolean} busy
 */

/** The documents that are open in this page. */
export class Documents {
  /**
   * @param {Application} app
   * @param {DocumentManager} manager
   * @param {() => void} changed
   * @param {(context: DocumentContext) => void} opened called once for each document
   */
  constructor(app, manager, changed, opened) {
    this._app = app;
    this._manager = manager;
    this._changed = changed;
    this._opened = opened;
    this._known = /** @type {WeakMap<DocumentContext, Known>} */ (new WeakMap());
    this.away = false;
  }

  /** Those that hold changes which are not in their files; what several people edit the server saves by itself. */
  unsaved() {
    return [...this._contexts()].filter(({ model }) => model.dirty && !model.readOnly && !model.collaborative);
  }

  /** Save what was typed a moment ago; what a person does not want saved by itself waits for them. */
  look() {
    for (const context of this._contexts()) this._watch(context);
    this._changed();
    if (this.away || !this._manager.autosave) return;
    const now = Date.now();
    for (const context of this.unsaved()) {
      const known = this._watch(context);
      known.since ??= now;
      const due = now - known.typed >= PAUSE_MS || now - known.since >= LONGEST_MS;
      // Of two that save at a time, the second finds a file that has changed, and JupyterLab asks what to do.
      if (due && now >= known.notBefore && !known.busy) this._save(context);
    }
  }

  /** Save all there is to save; how many could not be. */
  async saveAll() {
    await Promise.all(this.unsaved().map((context) => this._save(context)));
    await Promise.all(this.unsaved().map((context) => this._save(context))); // what was typed meanwhile
    return this.unsaved().length;
  }

  *_contexts() {
    const seen = /** @type {Set<DocumentContext>} */ (new Set());
    for (const area of AREAS) {
      for (const widget of this._app.shell.widgets(area)) {
        const context = this._manager.contextForWidget(widget);
        if (context?.isReady && !context.isDisposed && !seen.has(context)) {
          seen.add(context);
          yield context;
        }
      }
    }
  }

  /** @param {DocumentContext} context */
  _watch(context) {
    const before = this._known.get(context);
    if (before !== undefined) return before;
    /** @type {Known} */
    const known = { typed: 0, changes: 0, begun: 0, since: null, notBefore: 0, saving: null, busy: false };
    this._known.set(context, known);
    this._opened(context);
    context.saveState.connect((_, state) => {
      known.busy = state === "started";
      if (known.busy) known.begun = known.changes;
      // JupyterLab takes what was typed while it saved for saved, too.
      else if (known.changes !== known.begun) context.model.dirty = true;
    });
    context.model.contentChanged.connect(() => {
      known.typed = Date.now();
      known.changes += 1;
    });
    return known;
  }

  /** @param {DocumentContext} context */
  _save(context) {
    const known = this._watch(context);
    known.saving ??= this._saved(context, known).finally(() => {
      known.saving = null;
    });
    return known.saving;
  }

  /**
   * @param {DocumentContext} context
   * @param {Known} known
   */
  async _saved(context, known) {
    const began = Date.now();
    known.since = null;
    try {
      await context.save();
    } catch (error) {
      console.warn(`${context.path} could not be saved`, error); // JupyterLab has told the user why
    }
    known.notBefore = Date.now() + REST * (Date.now() - began);
    this._changed();
  }
}
