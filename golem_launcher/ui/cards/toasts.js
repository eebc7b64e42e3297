import { h, setText, show } from "../common/dom.js";

/** @import { Alert } from "../types" */
/** @typedef {{ title: string, mood: string, stay: boolean }} AlertWords */

const TOAST_MS = 12_000;
/** @type {Partial<Record<string, AlertWords>>} */
const ALERT_WORDS = {
  ready: { title: "Ready", mood: "good", stay: false },
  lost: { title: "Provider lost", mood: "bad", stay: true },
  failed: { title: "Failed", mood: "bad", stay: true },
  ended: { title: "Ended", mood: "plain", stay: false },
  suspended: { title: "Suspended", mood: "plain", stay: true },
  asks: { title: "The Lab asks", mood: "warn", stay: true },
  "left-out": { title: "Not everything is saved", mood: "warn", stay: true },
  stalled: { title: "Not saved", mood: "bad", stay: true },
  idle: { title: "Unused", mood: "warn", stay: true },
  gpu: { title: "GPU handed back", mood: "warn", stay: true },
  "ends-10": { title: "10 minutes left", mood: "warn", stay: true },
  "ends-2": { title: "2 minutes left", mood: "bad", stay: true },
};

/** Toasts in a corner of the window, and notifications of the browser for those who said yes to them. */
export class Toasts {
  constructor() {
    this.box = h("section", { class: "gl gl-toasts", "aria-label": "News" });
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
   * One toast. It stays until dismissed when it matters for long.
   *
   * @param {string} title
   * @param {string} text
   * @param {{ mood?: string, stay?: boolean, action?: [label: string, act: () => void] | null }} options
   */
  add(title, text, { mood = "plain", stay = false, action = null } = {}) {
    const gone = () => element.remove();
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
    while (this.box.childElementCount > 4) this.box.firstElementChild?.remove();
    if (!stay) {
      let timer = setTimeout(gone, TOAST_MS);
      element.addEventListener("pointerenter", () => clearTimeout(timer)); // being read
      element.addEventListener("focusin", () => clearTimeout(timer));
      element.addEventListener("pointerleave", () => (timer = setTimeout(gone, TOAST_MS)));
    }
  }

  /**
   * What the kernel says a person should hear at once.
   *
   * @param {Alert} alert
   * @param {() => void} onClick
   */
  alert({ name, what, text }, onClick) {
    const words = ALERT_WORDS[what] ?? { title: "News", mood: "plain", stay: false };
    this.add(`${name}: ${words.title}`, text, words);
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
