"""Past sessions: what a card says of a workspace that others share, and how the older ones of very many are found."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from golem_launcher.events import Stage, now
from golem_launcher.session.cleanup import housekeeping
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


def test_of_very_many_past_sessions_the_older_ones_are_found_by_search(page: Page) -> None:
    for number in range(1, 56):
        make_session(f"thesis-{number}", OVER, alive=False, age=90000.0 - number)
    housekeeping.tidy()
    past = page.get_by_role("region", name="Past sessions (55)")
    rows = past.get_by_role("article")
    expect(rows).to_have_count(3)
    past.get_by_role("button", name="Show the last 50; Search finds the others").click()
    expect(rows).to_have_count(50)
    search = past.get_by_label("Search", exact=True)
    search.fill("thesis-3")  # among the oldest, and among those that are here
    expect(past.get_by_role("article", name="thesis-3", exact=True)).to_be_visible()
    expect(past.get_by_role("article", name="thesis-35", exact=True)).to_be_visible()
    search.fill("nothing like it")
    past.get_by_text("None of them matches.").wait_for()
    past.get_by_role("button", name="Clear", exact=True).click()
    past.get_by_text("Take all 55 off this list?").wait_for()


def test_a_lone_button_is_on_the_line_of_the_name_where_it_is_narrow(page: Page) -> None:
    make_session("frames", OVER, alive=False, workload="tasks")
    make_session("starting", GOOD_START[:3])
    page.set_viewport_size({"width": 360, "height": 900})
    for name, label in (("frames", "Remove"), ("starting", "Abort")):
        card = page.get_by_role("article", name=name)
        button = card.get_by_role("button", name=label, exact=True)
        button.wait_for()
        title, place = card.get_by_role("heading", name=name).bounding_box(), button.bounding_box()
        assert title
        assert place
        assert place["y"] < title["y"] + title["height"]
        assert place["x"] > title["x"] + title["width"]


def test_what_comes_up_can_be_pressed_by_key_and_gives_the_place_on_the_page_back(page: Page) -> None:
    for name in ("first", "second"):
        make_session(name, OVER, alive=False)
    page.clock.install()
    for name in ("first", "second"):
        card = page.get_by_role("article", name=name)
        card.get_by_role("button", name="Remove", exact=True).press("Enter")
        card.get_by_role("button", name="Remove", exact=True).press("Enter")
        page.get_by_text(f"{name} was removed").wait_for()
    page.clock.fast_forward(60_000)  # who goes there by key is not as fast
    budget = page.locator(".gl-field-budget input")
    budget.focus()
    dismiss = page.get_by_role("button", name="Dismiss: second was removed")
    dismiss.focus()
    dismiss.press("Enter")
    undo = page.get_by_role("button", name="Undo")
    expect(undo).to_be_focused()
    undo.press("Enter")
    page.get_by_role("article", name="first").wait_for()
    expect(budget).to_be_focused()


def test_the_place_on_the_page_is_at_the_form_once_nothing_is_left_in_the_list(page: Page) -> None:
    for name in ("first", "second"):
        make_session(name, OVER, alive=False)
    form = page.get_by_role("heading", name="New session")
    clear = page.get_by_role("button", name="Clear", exact=True)
    clear.press("Enter")
    page.get_by_role("button", name="Clear the list").press("Enter")
    expect(form).to_be_focused()
    undo = page.get_by_role("button", name="Undo")
    undo.press("Enter")
    for name in ("second", "first"):
        remove = page.get_by_role("article", name=name).get_by_role("button", name="Remove", exact=True)
        remove.press("Enter")
        remove.press("Enter")
        page.get_by_text(f"{name} was removed").wait_for()
    expect(form).to_be_focused()
