"""A card in the states that are rare, at three widths and in both themes: nothing for axe to find, nothing cut off."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from golem_launcher.events import LabAsks, Stage, Usage, now
from golem_launcher.session.on_disk import view_only_link
from golem_launcher.session_state import KeptVariables, MachineState, MoveState, Saving, StandbyState
from tests.browser.axe import check_in_both_schemes
from tests.browser.conftest import new_context, open_page
from tests.ui.made import GOOD_START, change, make_session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("sessions")]

_SAVED = Saving(workspace="figures", generation=41, saved_at=now(), interval=5, files=48, bytes=13_200_000)
_STAKE = "Not saved as they are: big.bin (the workspace has 114.4 MiB, and 102.4 MiB were asked for)."
_ANOTHER: dict[str, Any] = {"provider_name": "cellar", "price_per_hour": Decimal("0.12")}
_KEPT = KeptVariables(
    notebook="deep/in/a/folder/train.ipynb",
    names=(("weights", 100_000_000), ("frame", 48_000_000), ("f", 0)),
    count=3,
    bytes=148_000_000,
    lost=(("log", "an open file"),),
    lost_count=1,
)


def _machines(count: int) -> tuple[MachineState, ...]:
    usage = Usage(cpu_percent=37, memory_bytes=2_100_000_000)
    return tuple(
        MachineState(
            number=number,
            provider_name=f"a-provider-of-a-long-name-{number}",
            stage=Stage.READY if number < count else Stage.DEPLOYING,
            ip=f"192.168.100.{number}",
            usage=usage,
            lost=number // 3,
        )
        for number in range(1, count + 1)
    )


_STATES: dict[str, tuple[str, dict[str, Any]]] = {
    "suspended": (
        "Wake up",
        {"stages": (*GOOD_START, Stage.SAVING, Stage.STOPPING, Stage.SUSPENDED), "alive": False, "saving": _SAVED},
    ),
    "moving": (
        "as soon as no cell runs",
        {"move": MoveState(stage="waiting", **_ANOTHER), "variables": (_KEPT,), "saving": _SAVED},
    ),
    "standby": (
        "Standby at cellar",
        {"standby": StandbyState(stage="ready", generation=40, saved_at=now(), **_ANOTHER), "saving": _SAVED},
    ),
    "several": ("a-provider-of-a-long-name-5", {"machines": _machines(5), "saving": _SAVED}),
    "asked": ("The Lab asks for a machine with a GPU.", {"asked": LabAsks(what="gpu"), "saving": _SAVED}),
    "troubled": ("Not answering", {"trouble": "JupyterLab does not answer.", "saving": _SAVED, "unsaved": 2}),
    "at-stake": (
        "Not ended",
        {
            "not_ended": f"Not ended: {_STAKE} It goes on until 14:05.",
            "saving": _SAVED.model_copy(update={"at_stake": 1, "left_out": 1, "problem": _STAKE}),
        },
    ),
    "unused": (
        "Keep it running",
        {"idle": "Nothing has happened here for 58 min.", "idle_ends_at": now() + timedelta(minutes=2)},
    ),
}


@pytest.fixture(scope="module")
def page(chromium: Browser, address: str) -> Iterator[Page]:
    with new_context(chromium) as context:
        yield open_page(context, address)


@pytest.mark.parametrize("state", _STATES)
def test_a_card_holds(page: Page, state: str) -> None:
    words, values = _STATES[state]
    changed = {"asked": values.pop("asked")} if "asked" in values else {}
    change(make_session(state, **values), **changed)
    card = page.get_by_role("article", name=state)
    card.get_by_text(words).first.wait_for()
    page.locator(".gl-session details:not(.gl-log-box) > summary").evaluate_all(
        "all => all.forEach((one) => one.click())"
    )
    check_in_both_schemes(page, card, f"state-{state}")


def test_a_card_tells_its_view_only_link(page: Page) -> None:
    directory = make_session("shared", saving=_SAVED)
    card = page.get_by_role("article", name="shared")
    card.get_by_text("Other ways in").click()
    card.get_by_role("button", name="Make a view-only link").wait_for()
    link = view_only_link.made("http://127.9.8.6:8000")
    view_only_link.write(directory.path, link)
    change(directory, shared=True)
    card.get_by_text(link.url).wait_for()
    check_in_both_schemes(page, card, "state-shared")
    change(directory, shared=False)
    card.get_by_role("button", name="Make a view-only link").wait_for()
    assert not card.get_by_text(link.url).count()
