// The ways into a session: link, tunnel, ssh, gateway.

import { copyButton, h, show } from "../common/dom.js";
import { askingButton } from "./confirm.js";
import { ENDING, HUB_WORDS } from "./session_text.js";
import { ViewOnlyView } from "./view_only.js";

/** @import { Answer, Session } from "../types" */
/** @import { Tools } from "./card.js" */

const SSH_AGAIN_MS = 3000;
const SSH_TRIES = 5;

/** Ways into the session beside the link: commands to copy. */
export class WaysInView {
  /**
   * @param {string} name
   * @param {Tools} tools
   */
  constructor(name, tools) {
    this.name = name;
    this.tools = tools;
    this.session = /** @type {Session | null} */ (null);
    this.rows = h("div", { class: "gl-ways-rows" });
    this.ssh = h("div", { class: "gl-ways-rows gl-ways-ssh", hidden: true });
    this.viewOnly = new ViewOnlyView(name, tools);
    show(this.viewOnly.element, false);
    this.element = h(
      "details",
      { class: "gl-fold gl-ways" },
      h("summary", {}, "Other ways in"),
      h("div", { class: "gl-ways-rows" }, this.rows, this.viewOnly.element, this.ssh),
    );
    this.element.addEventListener("toggle", () => this.opens());
    this.link = h(
      "a",
      { class: "gl-hub-link", target: "_blank", rel: "noopener noreferrer", hidden: true },
      "JupyterLab is open at this link",
    );
    this.shown = /** @type {string | null} */ ("");
    this.tries = 0;
  }

  /**
   * @param {Session} session
   * @param {string | undefined} link
   */
  update(session, link) {
    this.session = session;
    show(this.ssh, Boolean(session.ssh));
    if (this.tools.remote) return this.updateOnHub(session);
    const open = session.has_pages ? Boolean(link) : Boolean(session.started && session.live && session.alive);
    show(this.element, open);
    show(this.viewOnly.element, Boolean(link));
    if (link && this.element.open) this.viewOnly.update(session);
    const key = `${link} ${session.provider}`;
    if (!open || key === this.shown) return;
    this.shown = key;
    this.showCommands(link);
    this.askSsh(); // another provider has another user and port
  }

  /** @param {string | undefined} link */
  showCommands(link) {
    const tunnel = way(
      "At an address of your choice, on this computer",
      `golem-launcher tunnel ${this.name} --port 8888`,
    );
    if (!link) return this.rows.replaceChildren(tunnel);
    const { hostname, port, pathname, search } = new URL(link);
    const token = new URLSearchParams(search).get("token");
    this.rows.replaceChildren(
      tunnel,
      way(
        "From another computer that has ssh to this one",
        `ssh -N -L 8888:${hostname}:${port} THIS-COMPUTER`,
        `then open http://127.0.0.1:8888${pathname}${token ? " with the token of the link" : ""}`,
      ),
      h(
        "div",
        { class: "gl-way" },
        token ? h("span", { class: "gl-hint" }, "Whoever has the link or the token controls the session.") : "",
        h(
          "div",
          { class: "gl-row" },
          copyButton("Copy link", () => link),
          token ? copyButton("Copy token", () => token) : "",
        ),
      ),
    );
  }

  /** The kernel is asked for what it does not tell by itself: only when somebody looks. */
  opens() {
    if (this.element.open && this.session) this.viewOnly.update(this.session);
    this.askSsh();
  }

  /** The kernel asks the provider for its ssh server: only when somebody looks. */
  askSsh() {
    if (!this.element.open || !this.session?.ssh) return;
    if (!this.ssh.childElementCount)
      this.ssh.replaceChildren(h("span", { class: "gl-hint", role: "status" }, "Asking for the ssh server …"));
    this.tools.send({ kind: "ssh", name: this.name });
  }

  /**
   * What the kernel found of the ssh server.
   *
   * @param {Answer} answer
   */
  toldSsh(answer) {
    const again = h(
      "button",
      { type: "button", class: "gl-button gl-small", onclick: () => this.askSsh() },
      "Ask again",
    );
    if (!answer.ok) {
      this.ssh.replaceChildren(
        h("div", { class: "gl-row" }, h("span", { class: "gl-hint", role: "status" }, answer.text), again),
      );
      this.tries += 1;
      if (this.tries < SSH_TRIES) setTimeout(() => this.askSsh(), SSH_AGAIN_MS); // it starts beside the Lab, a little later
      return;
    }
    this.tries = 0;
    this.ssh.replaceChildren(
      way("A shell in the session; your private key stays here", `golem-launcher ssh ${this.name}`),
      way(`${this.session?.workload} at http://localhost:${answer.port} by one line of ssh`, answer.command ?? ""),
      way("The same with websocat, without the launcher's own program", answer.websocat ?? ""),
    );
  }

  /**
   * On a hub the browser reaches only the hub: a tunnel at home, or the hub's own address after a yes.
   *
   * @param {Session} session
   */
  updateOnHub(session) {
    const reachable = Boolean(
      session.hub && session.started && session.live && session.alive && !ENDING.includes(session.stage),
    );
    show(this.element, reachable);
    if (!reachable || this.shown === session.hub) return;
    this.shown = session.hub;
    this.element.open = true;
    const ask = () => this.tools.send({ kind: "hub", name: this.name });
    const open = session.own
      ? h("button", { type: "button", class: "gl-button gl-small gl-hub", onclick: ask }, "Open JupyterLab here")
      : askingButton("Open JupyterLab here", {
          kind: "hub",
          question: HUB_WORDS,
          yes: "Open it all the same",
          no: "Don't",
          act: ask,
        }).element;
    show(this.link, false);
    const rows = [
      way(
        "This session on your own computer, with the launcher there (the safest)",
        `golem-launcher tunnel ${location.origin}${session.hub} --session ${this.name}`,
      ),
      h("div", { class: "gl-way" }, h("div", { class: "gl-row" }, open, this.link)),
      session.command
        ? way(
            "To carry on at home: the same session, started there",
            session.command,
            "Download your files here first: this server will be gone.",
          )
        : null,
    ];
    this.rows.replaceChildren(...rows.filter((row) => row !== null));
  }

  /**
   * The kernel has let the hub show the Lab at `link`, a path of the hub's.
   *
   * @param {string} link
   */
  opened(link) {
    this.link.href = link;
    show(this.link, true);
    window.open(link, "_blank", "noopener,noreferrer");
  }
}

/**
 * @param {string} title
 * @param {string} command
 * @param {string} after
 */
function way(title, command, after = "") {
  const code = h("code", { class: "gl-code", tabindex: 0, "aria-label": title }, command);
  return h(
    "div",
    { class: "gl-way" },
    h("span", {}, title),
    h(
      "div",
      { class: "gl-row gl-way-row" },
      code,
      copyButton("Copy", () => command, code),
    ),
    after ? h("span", { class: "gl-hint" }, after) : null,
  );
}
