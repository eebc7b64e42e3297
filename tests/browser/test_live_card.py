"""What a running session's card says of its notebooks' variables, and of a move to another machine."""

from __future__ import annotations

import os
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from golem_launcher.events import KeptVariables, MoveState
from tests.browser.conftest import new_context, open_page
from tests.ui.made import GOOD_START, make_session

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
    make_session("training", GOOD_START, variables=(kept,), move=move)
    card = page.get_by_role("article", name="training")
    card.get_by_text("large is made ready, to go on there; all goes on here meanwhile.").wait_for()
    card.get_by_text("Variables kept", exact=True).click()
    card.get_by_text(
        "train.ipynb: 3 variables kept, 148.0 MB (a 100.0 MB, df 48.0 MB, f); not kept: log (an open file), "
        "<b>bold</b> (a lock)"
    ).wait_for()
    if "GOLEM_LAUNCHER_LOOK" in os.environ:
        card.screenshot(path=os.environ["GOLEM_LAUNCHER_LOOK"])
