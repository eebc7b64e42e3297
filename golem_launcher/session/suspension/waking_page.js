// The page of a suspended session, in a sandbox: it wakes the session up, says how far that is, and leads on.

/**
 * `session/suspension/waking_page_service.py`.
 *
 * @typedef {{ stage: "suspended", told: string, asks: boolean, hours: string[], costs: string }} Suspended
 * @typedef {{ stage: "waking", doing: string, far: string, seconds: number, usual: number }} Waking
 * @typedef {Suspended | Waking | { stage: "over" } | { stage: "unknown" }} News
 */

const LOOK_MS = 1000;
const AGAIN_MS = 400;
const SEEN_MS = 1000; // a click may be meant for the page that led here, or for one that was in front
const SILENT_MS = 30_000; // a session that comes answers sooner

/** @param {string} id */
const find = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
const [title, told, buttons, costs, doing, clock, bar, problem] = [
  "title",
  "told",
  "buttons",
  "costs",
  "doing",
  "clock",
  "bar",
  "problem",
].map(find);
const about = find("about").textContent ?? "";
const { name, servicePath } = /** @type {{ name: string, servicePath: string }} */ (JSON.parse(about));
let asked = false;
let silentSince = 0;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let attention;

/**
 * Only when it differs, so that screen readers are left in peace.
 *
 * @param {HTMLElement} element
 * @param {string} text
 */
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
  element.hidden = text === "";
}

/** @param {string} words */
function head(words) {
  say(title, words);
  document.title = words;
}

/** @param {() => void} act once somebody sees this page */
function whenSeen(act) {
  if (!document.hidden) act();
  else document.addEventListener("visibilitychange", () => whenSeen(act), { once: true });
}

/** @param {string} hours */
async function wake(hours) {
  asked = true;
  waking({ stage: "waking", doing: "One moment", far: "", seconds: 0, usual: 0 });
  try {
    const answer = await fetch(servicePath, { method: "POST", body: hours });
    say(problem, (await answer.json()).problem);
  } catch {
    say(problem, "The launcher does not answer on your computer.");
  }
  look();
}

/** @param {string} hours none where it has time of its own */
function button(hours) {
  const made = document.createElement("button");
  made.textContent = hours ? `Wake up for ${hours} h` : "Wake up";
  made.addEventListener("click", (event) => {
    if (event.detail > 1) return; // of a double click that began elsewhere
    buttons.replaceChildren();
    wake(hours);
  });
  return made;
}

/** Have the buttons work once this page has had the keyboard for a while without a break. */
function attend() {
  clearTimeout(attention);
  for (const each of buttons.querySelectorAll("button")) each.disabled = true;
  if (!document.hasFocus()) return;
  attention = setTimeout(() => {
    for (const each of buttons.querySelectorAll("button")) each.disabled = false;
  }, SEEN_MS);
}

/** @param {Suspended} news */
function suspended(news) {
  head(`${name} is suspended`);
  for (const element of [doing, clock, bar]) element.hidden = true;
  say(told, news.told);
  say(costs, news.costs);
  if (!news.asks && !asked) return whenSeen(() => wake(""));
  if (!buttons.childElementCount || !news.hours.length) {
    buttons.replaceChildren(...news.hours.map(button));
    attend();
  }
  setTimeout(look, LOOK_MS * 5); // somebody may wake it up elsewhere
}

/** @param {Waking} news */
function waking(news) {
  head(`${name} wakes up`);
  buttons.replaceChildren();
  say(told, "");
  say(costs, "");
  say(problem, "");
  const seconds = Math.round(news.seconds);
  const usual = news.usual ? ` The last start took ${Math.round(news.usual)} s.` : "";
  say(doing, `${news.doing} …`); // what changes with each second is shown beside it, and not read out
  say(clock, `${news.far && `${news.far}, `}${seconds} s.${usual}`);
  const progress = /** @type {HTMLProgressElement} */ (bar);
  progress.hidden = false;
  if (news.usual) progress.value = Math.min(news.seconds / news.usual, 0.97);
}

/** Its session answers here, or is about to. */
async function leadOn() {
  try {
    await fetch(location.href, { mode: "no-cors" });
  } catch {
    silentSince ||= Date.now();
    if (Date.now() - silentSince > SILENT_MS) silent();
    else setTimeout(look, AGAIN_MS); // for a moment nobody does
    return;
  }
  location.reload();
}

function silent() {
  head(`${name} does not answer`);
  buttons.replaceChildren();
  for (const element of [costs, doing, clock, bar, problem]) element.hidden = true;
  say(told, `It was stopped or removed, or the launcher was ended. See: golem-launcher show ${name}`);
}

async function look() {
  /** @type {News} */
  let news;
  try {
    news = await (await fetch(servicePath)).json();
  } catch {
    return leadOn();
  }
  silentSince = 0;
  if (news.stage === "suspended") return suspended(news);
  if (news.stage === "waking") {
    waking(news);
    setTimeout(look, LOOK_MS);
  } else {
    setTimeout(leadOn, AGAIN_MS);
  }
}

for (const kind of ["focus", "blur"]) addEventListener(kind, attend);
look();

export {};
