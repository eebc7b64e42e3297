"""What the page does when messages are lost, the connection breaks, the computer sleeps or the kernel dies."""

from __future__ import annotations

import json
import os
import re
import time
from decimal import Decimal
from typing import TYPE_CHECKING

import psutil
import pytest

from golem_launcher.events import Stage
from tests.browser.conftest import KERNEL, new_context, open_page
from tests.patience import slower
from tests.ui.made import change, make_session, say, write_lab_log

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, Page, WebSocketRoute

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("sessions")]

_CUSTOM = re.compile(rb'"method": ?"custom"')
_UPDATE = re.compile(rb'"method": ?"update"')


class _Line:
    """A page's connection to its kernel, through which only what ``passes`` comes."""

    def __init__(self, context: BrowserContext) -> None:
        self.passes: Callable[[bytes], bool] = lambda _message: True
        self.lost: list[bytes] = []
        self._whole = True
        self._pages: list[WebSocketRoute] = []
        context.route_web_socket(re.compile("/channels"), self._connect)

    def cut(self) -> None:
        """Break it, and let nobody connect."""
        self._whole = False
        for page in self._pages:
            page.close(code=1001)
        self._pages.clear()

    def mend(self) -> None:
        self._whole = True

    def _connect(self, page: WebSocketRoute) -> None:
        if not self._whole:
            page.close(code=1001)
            return
        self._pages.append(page)
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
        page.locator(".gl-price").get_by_text("3 machines fit").wait_for()
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


_LATE = """
import time
from pathlib import Path
from golem_launcher.ui.common import deferred_imports

def wait():
    while not Path({go!r}).exists():
        time.sleep(0.01)

deferred_imports._thread.submit(wait)

from golem_launcher.ui import Launcher
Launcher()
"""


def test_a_page_whose_kernel_loads_for_longer_than_the_browser_comes_all_the_same(
    chromium: Browser, address: str, home: Path, tmp_path: Path
) -> None:
    """As on a busy machine: the views ask when nobody can answer yet; and what is then said first does not arrive."""
    make_session("mine")
    go = tmp_path / "go"
    cell = {"cell_type": "code", "id": "page", "metadata": {}, "execution_count": None, "outputs": []}
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata}
    late = home / "page" / "served" / "late.ipynb"
    late.write_text(json.dumps({**notebook, "cells": [{**cell, "source": _LATE.format(go=str(go))}]}))
    try:
        with new_context(chromium) as context:
            line = _Line(context)
            page = context.new_page()
            page.goto(address.replace("launcher.ipynb", late.name))
            page.get_by_text("Loading …").wait_for()
            line.passes = lambda data: len(line.lost) >= 8 or not (_CUSTOM.search(data) or _UPDATE.search(data))
            go.touch()
            page.get_by_role("article", name="mine").wait_for()
            page.get_by_role("button", name="Start JupyterLab on Golem").wait_for()
            page.locator(".gl-price").get_by_text("3 machines fit").wait_for()
            page.locator(".gl-status[data-state=up]").wait_for()
            assert page.get_by_text("Loading …").count() == 0
            assert len(line.lost) == 8
    finally:
        late.unlink()


def test_a_connection_that_breaks_is_said_and_what_was_missed_comes_when_it_is_back(
    chromium: Browser, address: str
) -> None:
    directory = make_session("mine")
    say(directory, "before")
    with new_context(chromium) as context:
        line = _Line(context)
        page = open_page(context, address)
        _shows(page, "before")
        lost = page.get_by_text("This page lost its connection.")

        page.context.set_offline(True)
        line.cut()
        lost.wait_for()
        say(directory, "while it was away")
        change(directory, cost=Decimal("0.5"))
        page.context.set_offline(False)  # the browser says so, and the page tries at once
        line.mend()
        _shows(page, "while it was away")
        page.get_by_role("article", name="mine").get_by_text("0.5 of 1 tGLM").wait_for()
        lost.wait_for(state="hidden")
        context.complaints.clear()  # type: ignore[attr-defined]  # the browser's own about the connection


