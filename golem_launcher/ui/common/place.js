// The keyboard's place on the page, which a control that goes must not take with it.

/** Where the place may be though nothing is pressed or typed there: headings that take it, and what folds. */
const LANDMARKS = '[tabindex="-1"], summary';

/** @param {Element | null} element */
const isThere = (element) =>
  element !== null && element !== document.body && element.checkVisibility() && !element.matches(":disabled");

/** @param {Element} element */
const wordsOf = (element) => element.getAttribute("aria-label") ?? element.textContent;

/**
 * Keep the keyboard's place where a control inside `root` goes, or is put elsewhere, with it. It is then at the control
 * itself where that is there again, at one of the same words that was drawn anew, or at the heading, or what folds, that
 * is nearest above; where there is none, `leave` knows. Nothing happens to who goes on elsewhere by themselves.
 *
 * @param {HTMLElement} root
 * @param {() => void} [leave]
 * @returns {() => void} ends it
 */
export function keepPlace(root, leave = () => {}) {
  let held = /** @type {HTMLElement | null} */ (null);
  let above = /** @type {HTMLElement[]} */ ([]); // the boxes that it was in, the innermost first

  /** @param {FocusEvent} event */
  function come({ target }) {
    held = /** @type {HTMLElement} */ (target);
    above = [];
    for (let box = held.parentElement; box && root.contains(box); box = box.parentElement) above.push(box);
  }

  /** @param {FocusEvent} event */
  function go({ relatedTarget }) {
    if (relatedTarget) held = null; // gone on, not lost
  }

  /** @param {MutationRecord[]} changes */
  function look(changes) {
    if (!held || isThere(document.activeElement)) return;
    const lost = held;
    const moved = changes.some(({ removedNodes }) => [...removedNodes].some((node) => node.contains(lost)));
    if (isThere(lost) && !moved) return; // left by a click on nothing
    const place = isThere(lost) ? lost : nearest(lost);
    if (place) place.focus({ preventScroll: true });
    else leave();
  }

  /** @param {HTMLElement} lost */
  function nearest(lost) {
    const boxes = above.filter((box) => root.contains(box) && isThere(box));
    const again = [.../** @type {NodeListOf<HTMLElement>} */ (boxes[0]?.querySelectorAll(lost.localName) ?? [])];
    const same = again.find((one) => isThere(one) && wordsOf(one) === wordsOf(lost));
    if (same) return same;
    for (const box of boxes) {
      const marks = /** @type {NodeListOf<HTMLElement>} */ (box.querySelectorAll(LANDMARKS));
      const mark = [...marks].find(isThere);
      if (mark) return mark;
    }
    return undefined;
  }

  const observer = new MutationObserver(look);
  observer.observe(root, { subtree: true, childList: true, attributeFilter: ["hidden", "open", "disabled"] });
  root.addEventListener("focusin", come);
  root.addEventListener("focusout", go);
  return () => {
    observer.disconnect();
    root.removeEventListener("focusin", come);
    root.removeEventListener("focusout", go);
  };
}
