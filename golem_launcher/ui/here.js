const BEAT_MS = 20_000;
const SILENT_MS = 15_000;
const FIRST_TRY_MS = 1000;
const LAST_TRY_MS = 30_000;

/** Says something again and again, ever more seldom, until it is told that it arrived: a message may be lost. */
class Insist {
  constructor(say) {
    this.say = say;
    this.timer = null;
  }

  begin() {
    this.done();
    this.wait = FIRST_TRY_MS;
    this.go();
  }

  go() {
    this.timer = setTimeout(() => this.go(), this.wait);
    this.wait = Math.min(2 * this.wait, LAST_TRY_MS);
    this.say();
  }

  done() {
    clearTimeout(this.timer);
    this.timer = null;
  }
}

/**
 * Tells the kernel that a view is here: when it comes, every now and then, and when the connection may have been away.
 *
 * The kernel answers with the whole state. So whatever was lost on the way, by a slow start, a sleep or a broken
 * connection, is mended; nothing has to be noticed. `more()` is what the kernel should know besides. `onSilence` is
 * called when no answer comes, and `onAnswer` with every answer.
 */
class Presence {
  constructor(model, { more = () => ({}), onAnswer = () => {}, onSilence = () => {} } = {}) {
    Object.assign(this, { model, more, onAnswer, onSilence });
    this.view = newId("view");
    this.turn = 0;
    this.silence = null;
    this.insist = new Insist(() => this.say());
    this.ask = this.ask.bind(this);
    this.take = this.take.bind(this);
    model.on("msg:custom", this.take);
    for (const [target, name] of this.events()) target.addEventListener(name, this.ask);
    this.ask();
    this.timer = setInterval(() => this.insist.timer === null && this.ask(), BEAT_MS);
  }

  events() {
    return [[document, "visibilitychange"], [document, "resume"], [window, "online"], [window, "pageshow"]];
  }

  ask() {
    this.turn += 1;
    this.silence ??= setTimeout(() => this.onSilent(), SILENT_MS);
    this.insist.begin();
  }

  say() {
    const { view, turn } = this;
    if (!tell(this.model, { kind: "here", view, turn, hidden: document.hidden, ...this.more() })) this.onSilence();
  }

  take({ kind, view, turn }) {
    if (kind !== "here" || view !== this.view || turn !== this.turn) return;
    this.insist.done();
    clearTimeout(this.silence);
    this.silence = null;
    this.onAnswer();
  }

  /** No answer: the connection may only look alive, or nobody tries it any more. */
  onSilent() {
    this.silence = setTimeout(() => this.onSilent(), SILENT_MS);
    this.onSilence();
    const kernel = this.model.widget_manager?.kernel;
    if (kernel && !kernel.isDisposed && kernel.status !== "dead") kernel.reconnect?.().catch(() => {});
  }

  end() {
    this.insist.done();
    clearInterval(this.timer);
    clearTimeout(this.silence);
    this.model.off("msg:custom", this.take);
    for (const [target, name] of this.events()) target.removeEventListener(name, this.ask);
  }
}
