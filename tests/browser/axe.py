"""What axe finds wrong with a page, for whoever reads it by screen reader or by key alone."""

from __future__ import annotations

import os
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

WIDTHS = (360, 768, 1400)
_SCRIPT = files("axe_playwright_python").joinpath("axe.min.js")
_RUN = "axe.run(document, {resultTypes: ['violations']})"
_SCROLLED = "#rendered_cells, html:not(:has(#rendered_cells))"
"""What is scrolled: the launcher's page in a panel of its own, every other page as a whole."""


def found_by_axe(page: Page) -> list[str]:
    """Each violation with the first element that has it."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(_SCRIPT.read_text(encoding="utf-8"))
    violations = page.evaluate(_RUN)["violations"]
    return [f"{one['help']}: {one['nodes'][0]['html'][:200]}" for one in violations]


def check_in_both_schemes(page: Page, shown: Locator, name: str) -> None:
    """Light and dark, on a telephone, a tablet and a screen: nothing for axe to find, and nothing to scroll sideways.

    With ``LOOK`` in the environment, a directory, there is a picture of each.
    """
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            panel = page.locator(_SCROLLED)
            assert panel.evaluate("panel => panel.scrollWidth <= panel.clientWidth")
            assert found_by_axe(page) == []
            if (where := os.environ.get("LOOK")) and shown.is_visible():  # of some parts there is no box when narrow
                height = panel.evaluate("panel => panel.scrollHeight")
                page.set_viewport_size({"width": width, "height": height})
                shown.screenshot(path=f"{where}/{name}-{scheme}-{width}.png")
