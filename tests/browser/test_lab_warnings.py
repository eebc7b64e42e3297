"""What is said in the Lab before the end, by its module alone: one warning at a time, and none that is no longer so."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import golem_launcher.access.lab
from tests.browser.modules import page_of_modules

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_PAGE = Path(golem_launcher.access.lab.__file__).parent / "lab_page"
_MAKE = """async () => {
  const { SessionView } = await import("/session.js");
  window.shown = null; // as a notification stays until other words come in its place, or none
  window.view = new SessionView({ ask: () => true, warn: (text) => { window.shown = text || null; } });
}"""
_SHOW = """left => view.show({ name: "mine", begun: "b", stage: "ready", trouble: "", doing: "", left, spent: "",
  rate: "", ends: "its time is over at 07:56 UTC", saved: null, saves: true, files: "", problem: "", unsaved: 0,
  used: [], machines: [], extend: [], room: "", asked: "", answer: "", idle: "" })"""


def test_a_warning_holds_as_long_as_it_stays(chromium: Browser) -> None:
    with page_of_modules(chromium, _PAGE) as page:
        page.evaluate(_MAKE)

        def shown(left: float) -> Any:
            page.evaluate(_SHOW, left)
            return page.evaluate("shown")

        assert shown(640) is None
        assert shown(599) == "This session ends in less than 10 min: its time is over at 07:56 UTC."
        assert shown(130) == "This session ends in less than 10 min: its time is over at 07:56 UTC."
        assert shown(119) == "This session ends in less than 2 min: its time is over at 07:56 UTC."
        assert shown(3600) is None  # it was extended
        assert shown(590) == "This session ends in less than 10 min: its time is over at 07:56 UTC."
        page.evaluate("view.end('It is over.', 'ended')")
        assert page.evaluate("shown") is None
