// A row for each machine of a session that has several.

import { h, setText, show } from "../common/dom.js";
import { counted, formatBytes } from "../common/format.js";
import { STAGE_WORDS } from "./session_text.js";

/** @import { Machine, Session } from "../types" */

const TITLES = ["Machine", "Provider", "Stage", "Address", "CPU", "Memory", "Trouble"];

/** A row for each machine of a session that has several. */
export class MachinesView {
  constructor() {
    this.rows = h("tbody", {});
    this.element = h(
      "table",
      { class: "gl-machines", hidden: true },
      h("caption", { class: "gl-hidden" }, "Machines"),
      h("thead", {}, h("tr", {}, ...TITLES.map((title) => h("th", { scope: "col" }, title)))),
      this.rows,
    );
  }

  /** @param {Session} session */
  update(session) {
    const { machines } = session;
    show(this.element, machines.length > 0);
    while (this.rows.childElementCount > machines.length) this.rows.lastElementChild?.remove();
    while (this.rows.childElementCount < machines.length) {
      this.rows.append(makeRow());
    }
    machines.forEach((machine, place) => {
      const row = this.rows.children[place];
      row.setAttribute("data-stage", machine.trouble ? "troubled" : machine.stage);
      const words = cellWords(machine);
      row.querySelectorAll(".gl-words").forEach((cell, index) => {
        setText(cell, words[index]);
      });
      // Where there is no room for these columns:
      const few = words.slice(3).filter(Boolean).map(unbroken);
      setText(/** @type {Element} */ (row.querySelector(".gl-hint")), few.join(" · "));
    });
  }
}

function makeRow() {
  const hint = h("span", { class: "gl-hint" });
  const [provider, ...others] = TITLES.slice(1).map(() => h("span", { class: "gl-words", dir: "auto" }));
  return h(
    "tr",
    {},
    h("th", { scope: "row", class: "gl-words" }),
    h("td", {}, provider, hint),
    ...others.map((words) => h("td", {}, words)),
  );
}

/** @param {string} words that stay on one line where they are few */
const unbroken = (words) => (words.length < 20 ? words.replaceAll(" ", "\u00a0") : words);

/** @param {Machine} machine */
function cellWords(machine) {
  const { number, provider, stage, ip, usage, lost, trouble } = machine;
  return [
    String(number),
    provider ?? "",
    STAGE_WORDS[stage][0],
    ip ?? "",
    usage ? `${Math.round(usage.cpu_percent)} %` : "",
    usage ? formatBytes(usage.memory_bytes) : "",
    [trouble, lost ? `${counted(lost, "provider")} lost` : ""].filter(Boolean).join(" "),
  ];
}
