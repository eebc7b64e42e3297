"""What a past session's card says of the workspace that it shares with others."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from golem_launcher.events import Stage, now
from golem_launcher.session_state import Saving
from tests.browser.conftest import new_context, open_page
from tests.ui.made import GOOD_START, make_session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.usefixtures("sessions")

OVER = (*GOOD_START, Stage.STOPPING, Stage.ENDED)


@pytest.fixture
def page(chromium: Browser, address: str) -> Iterator[Page]:
    with new_context(chromium) as context:
        yield open_page(context, address)


def test_a_past_session_says_where_it_is_saved_and_who_saved_there_since(page: Page) -> None:
    for number, name in enumerate(("draft", "draft-2"), 1):
        saved = Saving(
            workspace="draft", generation=number, saved_at=now() + timedelta(minutes=number), files=3, bytes=10
        )
        make_session(name, OVER, alive=False, saving=saved)
    first = page.get_by_role("article", name="draft", exact=True)
    first.get_by_text(re.compile(r"^Newer saves exist, by 'draft-2' at .*: Continue takes those\.$")).wait_for()
    second = page.get_by_role("article", name="draft-2")
    second.get_by_text("Saved in the workspace 'draft'.", exact=True).wait_for()
    expect(second.get_by_role("button", name="Go on from its own last save")).to_have_count(0)

    # The workspace is not there: the refusal is said on the card, and nothing is started.
    first.get_by_role("button", name="Go on from its own last save").click()
    first.get_by_text("there is no saved workspace 'draft'").wait_for()
