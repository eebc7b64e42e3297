"""What the page does when messages are lost, the connection breaks, the computer sleeps or the kernel dies."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import new_context, open_page
from tests.ui.made import make_session, say, write_lab_log

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser, BrowserContext, Page, WebSocketRoute

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("sessions")]

_CUSTOM = re.compile(rb'"method": ?"custom"')
_UPDATE = re.compile(rb'"method": ?"update"')


class _Line:
    """A page's connection to its kernel, through which only what ``passes`` comes."""

    def __init__(self, context: BrowserContext) -> None:
        self.passes: Callable[[bytes], bool] = lambda _message: True
        self.lost: list[bytes] = []
        context.route_web_socket(re.compile("/channels"), self._connect)

    def _connect(self, page: WebSocketRoute) -> None:
        kernel = page.connect_to_server()
        page.on_message(lambda message: self._pass(message, kernel))
        kernel.on_message(lambda message: self._pass(message, page))

    def _pass(self, message: str | bytes, to: WebSocketRoute) -> None:
        data = message if isinstance(message, bytes) else message.encode()
        if self.passes(data):
            to.send(message)
        else:
            self.lost.append(data)


def _shows(page: Page, line: str) -> None:
    card = page.get_by_role("article", name="mine")
    card.get_by_role("link", name="Open JupyterLab").wait_for()
    card.get_by_text(line, exact=True).wait_for()


def test_messages_that_are_lost_at_the_start_are_not_missed(chromium: Browser, address: str) -> None:
    """As on a busy machine after a reload: whatever is said first, in either direction, does not arrive."""
    directory = make_session("mine")
    say(directory, "a line of the supervisor")
    with new_context(chromium) as context:
        line = _Line(context)
        line.passes = lambda data: len(line.lost) >= 8 or not (_CUSTOM.search(data) or _UPDATE.search(data))
        page = open_page(context, address)
        _shows(page, "a line of the supervisor")
        assert page.get_by_role("article", name="mine").get_by_text("a line of the supervisor").count() == 1
        page.locator(".gl-price").get_by_text("3 machines fit").wait_for(timeout=60_000)
        page.locator(".gl-share pre", has_text="golem-launcher start").first.wait_for(state="attached")
        assert len(line.lost) == 8

        # And an order: heard twice, answered twice, started once.
        line.lost.clear()
        line.passes = lambda data: bool(line.lost) or b'"kind": "refused"' not in data
        page.get_by_label("Name").fill("mine")
        page.get_by_role("button", name="Start JupyterLab on Golem").click()
        page.get_by_text("Choose another name").wait_for()
        assert len(line.lost) == 1

        # And lines of a log, with what else changed meanwhile: the first that arrives again brings all.
        line.lost.clear()
        line.passes = lambda data: bool(line.lost) or b'"kind": "log"' not in data
        write_lab_log(directory, "one that is lost")
        while not line.lost:
            page.wait_for_timeout(20)
        write_lab_log(directory, "one that arrives")
        _shows(page, "one that is lost")
        _shows(page, "one that arrives")
