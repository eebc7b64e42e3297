"""What axe finds wrong with a page, for whoever reads it by screen reader or by key alone."""

from __future__ import annotations

import os
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

WIDTHS = (360, 768, 1400)
_SCRIPT = files("axe_playwright_python").joinpath("axe.min.js")
_RUN = "part => axe.run(part, {resultTypes: ['violations']})"
_WHOLE = "html"
_SCROLLED = "#rendered_cells, html:not(:has(#rendered_cells))"
"""What is scrolled: the launcher's page in a panel of its own, every other page as a whole."""


def found_by_axe(page: Page, part: Locator | None = None) -> list[str]:
    """Each violation with the first element that has it, on the whole page or in one ``part``, which takes a tenth."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(_SCRIPT.read_text(encoding="utf-8"))
    violations = (part or page.locator(_WHOLE)).evaluate(_RUN)["violations"]
    return [f"{one['help']}: {one['nodes'][0]['html'][:200]}" for one in violations]


def check_in_both_schemes(page: Page, shown: Locator, name: str) -> None:
    """Light and dark, on a telephone, a tablet and a screen: nothing for axe to find, and nothing to scroll sideways.

    The page around what is ``shown``, which is the same in all tests, is looked at once. With ``LOOK`` in the
    environment, a directory, there is a picture of each.
    """
    part = None
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            panel = page.locator(_SCROLLED)
            assert panel.evaluate("panel => panel.scrollWidth <= panel.clientWidth")
            assert found_by_axe(page, part) == []
            part = shown
            if (where := os.environ.get("LOOK")) and shown.is_visible():  # of some parts there is no box when narrow
                height = panel.evaluate("panel => panel.scrollHeight")
                page.set_viewport_size({"width": width, "height": height})
                shown.screenshot(path=f"{where}/{name}-{scheme}-{width}.png")
