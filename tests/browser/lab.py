"""A session's JupyterLab in the browser, as a person uses it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from golem_launcher.events import Stage
from golem_launcher.request import LaunchRequest
from golem_launcher.session import client
from tests.browser.conftest import new_context
from tests.patience import milliseconds, slower

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Locator, Page

    from golem_launcher.session.on_disk.directory import SessionDirectory

SECONDS = 180


@contextmanager
def session(name: str, **fields: Any) -> Iterator[SessionDirectory]:
    """A session that is ready, ended afterwards."""
    directory = client.start(LaunchRequest(name=name, memory_gib=2, disk_gib=2, **fields))
    try:
        state = client.wait_for(directory, lambda state: state.stage is Stage.READY, SECONDS * slower())
        assert state is not None, directory.supervisor_log.read_text()[-4000:]
        yield directory
    finally:
        client.stop(name, force=True)


@contextmanager
def lab(chromium: Browser, directory: SessionDirectory) -> Iterator[Page]:
    """Its Lab in a fresh profile, with nothing open yet."""
    with new_context(chromium, strict=False) as context:  # its errors and requests are JupyterLab's
        page = context.new_page()
        show(page, directory)
        yield page


def show(page: Page, directory: SessionDirectory) -> None:
    """Load the Lab, with nothing open."""
    page.goto(str(directory.url()).replace("/lab?", "/lab?reset&"))
    page.locator(".jp-LauncherCard").first.wait_for(timeout=milliseconds(SECONDS))


def new_notebook(page: Page) -> None:
    """Have a new notebook before one, and its kernel."""
    page.locator(".jp-LauncherCard[data-category=Notebook]").first.click(timeout=milliseconds(SECONDS))
    page.get_by_text("| Idle").wait_for(timeout=milliseconds(SECONDS))


def type_cell(page: Page, code: str) -> None:
    """Type code into the last cell and run it."""
    page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell .cm-content").last.click()
    page.keyboard.insert_text(code)
    page.keyboard.press("Shift+Enter")


def output(page: Page, text: str) -> Locator:
    """What shows ``text`` among the outputs; waits for it."""
    found = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-OutputArea-output", has_text=text).last
    found.wait_for(timeout=milliseconds(SECONDS))
    return found
