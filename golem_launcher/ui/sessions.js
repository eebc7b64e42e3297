const TICK_MS = 1000;
const FAST_TICK_MS = 200;

function renderSessions({ model, el }) {
  el.classList.add("gl", "gl-sessions");
  const cards = new Map();
  let links = {};
  let skew = 0;
  let spoken = new Map();
  const heading = h("h2", {}, "Sessions");
  const empty = h(
    "div",
    { class: "gl-card gl-empty" },
    h("p", {}, h("strong", {}, "Nothing is running yet.")),
    h(
      "ol",
      {},
      h("li", {}, "Choose how long, how much and how big, or leave everything as it is."),
      h("li", {}, "Start. A provider is found, and JupyterLab starts on its machine."),
      h("li", {}, "Open JupyterLab in a new tab. Closing this page does not end the session."),
    ),
  );
  const live = h("div", { class: "gl-live" });
  const past = h("div", { class: "gl-past-list" });
  const pastTitle = h("summary", {});
  const pastBox = h("details", { class: "gl-past" }, pastTitle, past);
  const announcer = h("div", { class: "gl-hidden", role: "status", "aria-live": "polite" });
  el.append(heading, empty, live, pastBox, announcer);

  const tools = { send: (content) => tell(model, content), now: () => Date.now() + skew, remote: model.get("remote") };

  function showAll() {
    const sessions = model.get("sessions");
    const clock = Date.parse(model.get("clock"));
    if (!Number.isNaN(clock)) skew = clock - Date.now();
    const names = new Set(sessions.map((session) => session.name));
    for (const [name, card] of cards) {
      if (names.has(name)) continue;
      card.element.remove();
      cards.delete(name);
    }
    for (const session of sessions) {
      const card = cards.get(session.name) ?? new Card(session.name, tools);
      cards.set(session.name, card);
      card.update(session, links[session.name]);
    }
    place(live, sessions.filter((session) => session.live));
    place(past, sessions.filter((session) => !session.live));
    show(empty, live.childElementCount === 0);
    show(pastBox, past.childElementCount > 0);
    setText(pastTitle, `Past sessions (${past.childElementCount})`);
    announce(sessions);
  }

  /** Put the cards of `sessions` into `box` in order, moving only those that stand elsewhere. */
  function place(box, sessions) {
    sessions.forEach((session, index) => {
      const { element } = cards.get(session.name);
      if (box.children[index] !== element) box.insertBefore(element, box.children[index] ?? null);
    });
  }

  function announce(sessions) {
    const stages = new Map(sessions.map((session) => [session.name, session.stage]));
    const news = sessions.filter(({ name, stage }) => spoken.has(name) && spoken.get(name) !== stage);
    const words = news.map(({ name, stage, reason }) => `${name}: ${STAGE_WORDS[stage][0]}. ${reason}`.trim());
    if (words.length) setText(announcer, words.join(" "));
    spoken = stages;
  }

  function onMessage(content) {
    if (content.kind === "log") cards.get(content.name)?.log.add(content.start, content.lines);
    if (content.kind !== "links") return;
    links = content.links;
    for (const [name, card] of cards) card.setLink(links[name]);
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

  model.on("change:sessions", showAll);
  model.on("msg:custom", onMessage);
  showAll();
  tell(model, { kind: "hello" });
  const timer = setInterval(tick, FAST_TICK_MS);
  return () => {
    clearInterval(timer);
    model.off("change:sessions", showAll);
    model.off("msg:custom", onMessage);
  };
}

export default { render: renderSessions };
