// The pages of a view-only link: looks every few seconds whether there is something new, and takes over what changed.

const AGAIN_MS = 3000;
const SLOWEST_MS = 30_000;
const [MINUTE, HOUR, DAY] = [60, 3600, 86_400];
const AWAY = "There is no connection just now. What you see was there before.";

/** When each age came, in milliseconds of this page's clock. */
const came = /** @type {WeakMap<Element, number>} */ (new WeakMap());

/** @param {number} seconds */
function words(seconds) {
  if (seconds < 2 * MINUTE) return `${Math.round(seconds)} s ago`;
  if (seconds < 2 * HOUR) return `${Math.round(seconds / MINUTE)} min ago`;
  if (seconds < 2 * DAY) return `${Math.round(seconds / HOUR)} h ago`;
  return `${Math.round(seconds / DAY)} days ago`;
}

function showAges() {
  for (const age of document.querySelectorAll("header ~ main [data-ago]")) {
    if (!came.has(age)) came.set(age, performance.now());
    const since = (performance.now() - (came.get(age) ?? 0)) / 1000;
    const text = words(Number(age.getAttribute("data-ago")) + since);
    if (age.textContent !== text) age.textContent = text;
  }
}

/**
 * The parts that are the same at both ends stay as they are, with what is scrolled or selected in them.
 *
 * @param {Element} shown
 * @param {Element} next
 */
function renew(shown, next) {
  const mark = (/** @type {Element} */ part) => part.getAttribute("data-part");
  const [old, fresh] = [[...shown.children], [...next.children]];
  let [first, last] = [0, 0];
  const least = Math.min(old.length, fresh.length);
  while (first < least && mark(old[first]) === mark(fresh[first])) first += 1;
  while (last < least - first && mark(old[old.length - 1 - last]) === mark(fresh[fresh.length - 1 - last])) last += 1;
  const behind = old[old.length - last] ?? null;
  for (const part of old.slice(first, old.length - last)) part.remove();
  for (const part of fresh.slice(first, fresh.length - last)) shown.insertBefore(part, behind);
}

/** @param {Document} next */
function take(next) {
  const [main, coming] = [document.querySelector("main"), next.querySelector("main")];
  const [parts, comingParts] = [main?.querySelector("#parts"), coming?.querySelector("#parts")];
  const [session, comingSession] = [document.querySelector("header p"), next.querySelector("header p")];
  if (!main || !coming || !parts || !comingParts || !session || !comingSession) return;
  document.title = next.title;
  document.body.dataset.version = next.body.dataset.version ?? "";
  session.replaceWith(comingSession);
  while (main.firstChild && main.firstChild !== parts) main.firstChild.remove();
  while (coming.firstChild && coming.firstChild !== comingParts) main.insertBefore(coming.firstChild, parts);
  if (parts.localName === comingParts.localName) renew(parts, comingParts);
  else parts.replaceWith(comingParts);
  showAges();
}

/** @param {string} text */
function say(text) {
  const away = document.querySelector("#away");
  if (away && away.textContent !== text) away.textContent = text;
}

async function look() {
  const place = new URL(location.href);
  place.hash = "";
  place.search = `known=${document.body.dataset.version ?? ""}`;
  try {
    const answer = await fetch(place, { cache: "no-store", signal: AbortSignal.timeout(SLOWEST_MS) });
    if (answer.status !== 204) take(new DOMParser().parseFromString(await answer.text(), "text/html"));
    say("");
  } catch {
    say(AWAY);
  }
}

async function lookAgain() {
  if (!document.hidden) await look();
  setTimeout(lookAgain, AGAIN_MS);
}

document.addEventListener("visibilitychange", () => document.hidden || look());
setInterval(showAges, 1000);
showAges();
setTimeout(lookAgain, AGAIN_MS);
