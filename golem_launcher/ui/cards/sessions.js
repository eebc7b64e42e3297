// The widget of all cards: sessions and jobs, sorted, added and removed as the kernel says.

import { h, setText, show, tell } from "../common/dom.js";
import { keepPlace } from "../common/place.js";
import { Presence } from "../common/presence.js";
import { Card } from "./card.js";
import { Downloads } from "./downloads.js";
import { PastList } from "./past_sessions.js";
import { STAGE_WORDS } from "./session_text.js";
import { Toasts } from "./toasts.js";

/** @import { Answer, Job, EventDigest, Session, SessionsModel, SessionsTold, StageName, View } from "../types" */
/** @import { Tools } from "./card.js" */

const TICK_MS = 1000;
const FAST_TICK_MS = 200;
const UNPLACED_MS = 100;

/** @param {View<SessionsModel>} view */
function renderSessions({ model, el }) {
  el.classList.add("gl", "gl-sessions");
  const cards = /** @type {Map<string, Card>} */ (new Map());
  let links = /** @type {Record<string, string>} */ ({});
  let digests = /** @type {Record<string, EventDigest>} */ ({});
  let jobs = /** @type {Record<string, Job>} */ ({});
  let skew = 0;
  let spoken = /** @type {Map<string, StageName>} */ (new Map());
  let held = false; // whether the keyboard's place is in one of the two lists,
  let reader = /** @type {string | null} */ (null); // and the session in which it is
  const met = /** @type {Set<string>} */ (new Set()); // sessions that were seen alive here: their end is news
  const live = h("div", { class: "gl-live" });
  const past = new PastList({
    clear: () => tools.send({ kind: "clear" }),
    changed: showSoon,
    find: (text) => tools.send({ kind: "find", text }),
  });
  const announcer = h("div", { class: "gl-hidden gl-announcer", role: "status", "aria-live": "polite" });
  const toasts = new Toasts(leadBack);
  const title = h("h2", { hidden: true, tabindex: -1 }, "Sessions");
  const head = h("div", { class: "gl-row gl-sessions-head" }, title, toasts.ask, past.jump);
  const downloads = new Downloads(model);
  el.setAttribute("role", "region");
  el.setAttribute("aria-label", "Sessions");
  el.append(head, live, past.element, announcer);

  /** @type {Tools} */
  const tools = {
    send(content) {
      if (!tell(model, content))
        toasts.add("This page lost its connection", "Reload it. Sessions go on without it.", { mood: "bad" });
    },
    now: () => Date.now() + skew,
    /** A log was opened: ask for its lines. */
    watch: () => presence.ask(),
    remote: model.get("remote"),
    downloads,
  };

  function showAll() {
    const sessions = [...model.get("live"), ...model.get("past")];
    const clock = Date.parse(model.get("clock"));
    if (!Number.isNaN(clock)) skew = clock - Date.now();
    for (const session of sessions) if (session.live) met.add(keyOf(session));
    // Whoever saw a session run sees how it ended in the same place: reason and results must not go out of sight.
    const here = sessions.filter((session) => met.has(keyOf(session)));
    const count = model.get("past_count") - here.filter((session) => !session.live).length;
    const elsewhere = sessions.filter((session) => !met.has(keyOf(session)));
    const over = past.choose(elsewhere, count, model.get("looked_for"));
    const shown = [...here, ...over];
    const names = new Set(shown.map((session) => session.name));
    for (const [name, card] of cards) {
      if (names.has(name)) continue;
      card.element.remove();
      cards.delete(name);
    }
    for (const session of shown) {
      let card = cards.get(session.name);
      if (card && Date.parse(card.session.created) !== Date.parse(session.created)) {
        card.element.remove(); // another session of the same name
        card = undefined;
      }
      card ??= new Card(session, tools);
      cards.set(session.name, card);
      card.update(session, links[session.name]);
      if (digests[session.name] && !card.digest) card.setDigest(digests[session.name]);
      if (jobs[session.name] && session.job && !card.job.job) card.setJob(jobs[session.name]);
    }
    place(live, here);
    place(past.list, over);
    show(title, here.length > 0);
    announce(sessions);
    toasts.settle(new Map(sessions.map((session) => [session.name, session])));
    if (started) follow();
    keepCard();
  }

  /** A button that goes takes the keyboard's place on the page with it: that is then at the card, or where the card was. */
  function keepCard() {
    const { activeElement } = document;
    if (!held || (activeElement !== document.body && activeElement?.checkVisibility())) return;
    const title = reader === null ? undefined : cards.get(reader)?.title;
    if (title?.checkVisibility()) title.focus({ preventScroll: true });
    else leadBack();
  }

  /** To the list of past sessions; where there is none, to the form, which is what there is to do then. */
  function leadBack() {
    if (past.title.checkVisibility()) return past.title.focus({ preventScroll: true });
    const form = /** @type {HTMLElement | null | undefined} */ (el.closest(".gl-page")?.querySelector(".gl-form h2"));
    form?.focus({ preventScroll: true });
  }

  /** @param {Session} session */
  function keyOf({ name, created }) {
    return `${name} ${created}`;
  }

  /**
   * Put the cards of `sessions` into `box` in order, moving only those that stand elsewhere.
   *
   * @param {HTMLElement} box
   * @param {Session[]} sessions
   */
  function place(box, sessions) {
    sessions.forEach((session, index) => {
      const element = cards.get(session.name)?.element;
      if (element && box.children[index] !== element) box.insertBefore(element, box.children[index] ?? null);
    });
  }

  /** @param {Session[]} sessions */
  function announce(sessions) {
    const stages = new Map(sessions.map((session) => [session.name, session.stage]));
    const news = sessions.filter(({ name, stage }) => spoken.has(name) && spoken.get(name) !== stage);
    const words = news.map(({ name, stage, reason }) => `${name}: ${STAGE_WORDS[stage][0]}. ${reason}`.trim());
    if (words.length) setText(announcer, words.join(" "));
    spoken = stages;
  }

  /** @param {Answer} content */
  function onAnswer(content) {
    cards.get(content.name)?.answered(content);
    if ((content.to === "continue" || content.to === "go on") && content.ok && content.started)
      return lead(content.started, content.name);
    if (content.to !== "remove" || !content.ok) return;
    const { name, removed } = content;
    /** @type {[string, () => void]} */
    const undo = ["Undo", () => tools.send({ kind: "bring back", removed })];
    toasts.add(`${name} was removed`, "Saved workspaces are kept.", { action: undo });
  }

  /** @param {string[]} removed */
  function onCleared(removed) {
    if (removed.length === 0) return;
    const undo = () => {
      for (const one of removed) tools.send({ kind: "bring back", removed: one });
    };
    toasts.add("The list was cleared", "Saved workspaces are kept.", { action: ["Undo", undo] });
  }

  /**
   * @param {SessionsTold} content
   * @param {DataView<ArrayBuffer>[]} buffers
   */
  function onMessage(content, buffers) {
    switch (content.kind) {
      case "here":
        return; // for `presence`
      case "log":
        return cards.get(content.name)?.log.add(content);
      case "found":
        return cards.get(content.name)?.log.found(content.text, content.lines);
      case "alerts":
        for (const alert of content.alerts)
          toasts.alert(alert, cards.get(alert.name)?.session, () => cards.get(alert.name)?.title.focus());
        return;
      case "answer":
        return onAnswer(content);
      case "cleared":
        return onCleared(content.removed);
      case "links":
        links = content.links;
        for (const [name, card] of cards) card.setLink(links[name]);
        return;
      case "digests":
        digests = { ...digests, ...content.digests };
        for (const name of Object.keys(content.digests)) cards.get(name)?.setDigest(digests[name]);
        return;
      case "jobs":
        jobs = { ...jobs, ...content.jobs };
        for (const name of Object.keys(content.jobs)) cards.get(name)?.setJob(jobs[name]);
        return;
      default:
        downloads.onMessage(content, buffers);
    }
  }

  let ticks = 0;
  function tick() {
    ticks += 1;
    const whole = ticks % (TICK_MS / FAST_TICK_MS) === 0;
    for (const card of cards.values()) {
      const hurried = card.session.live && card.session.stage !== "ready";
      if (card.session.live && (hurried || whole)) card.tick();
    }
  }

  // All of them at once: two traits of one message change one after the other.
  let due = false;
  function showSoon() {
    if (due) return;
    due = true;
    queueMicrotask(() => {
      due = false;
      showAll();
    });
  }

  /** The logs that are shown, each with the number of the last line that is here. */
  function logs() {
    const shown = [...cards.values()].filter((card) => card.logBox.open);
    return Object.fromEntries(shown.map((card) => [card.name, card.log.last]));
  }

  // Who pressed Start is led to the session, unless they have gone on elsewhere. A button that went left them at its card.
  let started = /** @type {string | null} */ (null);
  let pressed = /** @type {string | null} */ (null);
  /** @param {Event} event */
  function onStarted(event) {
    lead(/** @type {CustomEvent<string>} */ (event).detail);
  }
  /**
   * @param {string} name
   * @param {string} [from] the session on whose card it was pressed
   */
  function lead(name, from) {
    started = name;
    pressed = from ?? null;
    showSoon();
  }
  function follow() {
    const card = started === null ? undefined : cards.get(started);
    if (!card) return;
    started = null;
    const { activeElement } = document;
    const wasLeft = pressed !== null && activeElement === cards.get(pressed)?.title;
    if (activeElement === document.body || wasLeft || activeElement?.matches(".gl-start, .gl-continue, .gl-go-on"))
      card.title.focus();
  }

  for (const box of [live, past.element]) {
    box.addEventListener("focusin", ({ target }) => {
      const card = /** @type {HTMLElement} */ (target).closest(".gl-session");
      reader = card instanceof HTMLElement ? (card.dataset.name ?? null) : null;
      held = true;
    });
    box.addEventListener("focusout", ({ relatedTarget }) => {
      if (relatedTarget) held = false; // gone on, not lost
    });
  }

  const letGo = [el, past.element].map((box) => keepPlace(box, leadBack));

  // The page has a place for what is over, below the form; it comes when the page is put together.
  let placing = /** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined);
  function settle() {
    const page = el.closest(".gl-page");
    const below = page?.querySelector(".gl-past-place");
    if (below) below.append(past.element);
    else placing = setTimeout(settle, UNPLACED_MS);
  }
  document.addEventListener("gl-started", onStarted);
  model.on("change:live change:past change:past_count change:looked_for", showSoon);
  model.on("msg:custom", onMessage);
  showAll();
  settle();
  const presence = new Presence(model, { more: () => ({ logs: logs() }) });
  const timer = setInterval(tick, FAST_TICK_MS);
  return () => {
    clearInterval(timer);
    clearTimeout(placing);
    for (const end of letGo) end();
    past.element.remove();
    presence.end();
    document.removeEventListener("gl-started", onStarted);
    toasts.dispose();
    downloads.dispose();
    model.off("change:live change:past change:past_count change:looked_for", showSoon);
    model.off("msg:custom", onMessage);
  };
}

export default { render: renderSessions };
