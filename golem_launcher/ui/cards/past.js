import { h, newId, setText, show } from "../common/dom.js";
import { askingButton } from "./confirm.js";

/** @import { Session } from "../types" */

const SHOWN_AT_FIRST = 3;

/** Sessions that are over, below the form: the last few of them, all, or those that are looked for. */
export class PastList {
  /** @param {{ clear: () => void, changed: () => void }} tools `changed`: others are to be shown */
  constructor({ clear, changed }) {
    this.changed = changed;
    this.all = false;
    const titleId = newId("past");
    const searchId = newId("search");
    this.title = h("h2", { id: titleId, tabindex: -1 });
    this.search = h("input", { id: searchId, type: "search", class: "gl-input", autocomplete: "off" });
    this.search.addEventListener("input", changed);
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
   */
  choose(sessions) {
    const many = sessions.length > SHOWN_AT_FIRST;
    const words = many ? this.search.value.trim().toLowerCase() : "";
    const found = words ? sessions.filter((session) => textOf(session).includes(words)) : sessions;
    show(this.element, sessions.length > 0);
    setText(this.title, `Past sessions (${sessions.length})`);
    show(this.jump, sessions.length > 0);
    setText(this.jump, `Past sessions (${sessions.length}) ↓`);
    setText(this.clear.question, `Take ${sessions.length === 1 ? "it" : `all ${sessions.length}`} off this list?`);
    show(this.searching, many);
    show(this.more, many && !words);
    setText(this.more, this.all ? `Show the last ${SHOWN_AT_FIRST}` : `Show all ${sessions.length}`);
    this.more.setAttribute("aria-expanded", String(this.all));
    setText(this.none, words && found.length === 0 ? "None of them matches." : "");
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
