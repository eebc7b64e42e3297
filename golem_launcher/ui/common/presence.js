// Tells the kernel that this view is there, and asks again for what did not arrive.

import { newId, tell } from "./dom.js";

/** @import { Comm, Here, Kernel, Message } from "../types" */
/** @typedef {ReturnType<typeof setTimeout>} Timer */

const BEAT_MS = 20_000;
const SILENT_MS = 15_000;
const UNCONNECTED_MS = 3000;
const FIRST_TRY_MS = 1000;
const LAST_TRY_MS = 30_000;

/** Says something again and again, ever more seldom, until it is told that it arrived: a message may be lost. */
export class Insist {
  /** @param {() => unknown} say */
  constructor(say) {
    this.say = say;
    this.timer = /** @type {Timer | undefined} */ (undefined);
    this.wait = FIRST_TRY_MS;
  }

  begin() {
    this.done();
    this.wait = FIRST_TRY_MS;
    this.go();
  }

  go() {
    this.timer = setTimeout(() => this.go(), this.wait);
    this.wait = Math.min(2 * this.wait, LAST_TRY_MS);
    this.say();
  }

  done() {
    clearTimeout(this.timer);
    this.timer = undefined;
  }
}

/**
 * Tells the kernel that a view is here: when it comes, every now and then, and when the connection may have been away.
 *
 * The kernel answers with the whole state. So whatever was lost on the way, by a slow start, a sleep or a broken
 * connection, is mended; nothing has to be noticed. `more()` is what the kernel should know besides. `onSilence` is
 * called when no answer comes, and `onAnswer` with every answer.
 */
export class Presence {
  /**
   * @param {Comm<Message>} model
   * @param {{ more?: () => object, onAnswer?: () => void, onSilence?: () => void }} listeners
   */
  constructor(model, { more = () => ({}), onAnswer = () => {}, onSilence = () => {} } = {}) {
    this.model = model;
    this.more = more;
    this.onAnswer = onAnswer;
    this.onSilence = onSilence;
    this.kernel = model.widget_manager?.kernel ?? null;
    this.view = newId("view");
    this.turn = 0;
    this.silence = /** @type {Timer | undefined} */ (undefined);
    this.unconnected = /** @type {Timer | undefined} */ (undefined);
    this.insist = new Insist(() => this.say());
    this.ask = this.ask.bind(this);
    this.take = this.take.bind(this);
    this.again = this.again.bind(this);
    model.on("msg:custom", this.take);
    for (const [target, name] of this.events()) target.addEventListener(name, this.again);
    this.kernel?.connectionStatusChanged?.connect(this.onConnection, this);
    this.kernel?.statusChanged?.connect(this.onKernel, this);
    this.ask();
    this.timer = setInterval(() => this.insist.timer === undefined && this.ask(), BEAT_MS);
  }

  /** @returns {[EventTarget, string][]} */
  events() {
    return [
      [document, "visibilitychange"],
      [document, "resume"],
      [window, "online"],
      [window, "pageshow"],
    ];
  }

  ask() {
    this.turn += 1;
    this.silence ??= setTimeout(() => this.onSilent(), SILENT_MS);
    this.insist.begin();
  }

  say() {
    const { view, turn } = this;
    if (!tell(this.model, { kind: "here", view, turn, hidden: document.hidden, ...this.more() })) this.onSilence();
  }

  /** @param {Message} content */
  take(content) {
    if (content.kind !== "here") return;
    const { view, turn } = /** @type {Here} */ (content);
    if (view !== this.view || turn !== this.turn) return;
    this.insist.done();
    clearTimeout(this.silence);
    clearTimeout(this.unconnected);
    this.silence = undefined;
    this.onAnswer();
  }

  /** The connection may have been away. */
  again() {
    if (!document.hidden && this.kernel?.connectionStatus !== "connected") this.reconnect();
    this.ask();
  }

  /**
   * @param {Kernel} _kernel
   * @param {string} status
   */
  onConnection(_kernel, status) {
    clearTimeout(this.unconnected);
    if (status === "connected") this.ask();
    else this.unconnected = setTimeout(this.onSilence, UNCONNECTED_MS);
  }

  /**
   * A kernel that has ended or begun anew knows nothing of this view.
   *
   * @param {Kernel} _kernel
   * @param {string} status
   */
  onKernel(_kernel, status) {
    if (["dead", "terminating", "restarting", "autorestarting"].includes(status)) this.onSilence();
  }

  /** No answer: the connection may only look alive, or nobody tries it any more. */
  onSilent() {
    this.silence = setTimeout(() => this.onSilent(), SILENT_MS);
    this.onSilence();
    this.reconnect();
  }

  reconnect() {
    const { kernel } = this;
    if (kernel && !kernel.isDisposed && kernel.status !== "dead") kernel.reconnect?.().catch(() => {});
  }

  end() {
    this.insist.done();
    clearInterval(this.timer);
    clearTimeout(this.silence);
    clearTimeout(this.unconnected);
    this.kernel?.connectionStatusChanged?.disconnect(this.onConnection, this);
    this.kernel?.statusChanged?.disconnect(this.onKernel, this);
    this.model.off("msg:custom", this.take);
    for (const [target, name] of this.events()) target.removeEventListener(name, this.again);
  }
}
