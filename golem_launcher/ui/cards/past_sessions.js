// The list of past sessions: three at first, with a search and a way to clear it.

import { h, newId, setText, show } from "../common/dom.js";
import { askingButton } from "./confirm.js";

/** @import { Session } from "../types" */

const SHOWN_AT_FIRST = 3;
const PAUSE_MS = 150; // of who types

/**
 * Sessions that are over, below the form: the last few of them, as many as are here, or those that are looked for. Of
 * many, the older ones are not here until they are looked for.
 */
export class PastList {
  /**
   * @param {{ clear: () => void, changed: () => void, find: (text: string) => void }} tools `changed`: others are to be
   *   shown; `find`: among those that are not here
   */
  constructor({ clear, changed, find }) {
    this.changed = changed;
    this.all = false;
    const titleId = newId("past");
    const searchId = newId("search");
    this.title = h("h2", { id: titleId, tabindex: -1 });
    this.search = h("input", { id: searchId, type: "search", class: "gl-input", autocomplete: "off" });
    this.beyond = false;
    let finding = /** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined);
    this.search.addEventListener("input", () => {
      changed();
      clearTimeout(finding);
      if (this.beyond) finding = setTimeout(() => find(this.words), PAUSE_MS);
    });
    this.searching = h(
      "span",
      { class: "gl-row gl-past-search" },
      h("label", { for: searchId }, "Search"),
      h("span", { class: "gl-control" }, this.search),
    );
    this.clear = askingButton("Clear", { kind: "clear", question: "", yes: "Clear the list", no: "Keep", act: clear });
    this.list = h("div", { class: "gl-past-list" });
    this.none = h("p", { class: "gl-hint", role: "status" });
    this.more = h("button", {
      type: "button",
      class: "gl-button gl-small gl-past-more",
      onclick: () => this.showAll(!this.all),
    });
    this.jump = h(
      "button",
      { type: "button", class: "gl-button gl-small gl-jump", hidden: true, onclick: () => this.goTo() },
      "",
    );
    const head = h("div", { class: "gl-row gl-sessions-head" }, this.title, this.searching, this.clear.element);
    this.element = h(
      "section",
      { class: "gl gl-past", "aria-labelledby": titleId, hidden: true },
      head,
      this.list,
      this.none,
      this.more,
    );
  }

  get words() {
    return this.search.value.trim().toLowerCase();
  }

  goTo() {
    this.title.focus({ preventScroll: true });
    this.title.scrollIntoView({ block: "start" });
  }

  /** @param {boolean} now */
  showAll(now) {
    this.all = now;
    this.changed();
  }

  /**
   * Those of the past sessions that are to be shown now.
   *
   * @param {Session[]} sessions the newest first
   * @param {number} count how many there are in all
   * @param {string} lookedFor what was looked for last in all of them
   */
  choose(sessions, count, lookedFor) {
    const many = sessions.length > SHOWN_AT_FIRST;
    const words = many ? this.words : "";
    this.beyond = count > sessions.length || lookedFor !== "";
    const found = words ? sessions.filter((session) => textOf(session).includes(words)) : sessions;
    show(this.element, sessions.length > 0);
    const inAll = count.toLocaleString("en");
    setText(this.title, `Past sessions (${inAll})`);
    show(this.jump, sessions.length > 0);
    setText(this.jump, `Past sessions (${inAll}) ↓`);
    setText(this.clear.question, `Take ${count === 1 ? "it" : `all ${inAll}`} off this list?`);
    show(this.searching, many);
    show(this.more, many && !words);
    const here =
      count > sessions.length ? `Show the last ${sessions.length}; Search finds the others` : `Show all ${inAll}`;
    setText(this.more, this.all ? `Show the last ${SHOWN_AT_FIRST}` : here);
    this.more.setAttribute("aria-expanded", String(this.all));
    const looking = this.beyond && lookedFor.trim().toLowerCase() !== words;
    setText(this.none, words && found.length === 0 ? (looking ? "Looking …" : "None of them matches.") : "");
    return words || this.all ? found : notebooksFirst(found).slice(0, SHOWN_AT_FIRST);
  }
}

/**
 * Jobs, of which there may be many at a time, do not push the others out of sight.
 *
 * @param {Session[]} sessions
 */
const notebooksFirst = (sessions) => [...sessions].sort((one, other) => Number(one.job) - Number(other.job));

/**
 * What a search looks through.
 *
 * @param {Session} session
 */
function textOf({ name, job, workload, network, provider, reason, stage }) {
  return [name, job ? "job" : "", workload, network, provider, reason, stage].join("\n").toLowerCase();
}
