// The wallet: its balance, its address, and how to fund it.

import { copyButton, h, setResting, setText, show, svg, tell } from "../common/dom.js";
import { formatClock } from "../common/format.js";

/** @import { BackUp, KnownWallet, Payment, QrCode, Teller, Wallet } from "../types" */

const WAIT_WORDS = "The wallet shows when the node runs.";

/**
 * The wallet behind the chosen network, folded away unless there is something to do.
 *
 * @param {Teller} model
 */
export function makeWallet(model) {
  const send = (/** @type {string} */ kind) => tell(model, { kind });
  const body = h("div", { class: "gl-wallet-body" });
  const element = h("details", { class: "gl-wallet" }, h("summary", {}, "Wallet"), body);
  const faucet = makeFaucet(() => send("fund"));
  const opened = /** @type {Set<string>} */ (new Set());
  let drawn = "";

  /** @param {Wallet} wallet */
  function update(wallet) {
    const shown = JSON.stringify({ ...wallet, busy: null, said: null });
    faucet.update(wallet);
    if (shown !== drawn) {
      drawn = shown;
      body.replaceChildren(
        ...(wallet.identity ? parts(wallet) : [h("p", { class: "gl-hint" }, wallet.words || WAIT_WORDS)]),
      );
    }
    if (!wallet.urgent || opened.has(wallet.network)) return;
    opened.add(wallet.network); // once: it may be folded away again
    element.open = true;
  }

  /** @param {KnownWallet} wallet */
  function parts(wallet) {
    const main = h("div", { class: "gl-wallet-main" });
    if (wallet.back_up.first) main.append(backUp(wallet.back_up));
    main.append(address(wallet), amounts(wallet.rows));
    if (wallet.problem) main.append(h("p", { class: "gl-hint" }, wallet.problem));
    if (wallet.need) main.append(h("p", { class: wallet.lacking ? "gl-need gl-lacking" : "gl-need" }, wallet.need));
    if (wallet.fund) main.append(faucet.element);
    main.append(payments(wallet));
    return wallet.code.size ? [main, deposit(wallet.code, wallet)] : [main];
  }

  /** @param {BackUp} backUp */
  function backUp({ done, first, safe }) {
    const hand = () => send("back up");
    if (done) return h("p", { class: "gl-hint" }, "The identity is backed up. ", smallButton("Back up again", hand));
    const ask = h(
      "div",
      { class: "gl-row" },
      smallButton("Download the back-up", hand),
      h("span", { class: "gl-hint" }, "or in a terminal:"),
      h("code", {}, "golem-launcher identity backup FILE"),
    );
    return h(
      "div",
      { class: "gl-banner gl-warning gl-back-up", role: "note" },
      h("p", {}, h("strong", {}, `This is real money. ${first}`)),
      h("p", { class: "gl-hint" }, safe),
      ask,
    );
  }
  return { element, update, dispose: faucet.stop };
}

/**
 * @param {string} label
 * @param {() => void} onclick
 */
function smallButton(label, onclick) {
  return h("button", { type: "button", class: "gl-button gl-small", onclick }, label);
}

/**
 * @param {string} url
 * @param {string} label
 */
function outside(url, label) {
  return h(
    "a",
    { href: url, target: "_blank", rel: "noopener noreferrer" },
    label,
    h("span", { class: "gl-hidden" }, " (opens a new tab)"),
  );
}

/** @param {KnownWallet} wallet */
function address({ identity, url }) {
  const code = h("code", { class: "gl-address" }, identity);
  const look = url ? outside(url, "Look at it") : null;
  const hint = "Who you are on Golem, and where your wallet is. Others may know it.";
  return h(
    "div",
    { class: "gl-wallet-address" },
    h("span", { class: "gl-meter-label" }, "Your address"),
    h(
      "div",
      { class: "gl-row" },
      code,
      copyButton("Copy", () => identity, code),
      look,
    ),
    h("span", { class: "gl-hint" }, hint),
  );
}

