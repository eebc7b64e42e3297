"""What axe finds wrong with a page, for whoever reads it by screen reader or by key alone."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

_SCRIPT = files("axe_playwright_python").joinpath("axe.min.js")
_RUN = "axe.run(document, {resultTypes: ['violations']})"


def found_by_axe(page: Page) -> list[str]:
    """Each violation with the first element that has it."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(_SCRIPT.read_text(encoding="utf-8"))
    violations = page.evaluate(_RUN)["violations"]
    return [f"{one['help']}: {one['nodes'][0]['html'][:200]}" for one in violations]
