// How the session stands, in JupyterLab's page: an item of the status bar, and a panel at its right.
/** @import { Session, Wish } from "./jupyterlab" */

const TICK_MS = 1000;
const WARNED = [600, 120]; // seconds before the end
const SEEN = "golem-launcher:warnings";
const WORDS = /** @type {Record<string, string>} */ ({
  ready: "Ready",
  recovering: "The launcher brings it back",
  saving: "Saving before the end",
  stopping: "Ending",
});

/**
 * An element with text or others in it.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Partial<Record<string, string>>} attributes
 * @param {...(Node | string)} children
 */
function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value ?? "");
  element.append(...children);
  return element;
}

/**
 * Only when it differs, so that screen readers are left in peace.
 *
 * @param {Element} element
 * @param {string} text
 */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Seconds as 45 s, 12 min, 3 h 05 min.
 *
 * @param {number} seconds
 */
function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 90) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

/** A row of the panel: what it is called, its figure, and what belongs to that. */
class PanelRow {
  /** @param {string} label */
  constructor(label) {
    this._value = h("span", {});
    this._hint = h("small", {});
    this._label = h("dt", {}, label);
    this._room = h("dd", {}, this._value, this._hint);
    this.elements = [this._label, this._room];
  }

  /**
   * @param {string} value empty hides the row
   * @param {string} hint
   */
  set(value, hint = "", soon = false) {
    setText(this._value, value);
    setText(this._hint, hint);
    for (const element of this.elements) element.hidden = value === "";
    this._room.classList.toggle("golem-soon", soon);
  }
}

/** Which warnings of a session were seen in this browser: a page that is loaded again repeats none of them. */
class Seen {
  /** @param {Session} session */
  constructor({ name, begun }) {
    this._of = `${name} ${begun}`;
    this.warnings = new Set(this._read());
  }

  /** @returns {number[]} */
  _read() {
    try {
      const { of, warnings } = JSON.parse(localStorage.getItem(SEEN) ?? "{}");
      return of === this._of ? warnings : [];
    } catch {
      return []; // a browser that keeps nothing
    }
  }

  keep() {
    try {
      localStorage.setItem(SEEN, JSON.stringify({ of: this._of, warnings: [...this.warnings] }));
    } catch {
      // It warns again, then.
    }
  }
}

/** Status item and panel of one session. */
export class SessionView {
  /**
   * @param {{ ask: (wish: Wish) => boolean, warn: (text: string, extend: () => void) => void }} tools `warn` puts its
   *   words in the place of those before; by none it only takes those away
   */
  constructor({ ask, warn }) {
    this._ask = ask;
    this._warn = warn;
    /** Shows the panel. */
    this.reveal = () => {};
    this._session = /** @type {Session | null} */ (null);
    /** What happens to the session's machine, in a sentence; empty where that is nothing. */
    this.doing = "";
    this._at = 0;
    this._there = false;
    this._over = false;
    this._seen = /** @type {Seen | null} */ (null);
    this.item = h("button", { class: "golem-item", type: "button" }, "Golem …");
    this.item.title = "How this session stands";
    this.item.addEventListener("click", () => this.reveal());
    this._title = h("h2", {}, "Golem session");
    this._stage = h("p", { role: "status" });
    this._left = new PanelRow("Time left");
    this._spent = new PanelRow("Spent");
    this._saved = new PanelRow("Saved");
    this._used = ["CPU", "Memory", "Disk", "GPU"].map((label) => /** @type {const} */ ([label, new PanelRow(label)]));
    const rows = [this._left, this._spent, this._saved, ...this._used.map(([, row]) => row)];
    for (const row of rows) row.set("");
    this._machines = h("ul", {});
    this._machinesBox = h("section", {}, h("h3", {}, "Machines"), this._machines);
    this._machinesBox.hidden = true;
    this._told = ""; // of what was asked for
    this._chips = h("div", { class: "golem-buttons", role: "group", "aria-label": "Ask for more time" });
    this._room = h("small", { hidden: "" });
    this._save = this._button("Save now", { what: "save" });
    this._move = this._button("Another machine …", { what: "move" });
    this._gpu = this._button("A GPU …", { what: "gpu" });
    this._end = this._button("End …", { what: "end" });
    this._answer = h("p", { role: "status", class: "golem-answer" });
    this._buttons = h(
      "section",
      {},
      h("h3", {}, "More time"),
      this._chips,
      this._room,
      h("h3", {}, "This session"),
      h("div", { class: "golem-buttons" }, this._save, this._move, this._gpu, this._end),
      this._answer,
      h(
        "p",
        {},
        "You confirm more time, another machine, or the end, on the launcher's page, where no provider's script can press the button.",
      ),
    );
    const css = h("link", { rel: "stylesheet", href: new URL("session.css", import.meta.url).href });
    this.panel = h(
      "div",
      { class: "golem-panel", role: "region", "aria-label": "Golem session", tabindex: "0" },
      this._title,
      this._stage,
      h("dl", {}, ...rows.flatMap((row) => row.elements)),
      this._machinesBox,
      this._buttons,
    );
    document.head.append(css);
    setInterval(() => this._tick(), TICK_MS);
  }

