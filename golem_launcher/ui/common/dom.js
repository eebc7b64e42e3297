// Elements are made here and nowhere else: strings become text or attributes, never markup.

/** @import { Attributes, Child, Teller } from "../types" */

/**
 * h("p", {class: "x", onclick: f}, "text", child, null) → an element. Attributes that are null or false are left out.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Attributes | null} attributes
 * @param {...Child} children
 */
export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/**
 * Set text only when it differs, so that selections and screen readers are left in peace.
 *
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * @param {HTMLElement} element
 * @param {boolean} visible
 */
export function show(element, visible) {
  if (element.hidden === visible) element.hidden = !visible;
}

/**
 * Let a button rest until what it asked for is answered. It keeps the keyboard's place, which `disabled` would lose.
 *
 * @param {HTMLButtonElement} button
 * @param {boolean} now
 */
export function setResting(button, now) {
  button.addEventListener("click", refuseWhileResting, { capture: true }); // there is only one of it, however often said
  if (now) button.setAttribute("aria-disabled", "true");
  else button.removeAttribute("aria-disabled");
}

/** @param {Element} button */
export const isResting = (button) => button.getAttribute("aria-disabled") === "true";

/** @param {MouseEvent} event */
function refuseWhileResting(event) {
  if (!isResting(/** @type {Element} */ (event.currentTarget))) return;
  event.preventDefault(); // a form is not sent either
  event.stopImmediatePropagation();
}

/**
 * Send to the kernel; false when the kernel is gone.
 *
 * @param {Teller} model
 * @param {object} content
 */
export function tell(model, content) {
  try {
    model.send(content);
    return true;
  } catch {
    return false;
  }
}

let lastId = 0;

/** @param {string} prefix */
export function newId(prefix) {
  lastId += 1;
  return `gl-${prefix}-${Math.random().toString(36).slice(2, 8)}-${lastId}`;
}

/**
 * Copy to the clipboard; where the browser forbids it, select the text so that the reader can.
 *
 * @param {string} text
 * @param {Element | null} shown
 * @param {HTMLButtonElement} button
 */
async function copyOut(text, shown, button) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    setText(button, "Copied");
    setTimeout(() => setText(button, before), 1500);
  } catch {
    if (shown) getSelection()?.selectAllChildren(shown);
  }
}

/**
 * @param {string} label
 * @param {() => string} text
 * @param {Element | null} shown where the text can be selected by hand
 */
export function copyButton(label, text, shown = null) {
  /** @type {HTMLButtonElement} */
  const button = h(
    "button",
    { type: "button", class: "gl-button gl-small", onclick: () => copyOut(text(), shown, button) },
    label,
  );
  return button;
}

/**
 * Let the browser keep `text` as a file.
 *
 * @param {string} name
 * @param {string} text
 * @param {string} type its media type
 */
export function saveText(name, text, type) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  h("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

const SVG = "http://www.w3.org/2000/svg";

/**
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | number>} attributes
 * @param {...Node} children
 */
export function svg(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}
