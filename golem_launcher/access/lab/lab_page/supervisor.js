// The session's supervisor, on the user's computer, as JupyterLab's page speaks with it.
/** @import { News, Wish } from "./jupyterlab" */

const AGAIN_MS = 2000;
const LOOK_MS = 2000;
const LOOK_UNSEEN_MS = 10_000; // in a tab that nobody sees

/** Tells what to do and how the session stands, and is told how the page stands. */
export class Supervisor {
  /**
   * @param {{ url: string, farewell: string }} addresses of its websocket, and of what is told once it is gone
   * @param {string} key
   * @param {(news: News) => void} heard
   * @param {() => void} changed whether it is there
   */
  constructor({ url, farewell }, key, heard, changed) {
    this._url = url;
    this._farewell = farewell;
    this._key = key;
    this._heard = heard;
    this._changed = changed;
    this._unsaved = 0;
    this._over = false;
    this._looked = 0;
    this._socket = this._connect();
    setInterval(() => this._look(), LOOK_MS);
    document.addEventListener("visibilitychange", () => document.hidden || this._look());
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
    this._send({});
  }

  /**
   * The order number ``saved`` was carried out.
   *
   * @param {number} saved
   * @param {number} unsaved
   */
  answer(saved, unsaved) {
    this._unsaved = unsaved;
    this._send({ saved });
  }

  /**
   * Ask for something; whether it could be asked for. What comes of it is told.
   *
   * @param {Wish} wish
   */
  ask(wish) {
    return this._send({ ask: wish, look: true });
  }

  /** The session has ended: nobody will be there again. */
  leave() {
    this._over = true;
    this._socket.close();
  }

  _look() {
    const now = Date.now();
    if (document.hidden && now - this._looked < LOOK_UNSEEN_MS) return;
    this._looked = now;
    this._send({ look: true });
  }

  _connect() {
    const socket = new WebSocket(this._url);
    socket.onopen = () => {
      this._send({ key: this._key });
      this._send({ look: true });
      this._changed();
    };
    socket.onmessage = ({ data }) => this._heard(JSON.parse(data));
    socket.onclose = () => {
      this._changed();
      if (!this._over) setTimeout(() => this._reconnect(), AGAIN_MS);
    };
    return socket;
  }

  async _reconnect() {
    await this.hearFarewell();
    if (!this._over) this._socket = this._connect();
  }

  /** Ask who answers in its place how the session ended; whether it has. */
  async hearFarewell() {
    try {
      const answer = await fetch(this._farewell);
      if (answer.ok) this._heard(await answer.json());
    } catch {
      // Nobody answers.
    }
    return this._over;
  }

  /** @param {object} message */
  _send(message) {
    if (this.there) this._socket.send(JSON.stringify({ unsaved: this._unsaved, ...message }));
    return this.there;
  }
}
