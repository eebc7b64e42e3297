// Messages that come up for a while, each with its cause.

import { h, setText, show } from "../common/dom.js";

/** @import { Alert, Session } from "../types" */
/** @typedef {{ topic: string, title: string, mood: string, stay: boolean }} AlertWords one toast of a topic at a time */
/** @typedef {{ element: HTMLElement, name: string, topic: string, before: Session | undefined, held: boolean }} ToastOfAlert */

const TOAST_MS = 12_000;
/** @type {Partial<Record<string, AlertWords>>} */
const ALERT_WORDS = {
  ready: { topic: "stage", title: "Ready", mood: "good", stay: false },
  lost: { topic: "stage", title: "Provider lost", mood: "bad", stay: true },
  failed: { topic: "stage", title: "Failed", mood: "bad", stay: true },
  ended: { topic: "stage", title: "Ended", mood: "plain", stay: false },
  suspended: { topic: "stage", title: "Suspended", mood: "plain", stay: false },
  asks: { topic: "asks", title: "The Lab asks", mood: "warn", stay: true },
  "left-out": { topic: "left-out", title: "Not everything is saved", mood: "warn", stay: true },
  stalled: { topic: "stalled", title: "Not saved", mood: "bad", stay: true },
  idle: { topic: "idle", title: "Unused", mood: "warn", stay: true },
  gpu: { topic: "gpu", title: "GPU handed back", mood: "warn", stay: true },
  "time-10": { topic: "time", title: "Less than 10 minutes left", mood: "warn", stay: true },
  "time-2": { topic: "time", title: "Less than 2 minutes left", mood: "bad", stay: true },
  "money-10": { topic: "money", title: "Less than 10 minutes left", mood: "warn", stay: true },
  "money-2": { topic: "money", title: "Less than 2 minutes left", mood: "bad", stay: true },
};

const OVER = ["failed", "ended", "suspended"]; // after which nothing else of a session is news

/** @type {Partial<Record<string, (session: Session, before: Session) => boolean>>} whether what a toast is of still is so; `before` is the session as it was when that came */
const HOLDS = {
  asks: ({ asked }) => asked !== null,
  idle: ({ idle }) => idle !== "",
  time: ({ deadline }, before) => deadline === before.deadline,
  money: ({ budget }, before) => budget === before.budget,
};

/** Toasts in a corner of the window, and notifications of the browser for those who said yes to them. */
export class Toasts {
  /** @param {() => void} leadBack brings the keyboard's place to the page, where it can't go back to where it was */
  constructor(leadBack) {
    this.leadBack = leadBack;
    this.box = h("section", { class: "gl gl-toasts", "aria-label": "News" });
    this.alerts = /** @type {ToastOfAlert[]} */ ([]);
    this.before = /** @type {HTMLElement | null} */ (null); // where the keyboard's place was
    this.box.addEventListener("focusin", ({ relatedTarget }) => {
      if (relatedTarget instanceof HTMLElement && !this.box.contains(relatedTarget)) this.before = relatedTarget;
    });
    document.body.append(this.box); // in the page's own boxes, "fixed" may mean fixed to one of them
    this.ask = h("button", {
      type: "button",
      class: "gl-button gl-small gl-notify",
      onclick: () => this.askPermission(),
    });
    this.showPermission();
  }

  dispose() {
    this.box.remove();
  }

  /**
   * Take one away; the keyboard's place, if it is in it, goes to the next, or back to where it was before.
   *
   * @param {HTMLElement} element
   */
  remove(element) {
    const next = element.nextElementSibling ?? element.previousElementSibling;
    const held = element.contains(document.activeElement);
    element.remove();
    if (!held) return;
    const place = next?.querySelector("button") ?? this.before;
    if (place?.checkVisibility()) place.focus({ preventScroll: true });
    else this.leadBack();
  }

