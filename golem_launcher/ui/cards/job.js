// The card of a job: its progress, its money, its tasks as a grid.

import { h, setResting, setText, show } from "../common/dom.js";
import { counted, formatAmount, formatDuration } from "../common/format.js";
import { askingButton } from "./confirm.js";
import { downloadButton } from "./downloads.js";
import { TopUpForm } from "./top_up.js";

/** @import { Job, Session } from "../types" */
/** @import { Tools } from "./card.js" */

/**
 * What a cell of the grid shows; `partly` is one of several tasks.
 *
 * @type {Record<string, string>}
 */
const CELL_WORDS = { w: "waiting", r: "running", d: "done", f: "failed", p: "partly done" };

const TITLES = ["Provider", "Done", "Failed", "Worked", "Now"];

/** The tasks of a job: a grid with a cell for each, who does them, what failed, what came back. */
export class JobView {
  /**
   * @param {string} name
   * @param {Tools} tools
   */
  constructor(name, tools) {
    this.tools = tools;
    this.job = /** @type {Job | undefined} */ (undefined);
    this.words = h("p", { class: "gl-job-words" });
    this.earlier = h("p", { class: "gl-hint", hidden: true });
    this.grid = h("div", { class: "gl-grid", role: "img" });
    this.several = h("p", { class: "gl-hint", hidden: true });
    this.legend = h(
      "ul",
      { class: "gl-grid-legend", "aria-label": "What the squares mean" },
      ...Object.entries(CELL_WORDS).map(([state, word]) =>
        h("li", { "data-of": state }, h("span", { class: "gl-cell", "data-state": state }), h("span", {}, word)),
      ),
    );
    this.failures = h("ul", { class: "gl-notices", "aria-label": "Failed tasks", hidden: true });
    this.titles = h("tr", {}, ...TITLES.map((title) => h("th", { scope: "col" }, title)));
    this.rows = h("tbody", {});
    this.providers = h(
      "details",
      { class: "gl-fold", hidden: true },
      h("summary", {}, "Providers"),
      h(
        "div",
        { class: "gl-job-table", tabindex: 0, role: "group", "aria-label": "Providers of the job" },
        h(
          "table",
          { class: "gl-machines" },
          h("caption", { class: "gl-hidden" }, "Providers"),
          h("thead", {}, this.titles),
          this.rows,
        ),
      ),
    );
    this.output = h("code", { class: "gl-job-output", dir: "auto" });
    this.stop = askingButton("Stop", {
      kind: "stop-job",
      question: "Start no more tasks, and end once the running ones are done?",
      yes: "Stop after running tasks",
      no: "Go on",
      act: () => tools.send({ kind: "stop job", name }),
    });
    this.goOn = h(
      "button",
      { type: "button", class: "gl-button gl-small gl-primary gl-go-on", hidden: true, onclick: () => this.begin() },
      "Do what is missing",
    );
    this.begin = (/** @type {Record<string, string>} */ given = {}) => {
      this.busy(true);
      tools.send({ kind: "go on", name, ...given });
    };
    this.more = new TopUpForm(this.goOn, "Do what is missing", { budget: "Budget in all" }, this.begin);
    this.openMade = h(
      "button",
      { type: "button", class: "gl-button gl-small", onclick: () => tools.send({ kind: "open made", name }) },
      "Open results in a Lab …",
    );
    this.openMade.title = "Fills the form with a session that has the results in its files";
    this.made = h(
      "div",
      { class: "gl-row gl-results" },
      downloadButton("Download results", tools.downloads, name, "made"),
      this.openMade,
    );
    this.place = h("p", { class: "gl-hint" }, "Results: ", this.output);
    this.element = h(
      "section",
      { class: "gl-job", "aria-label": `Tasks of ${name}`, hidden: true },
      h("div", { class: "gl-job-head" }, this.words, h("div", { class: "gl-row" }, this.stop.element, this.goOn)),
      this.earlier,
      this.more.form,
      this.grid,
      this.several,
      this.legend,
      this.failures,
      this.providers,
      this.place,
      this.made,
    );
  }

  /** @param {boolean} now */
  busy(now) {
    setResting(this.goOn, now);
    setText(this.goOn, now ? "Starting …" : "Do what is missing");
  }

  /** @param {Job} job */
  set(job) {
    this.job = job;
    show(this.element, true);
    this.drawCells(job);
    for (const item of this.legend.children) {
      const state = /** @type {HTMLElement} */ (item).dataset.of ?? "";
      setText(/** @type {Element} */ (item.lastElementChild), cellWord(state, job));
      show(/** @type {HTMLElement} */ (item), job.cells.includes(state));
    }
    setText(this.several, `A square is ${counted(job.per, "task")}.`);
    show(this.several, job.per > 1);
    this.grid.setAttribute("aria-label", countWords(job));
    drawFailures(this.failures, job);
    this.drawProviders(job);
    setText(this.output, job.output);
    show(this.made, job.done + job.failed > 0);
    show(this.place, job.done + job.failed > 0);
    show(this.stop.element, job.state === "running");
    this.tick();
  }

