"""The page of a suspended session: by what kind of press it wakes it up, and what it says when nobody answers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from golem_launcher import paths
from golem_launcher.session.on_disk import parked_address
from golem_launcher.session.suspension import caretaker_process
from tests.session.suspension.test_caretaker import wait
from tests.session.suspension.test_suspension import suspended

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

    from golem_launcher.session.on_disk.directory import SessionDirectory

_LOOKS_AWAY = "() => { document.hasFocus = () => false; dispatchEvent(new Event('blur')); }"
_LOOKS_AGAIN = "() => { document.hasFocus = () => true; dispatchEvent(new Event('focus')); }"


@pytest.fixture
def sleeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SessionDirectory]:
    """A suspended session whose page asks for how long it is to be woken up."""
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    directory = suspended(hours_left=-1)
    caretaker_process.begin(os.environ)
    wait(str(directory.state().address), answers=True)
    yield directory
    caretaker_process.end()


def test_it_takes_an_attentive_press_and_tells_when_nobody_is_there(
    chromium: Browser, sleeper: SessionDirectory
) -> None:
    page = chromium.new_page()
    page.clock.install()
    page.goto(str(sleeper.url()))
    button = page.get_by_role("button", name="Wake up for 1 h")
    page.clock.run_for(1100)
    expect(button).to_be_enabled()
    button.dispatch_event("click", {"detail": 2})
    page.evaluate(_LOOKS_AWAY)
    page.clock.run_for(2000)
    expect(button).to_be_disabled()
    page.evaluate(_LOOKS_AGAIN)
    page.clock.run_for(1100)
    expect(button).to_be_enabled()

    parked_address.leave(sleeper.path)
    wait(str(sleeper.state().address), answers=False)
    for _ in range(100):
        page.clock.run_for(1000)
        if page.get_by_role("heading", name="mine does not answer").count():
            break
    page.get_by_text("golem-launcher show mine").wait_for()
    page.close()
