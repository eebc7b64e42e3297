"""The guide leads through one session, and what it names in bold is there at that point of the way, by these words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import open_page
from tests.patience import milliseconds

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Locator, Page

_GUIDE = Path(__file__).parents[2] / "docs" / "guide.md"
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("sessions")]


def _named() -> dict[str, list[str]]:
    """What each section of the guide names in bold."""
    sections = re.split(r"^## (.+)$", _GUIDE.read_text(), flags=re.MULTILINE)[1:]
    pairs = zip(sections[::2], sections[1::2], strict=True)
    return {title: re.findall(r"\*\*(.+?)\*\*", text) for title, text in pairs}


def _see(where: Page | Locator, words: list[str]) -> None:
    assert words
    for each in words:
        where.get_by_text(each).filter(visible=True).first.wait_for()


def test_who_follows_the_guide_finds_what_it_names(context: BrowserContext, address: str, tmp_path: Path) -> None:
    named = _named()
    (tmp_path / "notes.txt").write_text("brought along")
    page = open_page(context, address)
    _see(page, named.pop("The page"))
    _see(page, named.pop("What to ask for"))
    _see(page, named.pop("With real money"))  # networks to choose from
    page.get_by_label("Name").fill("my-lab")
    page.get_by_label("Files to bring").fill(str(tmp_path / "notes.txt"))
    (start,) = named.pop("Start")
    page.get_by_role("button", name=start).click()

    card = page.get_by_role("article", name="my-lab", exact=True)
    open_it, extend, others = named.pop("Ready")
    card.get_by_role("link", name=open_it).wait_for(timeout=milliseconds(90))
    card.get_by_text(others).click()
    card.get_by_role("button", name=extend, exact=True).first.click()
    card.get_by_text("+1 h").first.wait_for()
    card.get_by_text("1 file").first.wait_for()

    abort, *past = dict.fromkeys(named.pop("The end"))
    card.get_by_role("button", name=abort, exact=True).click()
    card.get_by_role("button", name="Abort session").click()
    card.locator(".gl-badge", has_text="Ended").wait_for()
    page.reload()
    _see(page.locator(".gl-past"), past)
    (go_on,) = [words for words in past if words == "Continue"]
    page.get_by_role("article", name="my-lab", exact=True).get_by_role("button", name=go_on).click()
    again = page.get_by_role("article", name="my-lab-2")
    again.get_by_role("link", name=open_it).wait_for(timeout=milliseconds(90))
    again.get_by_role("button", name=abort, exact=True).click()
    again.get_by_role("button", name="Abort session").click()
    again.locator(".gl-badge", has_text="Ended").wait_for()
    assert [title for title, words in named.items() if words] == []  # no section is left out
