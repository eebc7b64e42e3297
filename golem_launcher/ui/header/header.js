// The widget of the header: the network, the node, what is wrong with them.

import { h, saveText, setText, show, tell } from "../common/dom.js";
import { keepPlace } from "../common/place.js";
import { Presence } from "../common/presence.js";
import { makeWallet } from "./wallet.js";

/** @import { HeaderModel, HeaderTold, Problem, View } from "../types" */

const STATE_WORDS = { up: "running", starting: "starting", down: "not running", failed: "failed" };
const LOOKING_WORDS = "Looking for the network …";

const MONEY_WORDS = { none: "no money", test: "test money", real: "real money" };
const INTRO_WORDS =
  "Golem is a market of other people's computers: you rent one by the second, for its coin GLM, and JupyterLab starts on it.";

const RELOAD_WORDS = "It is tried again by itself; reload the page when that takes long.";
const CELL_WORDS = "It is tried again by itself; when that takes long, run the notebook's cell again.";

/** @param {View<HeaderModel>} view */
function renderHeader({ model, el }) {
  const inNotebook = !document.body.dataset.voila; // there a reload brings no new kernel
  el.classList.add("gl", "gl-header");
  document.getElementById("rendered_cells")?.setAttribute("role", "main"); // Voilà's page; a JupyterLab has its own
  const dot = h("span", { class: "gl-dot", "aria-hidden": "true" });
  const title = h("strong", { class: "gl-network-title" });
  const state = h("span", { class: "gl-network-state" });
  const mend = h("button", { type: "button", class: "gl-button", onclick: () => tell(model, { kind: "mend" }) });
  const line = h("div", { class: "gl-status", role: "status", "aria-live": "polite" }, dot, title, state, mend);
  const lost = h(
    "div",
    { class: "gl-banner gl-warning gl-lost", role: "alert", hidden: true },
    h(
      "p",
      {},
      h("strong", {}, "This page lost its connection."),
      ` Sessions go on without it. ${inNotebook ? CELL_WORDS : RELOAD_WORDS}`,
    ),
    inNotebook ? "" : h("button", { type: "button", class: "gl-button", onclick: () => location.reload() }, "Reload"),
  );
  const banners = h("div", { class: "gl-banners" });
  const badge = h("span", { class: "gl-tile-badge gl-money" });
  const funds = h("span", { class: "gl-funds", hidden: true });
  line.insertBefore(badge, state);
  line.append(funds);
  const wallet = makeWallet(model);

  function showWallet() {
    const { words, bad } = model.get("wallet");
    setText(funds, words ?? "");
    funds.classList.toggle("gl-bad", Boolean(bad));
    show(funds, Boolean(words));
    wallet.update(model.get("wallet"));
  }
  const place = model.get("place");
  const note = h("p", { class: "gl-place", role: "note", hidden: !place }, place);
  el.append(h("p", { class: "gl-intro" }, INTRO_WORDS), note, line, wallet.element, lost, banners);
  const letGo = keepPlace(el);

  function showNetwork() {
    const network = model.get("network");
    line.dataset.state = network.state ?? "unknown";
    setText(title, network.title ?? "");
    setText(badge, network.money ? MONEY_WORDS[network.money] : "");
    badge.dataset.mood = network.money ?? "none";
    show(badge, Boolean(network.money));
    setText(state, network.detail || (network.state ? STATE_WORDS[network.state] : LOOKING_WORDS));
    show(mend, Boolean(network.mend));
    setText(mend, network.mend ?? "");
  }

  /** @param {Problem} problem */
  function banner(problem) {
    const details = h("pre", {}, problem.details);
    return h(
      "div",
      { class: "gl-banner gl-error", role: "alert", "data-id": problem.id },
      h("p", {}, h("strong", {}, problem.title), problem.remedy ? ` ${problem.remedy}` : ""),
      h("details", {}, h("summary", {}, "Details"), details),
      h(
        "div",
        { class: "gl-banner-buttons" },
        h("button", { type: "button", class: "gl-button", onclick: () => copy(problem.details) }, "Copy details"),
        h(
          "button",
          { type: "button", class: "gl-button", onclick: () => tell(model, { kind: "dismiss", id: problem.id }) },
          "Dismiss",
        ),
      ),
    );
  }

  /** @param {string} text */
  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      for (const details of banners.querySelectorAll("details")) details.open = true; // to be selected by hand
    }
  }

  function showProblems() {
    const problems = model.get("problems");
    const wanted = new Set(problems.map((problem) => String(problem.id)));
    for (const shown of [...banners.children])
      if (!wanted.delete(/** @type {HTMLElement} */ (shown).dataset.id ?? "")) shown.remove();
    banners.append(...problems.filter((problem) => wanted.has(String(problem.id))).map(banner));
  }

  /** @param {HeaderTold} content */
  function onMessage(content) {
    if (content.kind === "file") saveText(content.name, content.text, "application/json");
  }
  model.on("msg:custom", onMessage);
  model.on("change:network", showNetwork);
  model.on("change:problems", showProblems);
  model.on("change:wallet", showWallet);
  showNetwork();
  showWallet();
  showProblems();
  // Without a sign of us the kernel stops its work and may be culled; without an answer the kernel is gone.
  const presence = new Presence(model, { onAnswer: () => show(lost, false), onSilence: () => show(lost, true) });
  return () => {
    presence.end();
    letGo();
    wallet.dispose();
    model.off("msg:custom", onMessage);
    model.off("change:network", showNetwork);
    model.off("change:problems", showProblems);
    model.off("change:wallet", showWallet);
  };
}

export default { render: renderHeader };