  /** @param {Session} session */
  update(session) {
    const earlier = this.job ? earlierWords(this.job, session) : "";
    setText(this.earlier, earlier);
    show(this.earlier, earlier !== "");
    show(this.goOn, !session.live && this.job?.state === "incomplete" && !this.more.open);
    if (!session.live) return;
    this.busy(false);
    this.more.close();
  }

  /** What changes with time alone. */
  tick() {
    if (this.job) setText(this.words, jobWords(this.job, this.tools.now() / 1000));
  }

  /** @param {Job} job */
  drawCells(job) {
    const { cells, labels, per, tasks } = job;
    while (this.grid.childElementCount > cells.length) this.grid.lastElementChild?.remove();
    while (this.grid.childElementCount < cells.length) this.grid.append(h("span", { class: "gl-cell" }));
    [...cells].forEach((state, place) => {
      const cell = /** @type {HTMLElement} */ (this.grid.children[place]);
      const first = place * per;
      const which =
        per === 1 ? (labels[place] ?? String(first + 1)) : `tasks ${first + 1} to ${Math.min(first + per, tasks)}`;
      const title = `${which}: ${cellWord(state, job)}`;
      if (cell.title === title) return;
      cell.dataset.state = state;
      cell.title = title;
    });
  }

  /** @param {Job} job */
  drawProviders({ providers, state }) {
    show(this.providers, providers.length > 0);
    while (this.rows.childElementCount > providers.length) this.rows.lastElementChild?.remove();
    while (this.rows.childElementCount < providers.length) {
      const cells = TITLES.slice(1).map(() => h("td", { dir: "auto" }));
      this.rows.append(h("tr", {}, h("th", { scope: "row", dir: "auto" }), ...cells));
    }
    providers.forEach(({ name, done, failed, seconds, now }, place) => {
      const words = [name, String(done), String(failed), formatDuration(seconds), now];
      words.forEach((text, cell) => {
        setText(this.rows.children[place].children[cell], text);
      });
    });
    const busy = state === "running" || state === "stopping"; // else nobody is at anything now
    for (const row of [this.titles, ...this.rows.children]) {
      show(/** @type {HTMLElement} */ (row.lastElementChild), busy);
    }
  }
}

/**
 * @param {HTMLElement} list
 * @param {Job} job
 */
function drawFailures(list, { failures, failed }) {
  const lines = failures.map(([label, reason]) => `Task ${label} failed: ${reason}`);
  if (failed > failures.length && failures.length) lines.push(`and ${counted(failed - failures.length, "other")}`);
  show(list, lines.length > 0);
  if ([...list.children].map((each) => each.textContent).join("\n") !== lines.join("\n"))
    list.replaceChildren(...lines.map((line) => h("li", { dir: "auto" }, line)));
}

/**
 * The card tells what its own session costs; the budget is for all of them.
 *
 * @param {Job} job
 * @param {Session} session
 */
function earlierWords({ costs }, { created, token }) {
  const others = Object.entries(costs).filter(([when]) => Date.parse(when) !== Date.parse(created));
  if (!others.length) return "";
  const sum = others.reduce((all, [, cost]) => all + cost, 0);
  return `${counted(others.length, "earlier session")} of this job cost ${formatAmount(sum)} ${token}.`;
}

/** @param {Job} job */
function waitingWord({ state }) {
  return state === "incomplete" ? "missing" : "waiting";
}

/**
 * @param {string} state
 * @param {Job} job
 */
function cellWord(state, job) {
  return state === "w" ? waitingWord(job) : CELL_WORDS[state];
}

/** @param {Job} job */
function countWords(job) {
  const { tasks, done, running, failed } = job;
  const open = Math.max(0, tasks - done - running - failed);
  const rest = [
    [running, "running"],
    [failed, "failed"],
    [open, waitingWord(job)],
  ];
  const told = rest.filter(([number]) => number).map(([number, word]) => `${number.toLocaleString("en")} ${word}`);
  return [`${done.toLocaleString("en")} of ${counted(tasks, "task")} done`, ...told].join(", ");
}

/**
 * @param {Job} job
 * @param {number} now seconds since 1970
 */
function jobWords(job, now) {
  const open = job.tasks - job.done - job.failed;
  const known = job.state === "running" && job.since > 0 && job.fresh > 0 && open > 0;
  const left = known ? `, about ${formatDuration(((now - job.since) / job.fresh) * open)} left` : "";
  const stopping = job.state === "stopping" ? ". Nothing more is begun" : "";
  return `${countWords(job)}${left}${stopping}`;
}
