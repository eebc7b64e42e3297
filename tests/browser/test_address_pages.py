"""What is shown at a session's address while its Lab does not answer there, whatever the theme and the width."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from golem_launcher import files, paths
from golem_launcher.access.origin_policy import html_page, leaving_page
from golem_launcher.events import Progress, Stage, now
from golem_launcher.processes import ProcessRecord
from golem_launcher.session.on_disk import parked_address
from golem_launcher.session.on_disk.parked_address import told_at_end
from golem_launcher.session.suspension import caretaker_process
from golem_launcher.session_state import Saving
from tests.browser.axe import check_in_both_schemes
from tests.browser.conftest import new_context
from tests.session.suspension.test_caretaker import wait
from tests.session.suspension.test_suspension import suspended
from tests.ui.made import change

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from golem_launcher.session.on_disk.directory import SessionDirectory

_LONGEST_NAME = "protein-folding-of-the-long-night-shifts"
_SAVED = Saving(workspace=_LONGEST_NAME, generation=41, saved_at=now(), interval=5, files=48, bytes=13_200_000)


@pytest.fixture
def page(chromium: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    """A page, and a launcher's directory of its own; no caretaker is left there."""
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    with new_context(chromium, strict=False) as context:  # Chromium calls an answer of another status an error
        yield context.new_page()
    parked_address.leave_ended()
    caretaker_process.end()


def _answered(directory: SessionDirectory) -> str:
    """The link of the session in ``directory``, at whose address the caretaker answers by now."""
    caretaker_process.begin(os.environ)
    wait(str(directory.state().address), answers=True)
    return str(directory.url())


def _led_to(page: Page, url: str) -> None:
    """By another page, so that it is asked before anything is woken up."""
    page.goto("about:blank")
    page.evaluate("url => { location.href = url; }", url)


def _check(page: Page, name: str) -> None:
    check_in_both_schemes(page, page.locator("body"), name)


def test_it_asks_says_how_far_it_is_and_why_it_did_not_wake_up(page: Page) -> None:
    directory = suspended(_LONGEST_NAME, hours_left=-1, cost="1.3", price="0.3")
    url = _answered(directory)
    page.goto(url)
    button = page.get_by_role("button", name="Wake up for 2 h")
    expect(button).to_be_enabled()
    expect(page.get_by_role("button")).to_have_count(2)  # for five hours the money does not reach
    _check(page, "waking-hours")
    state = directory.state()
    (directory.path / "state.json").write_text("{")
    button.click()
    page.get_by_role("alert").get_by_text("is damaged").wait_for()
    expect(button).to_be_enabled()
    _check(page, "waking-failed")

    files.write_json(directory.path / "supervisor.json", ProcessRecord.of(os.getpid()).to_json())
    progress = Progress(what="Installing scikit-learn", done=3, total=12, unit="packages")
    directory.write_state(state.model_copy(update={"stage": Stage.STARTING, "progress": progress, "created_at": now()}))
    page.get_by_text(re.compile(r"^25 %, \d+ s. The last start took 40 s.$")).wait_for()
    expect(page.get_by_role("status")).to_have_text("Installing scikit-learn …")  # it reads out no seconds
    _check(page, "waking")

    (directory.path / "supervisor.json").unlink()
    parked_address.leave(directory.path)
    page.get_by_role("heading", name="does not answer").wait_for()
    _check(page, "waking-silent")


def test_without_money_it_says_where_it_is_given_more_and_has_nothing_to_press(page: Page) -> None:
    page.goto(_answered(suspended(_LONGEST_NAME, cost="2")))
    page.get_by_text("Its budget is used up: 0 of 2 tGLM is left.").wait_for()
    expect(page.get_by_role("button")).to_have_count(0)
    _check(page, "waking-no-money")


def test_who_is_led_there_is_asked_and_a_stranger_is_told_of_its_link(page: Page) -> None:
    url = _answered(suspended(_LONGEST_NAME))
    _led_to(page, url)
    expect(page.get_by_role("button", name="Wake up")).to_be_enabled()
    _check(page, "waking-asks")
    page.goto(re.sub("token=.*", "", url))
    page.get_by_text("Its own link wakes it up").wait_for()
    _check(page, "waking-stranger")


def test_a_session_that_has_ended_says_where_its_files_are(page: Page) -> None:
    directory = suspended(_LONGEST_NAME)
    change(directory, stage=Stage.ENDED, reason="The time was up.", saving=_SAVED)
    state = directory.state()
    parked_address.park(directory.path, parked_address.of_ended(str(state.address), told_at_end(state)))
    page.goto(_answered(directory))
    page.get_by_role("heading", name="This session has ended").wait_for()
    page.get_by_text(f"golem-launcher start --resume {_LONGEST_NAME}").wait_for()
    expect(page.get_by_text("typed here")).to_have_count(0)  # nobody can, on this page
    _check(page, "ended")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("leaving", leaving_page(f"https://elsewhere.example/{'deep' * 40}?q=1")),
        ("coming-back", html_page("One moment", "<p>The session comes back.</p>", again_seconds=60)),
    ],
)
def test_other_pages_of_a_session_hold(page: Page, name: str, shown: bytes) -> None:
    page.set_content(shown.decode())
    _check(page, name)
