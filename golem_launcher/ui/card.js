const STAGE_WORDS = {
  checking: ["Checking", "Is the node there, is there enough money, does an offer fit?"],
  allocating: ["Allocating", "Setting the budget aside."],
  negotiating: ["Negotiating", "Agreeing with a provider on the price."],
  deploying: ["Deploying", "The provider prepares the machine."],
  starting: ["Starting", "JupyterLab starts on the provider."],
  ready: ["Ready", "JupyterLab answers."],
  recovering: ["Recovering", "The provider was lost; looking for another one."],
  saving: ["Saving", "Fetching your files."],
  stopping: ["Stopping", "Ending the session and settling the bill."],
  ended: ["Ended", ""],
  failed: ["Failed", ""],
};
const LOST_WORDS = "Nothing looks after this session any more. Abort closes it down.";
const REMOTE_WORDS =
  "JupyterLab runs, but this page is served by a hub: your browser cannot reach the session from where it is. Run the launcher on your own computer to open it.";
const STATUS_MARKS = { done: "✓", failed: "✕", current: "●", ahead: "○" };
const STATUS_WORDS = { done: "done", failed: "failed", current: "in progress", ahead: "to come" };

/** Seconds as 0.4 s, 12 s, 3:05, 1:02:03. */
function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (seconds < 9.95) return `${Math.max(0, seconds).toFixed(1)} s`;
  if (whole < 60) return `${whole} s`;
  const two = (number) => String(number).padStart(2, "0");
  const minutes = Math.floor(whole / 60) % 60;
  const hours = Math.floor(whole / 3600);
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

function clockTime(iso) {
  const time = new Date(iso);
  const today = new Date().toDateString() === time.toDateString();
  const clock = { hour: "2-digit", minute: "2-digit", hour12: false };
  return today ? time.toLocaleTimeString([], clock) : time.toLocaleString([], { ...clock, month: "short", day: "numeric" });
}

/** One session. `tools`: send(content), now() in milliseconds of the kernel's clock. */
class Card {
  constructor(name, tools) {
    this.name = name;
    this.tools = tools;
    this.session = null;
    this.steps = [];
    const titleId = newId("card");
    this.title = h("h3", { id: titleId }, name);
    this.badge = h("span", { class: "gl-badge" });
    this.where = h("p", { class: "gl-where", dir: "auto" });
    this.open = h(
      "a",
      { class: "gl-button gl-primary gl-open", target: "_blank", rel: "noopener noreferrer", hidden: true },
      "Open JupyterLab",
      h("span", { class: "gl-hidden" }, " (opens a new tab)"),
    );
    this.reason = h("p", { class: "gl-reason", dir: "auto", hidden: true });
    this.stages = h("ol", { class: "gl-stages", "aria-label": "Stages" });
    this.spent = meter("Spent");
    this.left = meter("Time left");
    this.log = new LogView(`Log of ${name}`);
    this.logBox = h("details", { class: "gl-log-box" }, h("summary", {}, "Log"), this.log.element);
    this.logBox.addEventListener("toggle", () => this.logBox.open && tools.send({ kind: "watch", name }));
    this.buttons = this.makeButtons();
    this.element = h(
      "article",
      { class: "gl-card gl-session", "aria-labelledby": titleId, "data-name": name },
      h("header", { class: "gl-session-head" }, h("div", { class: "gl-session-title" }, this.title, this.badge), this.buttons),
      this.where,
      this.reason,
      this.stages,
      h("div", { class: "gl-meters" }, this.spent.element, this.left.element),
      this.logBox,
    );
  }

  makeButtons() {
    const { name, tools } = this;
    const abort = h("button", { type: "button", class: "gl-button gl-abort", onclick: () => ask(true) }, "Abort");
    const question = h("span", { class: "gl-question", id: newId("question") }, "End this session?");
    const yes = h(
      "button",
      { type: "button", class: "gl-button gl-danger gl-abort-yes", "aria-describedby": question.id, onclick: confirm },
      "Abort session",
    );
    const no = h("button", { type: "button", class: "gl-button gl-abort-no", onclick: () => ask(false) }, "Keep");
    const asking = h("span", { class: "gl-asking", role: "group", hidden: true }, question, yes, no);
    asking.addEventListener("keydown", (event) => event.key === "Escape" && ask(false));
    function ask(now) {
      show(asking, now);
      show(abort, !now);
      (now ? no : abort).focus();
    }
    function confirm() {
      ask(false);
      abort.disabled = true;
      setText(abort, "Aborting …");
      tools.send({ kind: "abort", name });
    }
    this.abort = abort;
    this.asking = asking;
    return h("div", { class: "gl-session-buttons" }, this.open, abort, asking);
  }

