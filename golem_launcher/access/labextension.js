// The launcher's part of JupyterLab's page: it saves open documents soon after something was typed and whenever the
// session is about to end, tells how many have unsaved changes, and says so when the session has ended.
// JupyterLab loads it as it loads any prebuilt extension (a container of webpack's module federation, by hand).
/** @import { Application, DocumentContext, DocumentManager, Modules, Shared } from "./jupyterlab" */

(() => {
  const NAME = "golem-launcher";
  const ROUND_MS = 500;
  const PAUSE_MS = 1000; // in typing, after which a document is saved
  const LONGEST_MS = 3000; // until it is saved though somebody goes on typing
  const REST = 4; // times what the last save took: the next one comes no sooner
  const AGAIN_MS = 2000;
  const AREAS = ["main", "left", "right", "down"];

  let shared = /** @type {Shared | null} */ (null);

  /**
   * A module of JupyterLab's own.
   *
   * @template {keyof Modules} Name
   * @param {Name} name
   */
  async function jupyter(name) {
    if (shared === null) throw new Error("JupyterLab has not said yet where its modules are");
    const versions = Object.values(shared[name]);
    const factory = await (versions.find((version) => version.loaded) ?? versions[0]).get();
    return factory();
  }

  /**
   * What is known of a document: when it was typed in, since when it is not saved, and how its saving stands.
   *
   * @typedef {object} Known
   * @property {number} typed
   * @property {number | null} since
   * @property {number} notBefore
   * @property {Promise<void> | null} saving
   * @property {boolean} busy
   */

  /** The documents that are open in this page. */
  class Documents {
    /**
     * @param {Application} app
     * @param {DocumentManager} manager
     * @param {() => void} changed
     */
    constructor(app, manager, changed) {
      this._app = app;
      this._manager = manager;
      this._changed = changed;
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
      const known = { typed: 0, since: null, notBefore: 0, saving: null, busy: false };
      this._known.set(context, known);
      context.saveState.connect((_, state) => {
        known.busy = state === "started";
      });
      context.model.contentChanged.connect(() => {
        known.typed = Date.now();
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

  /**
   * What the supervisor says: whether it is away, the number of an order to save, or how the session ended.
   *
   * @typedef {{ away?: boolean, save?: number, ended?: string }} News
   */

  /** The session's supervisor, on the user's computer: tells what to do, is told how it stands. */
  class Supervisor {
    /**
     * @param {string} url
     * @param {string} key
     * @param {(news: News) => void} heard
     */
    constructor(url, key, heard) {
      this._url = url;
      this._key = key;
      this._heard = heard;
      this._unsaved = 0;
      this._over = false;
      this._socket = this._connect();
    }

    get there() {
      return this._socket.readyState === WebSocket.OPEN;
    }

    /**
     * How many documents have unsaved changes.
     *
     * @param {number} unsaved
     */
    tell(unsaved) {
      if (unsaved === this._unsaved) return;
      this._unsaved = unsaved;
      if (this.there) this._send({ unsaved });
    }

    /**
     * The order number ``saved`` was carried out.
     *
     * @param {number} saved
     * @param {number} unsaved
     */
    answer(saved, unsaved) {
      this._unsaved = unsaved;
      if (this.there) this._send({ saved, unsaved });
    }

    /** The session has ended: nobody will be there again. */
    leave() {
      this._over = true;
      this._socket.close();
    }

    _connect() {
      const socket = new WebSocket(this._url);
      socket.onopen = () => this._send({ key: this._key, unsaved: this._unsaved });
      socket.onmessage = ({ data }) => this._heard(JSON.parse(data));
      socket.onclose = () => {
        if (!this._over) setTimeout(() => this._reconnect(), AGAIN_MS);
      };
      return socket;
    }

    _reconnect() {
      this._socket = this._connect();
    }

    /** @param {object} message */
    _send(message) {
      this._socket.send(JSON.stringify(message));
    }
  }

  async function plugins() {
    const [{ IDocumentManager }, { IConnectionLost }, apputils, { PageConfig, URLExt }, { Widget }] = await Promise.all(
      [
        jupyter("@jupyterlab/docmanager"),
        jupyter("@jupyterlab/application"),
        jupyter("@jupyterlab/apputils"),
        jupyter("@jupyterlab/coreutils"),
        jupyter("@lumino/widgets"),
      ],
    );
    let supervisor = /** @type {Supervisor | null} */ (null);
    let ended = false;
    let saying = false;

    /**
     * Say something in the page, once at a time.
     *
     * @param {string} title
     * @param {string} text
     */
    function say(title, text) {
      if (saying) return;
      saying = true;
      const node = document.createElement("div");
      for (const line of text.split("\n")) node.appendChild(document.createElement("p")).textContent = line;
      const buttons = [apputils.Dialog.okButton({ label: "Close" })];
      apputils.showDialog({ title, body: new Widget({ node }), buttons }).finally(() => {
        saying = false;
      });
    }

    const documents = {
      id: `${NAME}:documents`,
      description: "Saves open documents before the session ends, and soon after something was typed.",
      autoStart: true,
      requires: [IDocumentManager],
      activate: (/** @type {Application} */ app, /** @type {DocumentManager} */ manager) => {
        /** @type {Documents} */
        const open = new Documents(app, manager, () => told.tell(open.unsaved().length));
        const url = URLExt.join(PageConfig.getWsUrl(), NAME, "documents");
        const told = new Supervisor(url, PageConfig.getOption("golemLauncherKey"), async (news) => {
          if (typeof news.away === "boolean") open.away = news.away;
          if (typeof news.save === "number") told.answer(news.save, await open.saveAll());
          if (typeof news.ended === "string" && !ended) {
            ended = true;
            told.leave();
            say("This session has ended", news.ended);
          }
        });
        supervisor = told;
        app.restored.then(() => setInterval(() => ended || open.look(), ROUND_MS));
      },
    };

    const connection = {
      id: `${NAME}:connection`,
      description: "Says what happened when the server does not answer.",
      autoStart: true,
      provides: IConnectionLost,
      activate: () => async () => {
        if (ended) return;
        if (supervisor?.there) {
          const text = "The session's provider does not answer. The launcher waits for it, or takes another one.";
          apputils.Notification.warning(text, { autoClose: 10000 });
        } else {
          say(
            "The session can't be reached",
            "Golem Launcher does not answer on your computer: the session may have ended, or the way to it is closed.\n" +
              "See its page, or: golem-launcher list",
          );
        }
      },
    };
    return [documents, connection];
  }

  window._JUPYTERLAB = window._JUPYTERLAB ?? {};
  window._JUPYTERLAB[NAME] = {
    init: (scope) => {
      shared = scope;
    },
    get: async () => {
      const made = await plugins();
      return () => ({ __esModule: true, default: made });
    },
  };
})();
