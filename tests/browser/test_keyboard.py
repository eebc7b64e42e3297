"""The whole way without a mouse; what a screen reader gets; no sideways scrolling anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.axe import found_by_axe
from tests.patience import milliseconds

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("sessions")]

_TABS = 80
_HERE = "(document.activeElement.textContent || document.activeElement.name || '').trim()"
_FAULTS = """
() => {
  const faults = [];
  const all = [...document.querySelectorAll(".gl, .gl *")];
  const ids = all.map((one) => one.id).filter(Boolean);
  for (const id of new Set(ids)) if (ids.filter((other) => other === id).length > 1) faults.push(`two of id ${id}`);
  for (const one of all) {
    const say = (what) => faults.push(`${what}: ${one.outerHTML.slice(0, 120)}`);
    for (const name of ["aria-labelledby", "aria-describedby", "aria-controls", "aria-errormessage"])
      for (const id of (one.getAttribute(name) ?? "").split(" ").filter(Boolean))
        if (!document.getElementById(id)) say(`${name} leads nowhere`);
    if (one.tabIndex > 0) say("an order of its own");
    const given = ["aria-label", "aria-labelledby"].some((name) => one.getAttribute(name));
    const named = one.labels?.length || given || one.textContent.trim() || !one.checkVisibility();
    if (one.matches("input, select, textarea, button, a[href], [role=img], progress, meter, article") && !named)
      say("no name");
    if (one.matches("img:not([alt])")) say("no words for a picture");
    if (one.matches("svg:not([aria-hidden=true]):not([role=img])")) say("neither a picture nor hidden");
    if (one.matches("details") && one.firstElementChild?.tagName !== "SUMMARY") say("nothing to open it by");
    if (one.matches("[onclick]:not(button, a, summary, input, label)")) say("can't be pressed by key");
  }
  const levels = [...document.querySelectorAll("h1, .gl :is(h2, h3, h4)")].filter((one) => one.checkVisibility());
  levels.reduce((before, one) => {
    const level = Number(one.tagName[1]);
    if (level > before + 1) faults.push(`from h${before} to h${level}: ${one.textContent}`);
    return level;
  }, 0);
  if (!document.documentElement.lang) faults.push("no language");
  if (!document.querySelector(".gl-sessions [role=status][aria-live=polite]")) faults.push("stages are not announced");
  for (const log of document.querySelectorAll("[role=log]"))
    if (log.getAttribute("aria-live") !== "off") faults.push("a log that is read aloud");
  return faults;
}
"""
_TOO_WIDE = """
() => [document.documentElement, document.getElementById("rendered_cells")]
  .filter((one) => one.scrollWidth > one.clientWidth)
  .map((one) => `${one.tagName} ${one.scrollWidth} > ${one.clientWidth}`)
"""


def _tab_to(page: Page, what: str, key: str = "Tab") -> None:
    """Go on by key until the focus is on what is called, or says, ``what``."""
    for _ in range(_TABS):
        if page.evaluate(_HERE).startswith(what):
            return
        page.keyboard.press(key)
    pytest.fail(f"{what} was not reached; the focus is on {page.evaluate(_HERE)!r}")


def _type(page: Page, text: str) -> None:
    page.keyboard.press("Control+a")
    page.keyboard.type(text)


def test_from_the_first_visit_to_the_end_without_a_mouse(page: Page) -> None:
    _tab_to(page, "name")
    _type(page, "by-key")
    _tab_to(page, "cpus")
    _type(page, "0")
    page.keyboard.press("Enter")  # Enter in a field starts
    page.locator(".gl-field-cpus[class] .gl-error-text", has_text="at least 1").wait_for()
    assert page.evaluate("document.activeElement.name") == "cpus"
    assert page.evaluate("document.activeElement.getAttribute('aria-invalid')") == "true"
    _type(page, "1")
    _tab_to(page, "Start JupyterLab on Golem")
    page.keyboard.press("Enter")
    card = page.get_by_role("article", name="by-key")
    card.wait_for()
    page.wait_for_function(f"{_HERE} === 'by-key'")  # led to the session
    card.get_by_role("link", name="Open JupyterLab").wait_for(timeout=milliseconds(90))
    assert page.evaluate(_HERE) == "by-key"  # and left there while things changed
    assert page.evaluate(_FAULTS) == []
    page.evaluate("document.querySelectorAll('.gl details').forEach((fold) => (fold.open = true))")
    assert page.evaluate(_FAULTS) == []
    assert found_by_axe(page) == []
    for width in (360, 899, 3840):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate(_TOO_WIDE) == [], width

    _tab_to(page, "Open JupyterLab")
    _tab_to(page, "Abort")
    page.keyboard.press("Enter")
    assert page.evaluate(_HERE) == "Keep"  # what does no harm
    page.keyboard.press("Escape")
    assert page.evaluate(_HERE) == "Abort"
    page.keyboard.press("Enter")
    _tab_to(page, "Abort session", "Shift+Tab")
    page.keyboard.press("Enter")
    card.locator(".gl-badge", has_text="Ended").wait_for()
    page.wait_for_function(f"{_HERE} === 'by-key'")  # where it ran: nobody has to start over
    _tab_to(page, "Start afresh")
