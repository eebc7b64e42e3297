"""What a running session's card says of its notebooks' variables, of a move to another machine, and of a standby."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from golem_launcher.events import EndsSoon, LabAsks, now
from golem_launcher.session_state import KeptVariables, MoveState, Saving, StandbyState
from tests.browser.conftest import new_context, open_page
from tests.ui.made import GOOD_START, change, make_session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.usefixtures("sessions")


@pytest.fixture
def page(chromium: Browser, address: str) -> Iterator[Page]:
    with new_context(chromium) as context:
        yield open_page(context, address)


def test_variables_are_named_and_a_move_is_told(page: Page) -> None:
    kept = KeptVariables(
        notebook="train.ipynb",
        names=(("a", 100_000_000), ("df", 48_000_000), ("f", 0)),
        count=3,
        bytes=148_000_000,
        lost=(("log", "an open file"), ("<b>bold</b>", "a lock")),
        lost_count=2,
    )
    move = MoveState(stage="preparing", provider_name="large", price_per_hour=Decimal("0.5"))
    directory = make_session("training", GOOD_START, variables=(kept,), move=move)
    card = page.get_by_role("article", name="training")
    card.get_by_text("large is made ready, to go on there; all goes on here meanwhile.").wait_for()
    assert card.get_by_role("button", name="Stay here").is_visible()
    assert card.get_by_role("button", name="Move now").count() == 0  # there is nothing to hurry yet
    change(directory, move=move.model_copy(update={"stage": "waiting"}))
    card.get_by_role("button", name="Move now").click()
    card.get_by_text("Cells that run end.").wait_for()
    change(directory, move=move.model_copy(update={"stage": "switching"}))
    card.get_by_text("The session goes over to large.").wait_for()
    assert card.locator(".gl-badge").inner_text() == "Moving"
    assert card.get_by_role("button", name="Stay here").count() == 0
    card.get_by_text("Variables kept", exact=True).click()
    card.get_by_text(
        "train.ipynb: 3 variables kept, 141.1 MiB (a 95.4 MiB, df 45.8 MiB, f); not kept: log (an open file), "
        "<b>bold</b> (a lock)"
    ).wait_for()
    if "GOLEM_LAUNCHER_LOOK" in os.environ:
        card.screenshot(path=os.environ["GOLEM_LAUNCHER_LOOK"])


def test_a_standby_is_shown_with_how_far_it_is_behind_and_its_price(page: Page) -> None:
    at = now() - timedelta(seconds=12)
    saving = Saving(workspace="safe", generation=3, saved_at=now(), files=3, bytes=10)
    newcomer = {"provider_name": "<b>ben</b>", "price_per_hour": Decimal("0.5")}
    standby = StandbyState(stage="ready", generation=2, saved_at=at, **newcomer)
    directory = make_session("safe", GOOD_START, saving=saving, standby=standby)
    card = page.get_by_role("article", name="safe")
    shown = card.get_by_text(
        re.compile(r"^Standby at <b>ben</b>, \d+ (s|min) behind · 0\.5 of the 0\.\d+ tGLM an hour$")
    )
    shown.wait_for()
    if "GOLEM_LAUNCHER_LOOK" in os.environ:
        card.screenshot(path=os.environ["GOLEM_LAUNCHER_LOOK"])
    change(directory, standby=StandbyState(reason="Nobody else fits."))
    card.get_by_text("Standby: none at present. Nobody else fits.", exact=True).wait_for()


def test_a_toast_goes_with_its_cause(page: Page) -> None:
    asks = LabAsks(what="gpu")
    directory = make_session("asking", GOOD_START)
    page.get_by_role("article", name="asking").wait_for()
    toasts = page.locator(".gl-toast", has_text="asking")
    for asked in (LabAsks(what="end"), asks):
        change(directory, asked=asked)
        directory.append_event(asked)
        toasts.filter(has_text=asked.line).wait_for()
    assert toasts.count() == 1  # the later one stands in the place of the other
    change(directory, asked=None)
    toasts.wait_for(state="detached")

    ends, budget = now() + timedelta(minutes=9), Decimal("0.5")
    change(directory, deadline=ends, budget=budget)
    page.get_by_role("article", name="asking").get_by_text("0.0076 of 0.5 tGLM").wait_for()
    directory.append_event(EndsSoon(minutes=10, why="time"))
    directory.append_event(EndsSoon(minutes=2, why="money"))
    toasts.filter(has_text="Its time is over in less than 10 minutes.").wait_for()
    toasts.filter(has_text="Its budget is used up in less than 2 minutes.").wait_for()
    change(directory, deadline=ends + timedelta(hours=1))
    toasts.filter(has_text="Its time is over").wait_for(state="detached")
    assert toasts.count() == 1
    change(directory, budget=2 * budget)
    toasts.wait_for(state="detached")


def test_more_hours_than_the_provider_can_be_kept_are_not_promised(page: Page) -> None:
    ends = now() + timedelta(hours=1)
    make_session("longer", GOOD_START, deadline=ends, extendable_until=ends + timedelta(hours=3))
    card = page.get_by_role("article", name="longer")
    card.get_by_role("button", name="Extend", exact=True).click()
    card.get_by_label("Hours more").fill("9")
    card.get_by_text("That is longer than this provider can be kept.").wait_for()
    assert card.locator(".gl-extend-send").is_disabled()
    card.get_by_label("Hours more").fill("2")
    card.get_by_text("It ends at").wait_for()
    assert card.locator(".gl-extend-send").is_enabled()