  /**
   * One toast. It stays until dismissed when it matters for long, or has something to press: by key that takes a while.
   *
   * @param {string} title
   * @param {string} text
   * @param {{ mood?: string, stay?: boolean, action?: [label: string, act: () => void] | null }} options
   * @returns {HTMLElement}
   */
  add(title, text, { mood = "plain", stay = false, action = null } = {}) {
    const gone = () => this.remove(element);
    const act =
      action &&
      h(
        "button",
        {
          type: "button",
          class: "gl-button gl-small",
          onclick: () => {
            gone();
            action[1]();
          },
        },
        action[0],
      );
    const close = h(
      "button",
      { type: "button", class: "gl-button gl-small gl-toast-close", "aria-label": `Dismiss: ${title}`, onclick: gone },
      "✕",
    );
    /** @type {HTMLElement} */
    const element = h(
      "div",
      { class: `gl-toast gl-mood-${mood}`, role: mood === "bad" ? "alert" : "status" },
      h("div", { class: "gl-toast-text" }, h("strong", { dir: "auto" }, title), h("p", { dir: "auto" }, text)),
      act,
      close,
    );
    this.box.append(element);
    while (this.box.childElementCount > 4) this.remove(/** @type {HTMLElement} */ (this.box.firstElementChild));
    if (!stay && !action) {
      let timer = setTimeout(gone, TOAST_MS);
      element.addEventListener("pointerenter", () => clearTimeout(timer)); // being read
      element.addEventListener("focusin", () => clearTimeout(timer));
      element.addEventListener("pointerleave", () => (timer = setTimeout(gone, TOAST_MS)));
    }
    return element;
  }

  /**
   * What the kernel says a person should hear at once. It stands in the place of what was said of that before.
   *
   * @param {Alert} alert
   * @param {Session | undefined} session
   * @param {() => void} onClick
   */
  alert({ name, what, text }, session, onClick) {
    const words = ALERT_WORDS[what] ?? { topic: what, title: "News", mood: "plain", stay: false };
    const { topic } = words;
    this.drop((toast) => toast.name === name && (toast.topic === topic || OVER.includes(what)));
    const element = this.add(`${name}: ${words.title}`, text, words);
    const held = Boolean(session && HOLDS[topic]?.(session, session));
    this.alerts.push({ element, name, topic, before: session, held });
    if (what === "ended" || typeof Notification === "undefined" || Notification.permission !== "granted") return;
    try {
      // The same tag in a second tab replaces this one instead of standing beside it.
      const note = new Notification(`${name}: ${words.title}`, { body: text, tag: `golem-launcher-${name}-${what}` });
      note.onclick = () => {
        window.focus();
        onClick();
        note.close();
      };
    } catch {
      // Some browsers only let service workers notify: the toast has to do.
    }
  }

  /**
   * Take away what is no longer so. A session is seen as it was before, for a moment, when a toast comes.
   *
   * @param {Map<string, Session>} sessions by name
   */
  settle(sessions) {
    this.drop((toast) => {
      const session = sessions.get(toast.name);
      const holds = Boolean(session && HOLDS[toast.topic]?.(session, toast.before ?? session));
      const gone = toast.held && !holds;
      toast.held = holds;
      return gone;
    });
  }

  /** @param {(toast: ToastOfAlert) => boolean} which */
  drop(which) {
    this.alerts = this.alerts.filter((toast) => {
      const gone = which(toast);
      if (gone) this.remove(toast.element);
      return !gone && toast.element.isConnected;
    });
  }

  async askPermission() {
    try {
      await Notification.requestPermission();
    } catch {
      // An insecure context: there is no asking.
    }
    this.showPermission();
  }

  showPermission() {
    const state = typeof Notification === "undefined" || !window.isSecureContext ? "none" : Notification.permission;
    show(this.ask, state === "default");
    setText(this.ask, "Notify me");
    this.ask.title = "A notification of your browser when a session is ready, is about to end, or is in trouble.";
  }
}
