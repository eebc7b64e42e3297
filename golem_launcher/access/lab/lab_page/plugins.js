// The plugins of our extension that run in JupyterLab: status, banner, saving, outputs that came while nobody watched.

import { Documents } from "./documents.js";
import { followRuns } from "./outputs.js";
import { SessionView } from "./session.js";
import { Supervisor } from "./supervisor.js";

/** @import { Application, DocumentManager, Jupyter, StatusBar } from "./jupyterlab" */

const NAME = "golem-launcher";
const ROUND_MS = 500;
const RANK = 900;
const UNSAVED = "What is typed here from now on is not saved.";
const ICON =
  '<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 16 16"><path class="jp-icon3" fill="#616161" ' +
  'd="M8 1a7 7 0 1 0 7 7h-2a5 5 0 1 1-1.5-3.6L8 7.9V10l6-5.5V1l-1.3 1.3A7 7 0 0 0 8 1z"/></svg>';

/**
 * What JupyterLab is to load.
 *
 * @param {Jupyter} jupyter
 */
export async function plugins(jupyter) {
  const [docmanager, application, apputils, { PageConfig, URLExt }, { Widget }, { IStatusBar }, { LabIcon }] =
    await Promise.all([
      jupyter("@jupyterlab/docmanager"),
      jupyter("@jupyterlab/application"),
      jupyter("@jupyterlab/apputils"),
      jupyter("@jupyterlab/coreutils"),
      jupyter("@lumino/widgets"),
      jupyter("@jupyterlab/statusbar"),
      jupyter("@jupyterlab/ui-components"),
    ]);
  let supervisor = /** @type {Supervisor | null} */ (null);
  let ended = false;
  let saying = false;

  /**
   * Say something in the page, once at a time.
   *
   * @param {string} title
   * @param {string} text
   */
  function say(title, text) {
    if (saying) return;
    saying = true;
    const node = document.createElement("div");
    for (const line of text.split("\n")) node.appendChild(document.createElement("p")).textContent = line;
    const buttons = [apputils.Dialog.okButton({ label: "Close" })];
    apputils.showDialog({ title, body: new Widget({ node }), buttons }).finally(() => {
      saying = false;
    });
  }

  let ending = /** @type {string | null} */ (null);

  const view = new SessionView({
    ask: (wish) => supervisor?.ask(wish) ?? false,
    /** Before the end: it stays until it is closed, or no longer so. */
    warn: (text, extend) => {
      if (ending !== null) apputils.Notification.dismiss(ending);
      const actions = [{ label: "More time …", callback: extend }];
      ending = text === "" ? null : apputils.Notification.warning(text, { autoClose: false, actions });
    },
  });

  let idle = /** @type {string | null} */ (null);

  /**
   * Say that the session is about to be stopped because nobody uses it, with a way to keep it; by no words, no more.
   *
   * @param {string} text
   */
  function sayIdle(text) {
    if ((text === "") === (idle === null)) return;
    if (idle !== null) apputils.Notification.dismiss(idle);
    idle = null;
    if (text === "") return;
    const callback = () => supervisor?.ask({ what: "keep-running" });
    const actions = [{ label: "Keep it running", callback, displayType: /** @type {const} */ ("accent") }];
    idle = apputils.Notification.warning(text, { autoClose: false, actions });
  }

  const documents = {
    id: `${NAME}:documents`,
    description: "Saves open documents before the session ends, and soon after something was typed.",
    autoStart: true,
    requires: [docmanager.IDocumentManager],
    activate: (/** @type {Application} */ app, /** @type {DocumentManager} */ manager) => {
      /** @type {Documents} */
      const open = new Documents(
        app,
        manager,
        () => told.tell(open.unsaved().length),
        (context) => context.model.cells && followRuns(context, PageConfig.getBaseUrl()),
      );
      const told = new Supervisor(
        {
          url: URLExt.join(PageConfig.getWsUrl(), NAME, "documents"),
          farewell: URLExt.join(PageConfig.getBaseUrl(), NAME, "farewell"),
        },
        PageConfig.getOption("golemLauncherKey"),
        async (news) => {
          if (typeof news.away === "boolean") open.away = news.away;
          if (news.session) {
            view.show(news.session);
            sayIdle(news.session.idle);
          }
          if (typeof news.told === "string") view.answer(news.told);
          if (typeof news.save === "number") told.answer(news.save, await open.saveAll());
          if (typeof news.ended === "string" && !ended) {
            ended = true;
            told.leave();
            view.end(news.ended, news.suspended ? "suspended" : "ended");
            sayIdle("");
            const title = news.suspended ? "This session is suspended" : "This session has ended";
            say(title, `${news.ended}\n${UNSAVED}`);
          }
        },
        () => ended || view.reach(told.there),
      );
      supervisor = told;
      app.restored.then(() => setInterval(() => ended || open.look(), ROUND_MS));
    },
  };

  const session = {
    id: `${NAME}:session`,
    description: "Shows how the session stands: time, money, saves, the machine.",
    autoStart: true,
    optional: [IStatusBar],
    activate: (/** @type {Application} */ app, /** @type {StatusBar | null} */ statusBar) => {
      const panel = new Widget({ node: view.panel });
      panel.id = `${NAME}-session`;
      panel.title.caption = "Golem session";
      panel.title.icon = new LabIcon({ name: `${NAME}:session`, svgstr: ICON });
      app.shell.add(panel, "right", { rank: RANK });
      view.reveal = () => app.shell.activateById(panel.id);
      const item = new Widget({ node: view.item });
      statusBar?.registerStatusItem(`${NAME}:session`, { item, align: "left", rank: RANK });
    },
  };

  const connection = {
    id: `${NAME}:connection`,
    description: "Says what happened when the server does not answer.",
    autoStart: true,
    provides: application.IConnectionLost,
    activate: () => async () => {
      if (ended) return;
      if (supervisor?.there) {
        const text =
          view.doing || "The session's provider does not answer. The launcher waits for it, or takes another one.";
        apputils.Notification.warning(text, { autoClose: 10000 });
      } else if (!(await supervisor?.hearFarewell())) {
        say(
          "The session can't be reached",
          "Golem Launcher does not answer on your computer: the session may have ended, or the way to it is closed.\n" +
            "See its page, or: golem-launcher list",
        );
      }
    },
  };
  return [documents, session, connection];
}