def test_a_page_that_was_frozen_shows_what_it_missed(page: Page, context: BrowserContext) -> None:
    """As in a tab that nobody looked at for long, or on a laptop that slept."""
    directory = make_session("mine")
    say(directory, "before")
    _shows(page, "before")
    browser = context.new_cdp_session(page)
    browser.send("Page.setWebLifecycleState", {"state": "frozen"})
    say(directory, "while it was frozen")
    change(directory, stage=Stage.STOPPING)
    browser.send("Page.setWebLifecycleState", {"state": "active"})
    page.locator(".gl-badge", has_text="Stopping").wait_for()
    page.get_by_role("article", name="mine").get_by_text("while it was frozen").wait_for()


def test_a_page_whose_kernel_was_killed_says_so_and_a_reload_brings_the_same(
    page: Page, context: BrowserContext
) -> None:
    directory = make_session("mine")
    say(directory, "before")
    _shows(page, "before")
    kernel = page.evaluate(KERNEL)
    process = next(one for one in psutil.process_iter(["cmdline"]) if kernel in " ".join(one.info["cmdline"] or []))
    process.kill()
    page.get_by_text("This page lost its connection.").wait_for()
    say(directory, "after")
    page.get_by_role("button", name="Reload").click()
    _shows(page, "after")
    _shows(page, "before")
    assert page.get_by_text("This page lost its connection.").is_hidden()
    context.complaints.clear()  # type: ignore[attr-defined]  # Voilà's own about the lost kernel


def test_uploads_outlive_a_reload(chromium: Browser, address: str, home: Path, tmp_path: Path) -> None:
    data = os.urandom(9_000_000)
    (tmp_path / "whole.bin").write_bytes(b"whole")
    (tmp_path / "big.bin").write_bytes(data)
    with new_context(chromium) as context:
        asked: list[str] = []
        context.on("dialog", lambda dialog: asked.append(dialog.type))
        line = _Line(context)
        page = open_page(context, address)
        page.get_by_label("Name").click()  # browsers ask only those who have touched the page
        picker = page.get_by_label("Upload files")
        files = page.locator(".gl-upload")
        line.passes = lambda data: b'"at":4194304' not in data
        picker.set_input_files([tmp_path / "whole.bin", tmp_path / "big.bin"])
        files.filter(has_text="whole.bin").get_by_role("button", name="Remove").wait_for()
        files.filter(has_text="4.0 of 8.6 MiB (46 %)").wait_for()
        page.reload()
        assert asked == ["beforeunload"]

        line.passes = lambda _message: True
        files.filter(has_text="4.0 of 8.6 MiB is here: add it again to go on").wait_for()
        page.get_by_role("button", name="Start JupyterLab on Golem").click()
        page.get_by_text("Some files are only partly here").wait_for()
        picker.set_input_files([tmp_path / "big.bin"])
        arrived = page.locator(".gl-upload-state", has_text=re.compile(r"^8\.6 MiB$"))
        files.filter(has_text="big.bin").filter(has=arrived).get_by_role("button", name="Remove").wait_for()
        assert files.count() == 2
        page.locator(".gl-share pre", has_text="whole.bin").filter(has_text="big.bin").first.wait_for(state="attached")
        assert next(home.glob("uploads/*/big.bin")).read_bytes() == data
        page.reload()
        assert asked == ["beforeunload"]
        files.filter(has_text="big.bin").get_by_role("button", name="Remove").click()
        files.filter(has_text="whole.bin").get_by_role("button", name="Remove").click()
        files.first.wait_for(state="detached")
        # the kernel heard of it, and the next test finds nothing of this one
        page.locator(".gl-share pre:not(:has-text('--input'))").wait_for(state="attached")
        end = time.monotonic() + 20 * slower()
        while list(home.glob("uploads/*/*")) and time.monotonic() < end:
            page.wait_for_timeout(50)
        assert list(home.glob("uploads/*/*")) == []
