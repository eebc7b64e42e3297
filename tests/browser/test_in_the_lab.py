"""The session as its Lab shows it: time, money, saves and the machine; what is asked for there waits for the user."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Error

from golem_launcher.session import client
from tests.browser import lab
from tests.browser.conftest import open_page, program
from tests.patience import slower

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("sessions")]
_PANEL = ".golem-panel"


def test_the_lab_shows_its_session_and_asks_the_user(
    chromium: Browser, context: BrowserContext, address: str, home: Path, pictures: Path
) -> None:
    del home
    with lab.session("shown", hours="0.15") as directory, lab.lab(chromium, directory) as page:  # warned of at 10 min
        item = page.locator(".golem-item")
        page.locator(".golem-item", has_text="saved").wait_for()
        assert "min left" in item.inner_text()
        assert "of 1 tGLM" in item.inner_text()
        page.locator(".Toastify__toast", has_text="This session ends in less than 10 min: its time").wait_for()
        page.get_by_role("button", name="More time …").click()
        page.reload()
        page.locator(".golem-item", has_text="min left").click()
        panel = page.locator(_PANEL)
        panel.get_by_text("of 2.0 GiB", exact=False).first.wait_for()
        page.wait_for_timeout(1500)
        assert page.locator(".Toastify__toast", has_text="This session ends in").count() == 0  # it was seen before
        page.screenshot(path=pictures / "in-the-lab.png")

        panel.get_by_role("button", name="Save now").click()
        panel.get_by_text("Saving.").wait_for()

        deadline = directory.state().deadline
        panel.get_by_role("button", name="+1 h").click()
        panel.get_by_text("golem-launcher extend shown --hours 1").wait_for()
        state = client.wait_for(
            directory, lambda state: state.asked is not None, 60 * slower()
        )  # on the disk soon after
        assert state is not None
        assert state.asked is not None
        assert state.asked.hours == 1
        assert "golem-launcher extend shown --hours 1" in program("show", "shown").stdout

        launcher = open_page(context, address)
        launcher.locator(".gl-lab-asks", has_text="The Lab asks for 1 hour more.").wait_for()
        assert directory.state().deadline == deadline  # nobody has said yes yet
        launcher.locator(".gl-lab-yes").click()
        launcher.locator(".gl-extend-send").click()
        state = client.wait_for(directory, lambda state: state.deadline != deadline, 60 * slower())
        assert state is not None
        launcher.locator(".gl-lab-asks").wait_for(state="hidden")
        page.locator(".golem-item", has_text="1 h ").wait_for()

        client.stop("shown")
        page.locator(".golem-item", has_text="ended").wait_for()
        page.locator(".jp-Dialog", has_text="This session has ended").wait_for()
        told = _told_at(page)  # whoever reloads it
        assert "This session has ended" in told
        assert "golem-launcher start --resume shown" in told


def _told_at(page: Page) -> str:
    """What is answered at the page's address once its supervisor has gone."""
    end = time.monotonic() + lab.SECONDS * slower()
    while time.monotonic() < end:
        with contextlib.suppress(Error):  # for a moment nobody answers
            answer = page.request.get(page.url)
            if answer.status == 410:
                return answer.text()
        page.wait_for_timeout(200)
    pytest.fail("nobody says that it has ended")