/** @param {KnownWallet["rows"]} rows */
function amounts(rows) {
  const row = (/** @type {KnownWallet["rows"][number]} */ { name, value, hint }) =>
    h("div", { class: "gl-amount" }, h("dt", {}, name), h("dd", {}, value), h("dd", { class: "gl-hint" }, hint));
  return h("dl", { class: "gl-amounts" }, ...rows.map(row));
}

/** @param {KnownWallet} wallet */
function payments({ payments: sent, settles }) {
  if (!sent.length) {
    return h(
      "p",
      { class: "gl-hint" },
      settles ? "No payments yet." : "No payments: nothing is settled on this network.",
    );
  }
  const line = (/** @type {Payment} */ { at, to, amount, url, transaction }) => {
    const when = Number.isNaN(Date.parse(at)) ? at : formatClock(at);
    const whom = to.length > 16 ? `${to.slice(0, 8)}…${to.slice(-6)}` : to;
    return h(
      "li",
      {},
      h("span", {}, when),
      h("span", {}, amount),
      h("span", { title: to }, `to ${whom}`),
      url
        ? outside(url, "Look at it")
        : h("span", { title: transaction }, transaction && `transaction ${transaction.slice(0, 10)}…`),
    );
  };
  return h(
    "div",
    {},
    h("span", { class: "gl-meter-label" }, "Last payments"),
    h("ul", { class: "gl-payments" }, ...sent.map(line)),
  );
}

/**
 * Where to send money to: the QR code is black on white in every theme, or it can't be read.
 *
 * @param {QrCode} code
 * @param {KnownWallet} wallet
 */
function deposit(code, { buy, identity }) {
  const path = svg("path", { d: code.path, stroke: "black", "stroke-width": 1 });
  const picture = svg(
    "svg",
    {
      class: "gl-code-picture",
      viewBox: `-3 -3 ${code.size + 6} ${code.size + 6}`,
      role: "img",
      "aria-label": `QR code of ${identity}`,
    },
    svg("rect", { x: -3, y: -3, width: code.size + 6, height: code.size + 6, fill: "white" }),
    path,
  );
  const link = h(
    "a",
    { class: "gl-button gl-small", href: buy, target: "_blank", rel: "noopener noreferrer" },
    "Buy GLM at Golem's page",
  );
  return h(
    "div",
    { class: "gl-wallet-deposit" },
    picture,
    h("p", { class: "gl-hint" }, "Send to this address, or"),
    link,
  );
}

/**
 * The button that asks the faucet, how long it has been asked, and what it said.
 *
 * @param {() => void} ask
 */
function makeFaucet(ask) {
  const button = h("button", { type: "button", class: "gl-button gl-small gl-fund", onclick: ask });
  const bar = h("progress", { class: "gl-progress", "aria-label": "Asking the faucet", hidden: true });
  const words = h("span", { class: "gl-hint", role: "status" });
  const element = h("div", { class: "gl-row gl-faucet" }, button, bar, words);
  let asking = "";
  let began = 0;
  let timer = /** @type {ReturnType<typeof setInterval> | undefined} */ (undefined);
  function stop() {
    clearInterval(timer);
    timer = undefined;
  }
  function tick() {
    setText(words, `${asking}. ${Math.round((Date.now() - began) / 1000)} s so far …`);
  }
  return {
    element,
    stop,
    /** @param {Wallet} wallet */
    update({ fund, busy, said, asking: what }) {
      asking = what ?? "";
      setText(button, fund ?? "");
      setResting(button, Boolean(busy));
      show(bar, Boolean(busy));
      if (busy && timer === undefined) {
        began = Date.now();
        timer = setInterval(tick, 5000);
        tick();
      } else if (!busy) {
        stop();
        setText(words, said ?? "");
      }
    },
  };
}
