"""From the button to a cell executed in the provider, and back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import new_context, open_page
from tests.patience import milliseconds

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Request

PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGhTnGXqrDVJoOrm0OaMTQyZ7F2VgVQXLFVb3KHZcBk8 me@home"
FROM_HERE = re.compile(r"/(static|extensions|themes)/.*[./][0-9a-f]{16,20}[.?]")
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("sessions")]


def test_start_run_a_cell_reload_abort(chromium: Browser, address: str) -> None:
    with new_context(chromium) as context:
        page = open_page(context, address)
        page.get_by_label("Name").fill("first")
        page.locator("summary", has_text="Advanced").click()
        page.get_by_label("Public SSH key").fill(PUBLIC)
        page.get_by_role("button", name="Start JupyterLab on Golem").click()
        card = page.get_by_role("article", name="first")
        link = card.get_by_role("link", name="Open JupyterLab")
        link.wait_for(timeout=milliseconds(90))
        lab = link.get_attribute("href")
        assert lab
        assert page.get_by_label("Name").input_value() != "first"

        with new_context(chromium, strict=False) as other:  # its errors and requests are JupyterLab's
            tab = other.new_page()
            answered: list[Request] = []
            tab.on("requestfinished", lambda request: answered.append(request))  # noqa: PLW0108 - Playwright marks what it calls
            tab.goto(lab)
            tab.locator(".jp-LauncherCard[data-category=Notebook]").first.click()
            tab.get_by_text("| Idle").wait_for()
            tab.locator(".jp-CodeCell .cm-content").first.click()
            tab.keyboard.type("print(6 * 7)")
            tab.keyboard.press("Shift+Enter")
            tab.locator(".jp-OutputArea-output", has_text="42").wait_for()
            # What the launcher's own JupyterLab has comes from here: less than 1 MB went through the VPN.
            theirs = [request for request in answered if not FROM_HERE.search(request.url)]
            assert 0 < sum(sum(request.sizes().values()) for request in theirs) < 1_000_000
            assert len(answered) - len(theirs) > 40

        page.reload()
        link.wait_for()
        assert link.get_attribute("href") == lab
        card.get_by_text("Other ways in").click()
        line = card.get_by_label("JupyterLab at http://localhost:8888 by one line of ssh").inner_text()
        assert line.startswith("ssh -N -L 8888:localhost:8888 ")
        assert line.endswith(" golem-first")
        assert "websocat" in card.get_by_label("The same with websocat").inner_text()
        card.get_by_role("button", name="Abort", exact=True).click()
        card.get_by_role("button", name="Abort session").click()
        card.locator(".gl-badge", has_text="Ended").wait_for()

        # One click goes on: another session with the files of this one.
        card.get_by_role("button", name="Continue").click()
        second = page.get_by_role("article", name="first-2")
        link = second.get_by_role("link", name="Open JupyterLab")
        link.wait_for(timeout=milliseconds(90))
        address = link.get_attribute("href")
        assert address
        listed = page.context.request.get(address.replace("/lab?", "/api/contents?"))
        assert "Untitled.ipynb" in {one["name"] for one in listed.json()["content"]}
        second.get_by_role("button", name="Abort", exact=True).click()
        second.get_by_role("button", name="Abort session").click()
        second.locator(".gl-badge", has_text="Ended").wait_for()