  update(session, link) {
    const first = this.session === null;
    this.session = session;
    const lost = session.live && !session.alive;
    this.element.dataset.stage = lost ? "lost" : session.stage;
    setText(this.badge, lost ? "Unattended" : STAGE_WORDS[session.stage][0]);
    setText(this.where, whereWords(session));
    setText(this.reason, lost ? LOST_WORDS : session.reason || (this.tools.remote && session.started && session.live ? REMOTE_WORDS : ""));
    this.reason.classList.toggle("gl-bad", lost || session.stage === "failed");
    show(this.reason, this.reason.textContent !== "");
    show(this.buttons, session.live);
    const ending = ["stopping", "saving"].includes(session.stage) && !lost;
    if (ending) this.abort.disabled = true;
    this.setLink(session.live ? link : undefined);
    this.showSteps();
    this.showMoney();
    show(this.left.element, session.live && Boolean(session.deadline));
    this.tick();
    if (first && session.live) this.logBox.open = true; // its toggle event asks for the lines
  }

  setLink(link) {
    if (link) this.open.href = link;
    else this.open.removeAttribute("href");
    show(this.open, Boolean(link));
  }

  showSteps() {
    const steps = this.session.steps;
    while (this.steps.length > steps.length) this.steps.pop().element.remove();
    while (this.steps.length < steps.length) {
      const step = makeStep();
      this.steps.push(step);
      this.stages.append(step.element);
    }
    steps.forEach((step, index) => this.steps[index].update(step));
    show(this.stages, steps.length > 0);
  }

  showMoney() {
    const { cost, budget, token, spent_share: share } = this.session;
    this.spent.set(`${cost} of ${budget} ${token}`, share, share > 0.9);
  }

  /** What changes with time alone. */
  tick() {
    const { session } = this;
    if (!session) return;
    const now = this.tools.now();
    this.steps.forEach((step) => step.tick(now, session.live));
    if (!session.live || !session.deadline) return;
    const end = Date.parse(session.deadline);
    const total = end - Date.parse(session.created);
    const left = Math.max(0, end - now);
    this.left.set(duration(left / 1000), total > 0 ? left / total : 0, left < 600_000);
  }
}

function whereWords(session) {
  const parts = [session.provider ? `on ${session.provider}` : null, session.network];
  if (session.price) parts.push(`${session.price} ${session.token} an hour`);
  if (!session.live && session.ended) parts.push(`ended ${clockTime(session.ended)}`);
  return parts.filter(Boolean).join(" · ");
}

function makeStep() {
  const mark = h("span", { class: "gl-mark", "aria-hidden": "true" });
  const word = h("span", { class: "gl-step-name" });
  const status = h("span", { class: "gl-hidden" });
  const time = h("span", { class: "gl-step-time" });
  const element = h("li", { class: "gl-step" }, mark, word, status, time);
  let step = null;
  return {
    element,
    update(next) {
      step = next;
      element.dataset.status = step.status;
      element.dataset.stage = step.stage;
      element.title = STAGE_WORDS[step.stage][1];
      if (step.status === "current") element.setAttribute("aria-current", "step");
      else element.removeAttribute("aria-current");
      const ready = step.stage === "ready" && step.status === "current";
      setText(mark, ready ? STATUS_MARKS.done : STATUS_MARKS[step.status]);
      setText(word, STAGE_WORDS[step.stage][0]);
      setText(status, `, ${STATUS_WORDS[step.status]}`);
    },
    tick(now, live) {
      if (!step.at || (!step.until && !live)) return setText(time, "");
      const end = step.until ? Date.parse(step.until) : now;
      setText(time, duration((end - Date.parse(step.at)) / 1000));
    },
  };
}

function meter(label) {
  const value = h("span", { class: "gl-meter-value" });
  const bar = h("span", { class: "gl-bar-fill" });
  const element = h(
    "div",
    { class: "gl-meter" },
    h("span", { class: "gl-meter-label" }, label),
    value,
    h("span", { class: "gl-bar", "aria-hidden": "true" }, bar),
  );
  return {
    element,
    set(text, share, low) {
      setText(value, text);
      bar.style.width = `${(share * 100).toFixed(1)}%`;
      element.classList.toggle("gl-low", low);
    },
  };
}