  /** @param {Session} session */
  show(session) {
    this._session = session;
    this._seen ??= new Seen(session);
    this._at = Date.now();
    this._there = true;
    this.doing = session.doing;
    setText(this._title, `Golem session ${session.name}`);
    for (const [label, row] of this._used) {
      row.set(session.used.find(([name]) => name === label)?.[1] ?? "");
    }
    this._spent.set(session.spent, session.rate);
    this._machinesBox.hidden = session.machines.length < 2;
    const machines = session.machines.map((words) => h("li", { dir: "auto" }, words));
    if (this._machines.textContent !== machines.map((each) => each.textContent).join(""))
      this._machines.replaceChildren(...machines);
    this._showChoices(session);
    this._save.disabled = !session.saves;
    const told = session.asked || session.answer;
    if (told !== this._told) setText(this._answer, told); // once: what else was answered since stays
    this._told = told;
    this._tick();
  }

  /** @param {string} told what came of what was asked for */
  answer(told) {
    setText(this._answer, told);
  }

  /** @param {boolean} there whether the launcher answers on the user's computer */
  reach(there) {
    this._there = there;
    this._tick();
  }

  /**
   * @param {string} words why the session has ended, and where its files are
   * @param {"ended" | "suspended"} how
   */
  end(words, how) {
    this._over = true;
    this._warn("", () => {});
    this._buttons.hidden = true;
    this._left.set("");
    setText(this._stage, words);
    setText(this.item, `Golem: ${how}`);
  }

  /**
   * @param {string} label
   * @param {Wish} wish
   */
  _button(label, wish) {
    const button = h("button", { type: "button" }, label);
    button.addEventListener("click", () => this._wish(wish));
    return button;
  }

  /** @param {Wish} wish */
  _wish(wish) {
    setText(this._answer, this._ask(wish) ? "Asking …" : "The launcher does not answer on your computer.");
  }

  /** @param {Session} session */
  _showChoices({ extend, room }) {
    if (this._chips.childElementCount !== extend.length) {
      this._chips.replaceChildren(...extend.map(({ hours }) => this._button("", { what: "extend", hours })));
    }
    extend.forEach(({ hours, cost, possible }, index) => {
      const chip = /** @type {HTMLButtonElement} */ (this._chips.children[index]);
      setText(chip, [`+${hours} h`, cost].filter(Boolean).join(" · "));
      chip.disabled = !possible;
    });
    setText(this._room, room);
    this._room.hidden = extend.every(({ possible }) => possible);
  }

  /** What changes with time alone. */
  _tick() {
    const session = this._session;
    if (this._over || session === null) return;
    const passed = (Date.now() - this._at) / 1000;
    const left = session.left === null ? null : session.left - passed;
    const soon = left !== null && left <= WARNED[0];
    const time = left === null ? "" : duration(left);
    this._left.set(time, session.ends, soon);
    const saved = session.saved === null ? "not yet" : `${duration(session.saved + passed)} ago`;
    const open = session.unsaved === 1 ? "1 document unsaved" : session.unsaved ? `${session.unsaved} unsaved` : "";
    const below = session.problem || [session.files, open].filter(Boolean).join(", ");
    this._saved.set(session.saves ? saved : "", below, session.problem !== "");
    const trouble = session.trouble || (session.stage === "ready" ? "" : (WORDS[session.stage] ?? session.stage));
    const doing = session.trouble || session.doing || trouble || WORDS.ready;
    setText(this._stage, this._there ? doing : "The launcher does not answer on your computer.");
    const parts = this._there
      ? [time && `${time} left`, session.spent, session.saves && `saved ${saved}`, open]
      : ["not answering"];
    setText(this.item, `Golem: ${parts.filter(Boolean).join(" · ")}`);
    this.item.classList.toggle("golem-soon", soon || trouble !== "" || !this._there);
    if (left !== null) this._warnOf(left, session);
  }

  /**
   * Once at each step before the end, and again when the session was extended meanwhile.
   *
   * @param {number} left
   * @param {Session} session
   */
  _warnOf(left, { ends }) {
    const seen = /** @type {Seen} */ (this._seen);
    const due = WARNED.filter((seconds) => left <= seconds);
    const past = [...seen.warnings].filter((seconds) => left > seconds + 60);
    for (const seconds of past) seen.warnings.delete(seconds);
    if (past.length) this._warn("", () => {});
    const news = due.filter((seconds) => !seen.warnings.has(seconds));
    for (const seconds of due) seen.warnings.add(seconds);
    if (!document.hidden) seen.keep(); // nobody has seen it in a tab behind others
    if (news.length === 0 || left <= 0) return;
    const within = duration(Math.min(...due)); // it stays, and holds later, too
    this._warn(`This session ends in less than ${within}: ${ends}.`, () => this.reveal());
  }
}
