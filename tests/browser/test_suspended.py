"""A session that was suspended, as its user comes back to it: by its link; and as a tab that was left open does not."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Error

from golem_launcher.events import Stage
from golem_launcher.session import client
from golem_launcher.session.on_disk import liveness
from golem_launcher.session.on_disk.directory import session_directory
from tests.browser import axe, lab
from tests.patience import milliseconds, slower

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from golem_launcher.session.on_disk.directory import SessionDirectory

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("sessions")]
_NAME = "sleeper"
_TRIES = """async () => {
  const here = location.href.replace("/lab", "/lab/tree");
  for (const mode of ["same-origin", "cors", "no-cors"]) await fetch(here, { mode }).catch(() => {});
  const found = [];
  for (const path of [here, "/lab", "/"]) {
    const text = await (await fetch(path)).text();
    found.push(text.includes("servicePath"));
    const frame = document.createElement("iframe");
    frame.src = path;
    document.body.append(frame);
    const opened = window.open(path);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    for (const other of [frame.contentWindow, opened]) {
      try {
        found.push(/servicePath/.test(other.document.documentElement.innerHTML));
        other.document.querySelector("button")?.click();
      } catch {
        found.push(false);
      }
    }
  }
  new WebSocket(location.href.replace("http", "ws"));
  return found;
}"""
"""What a stranger's script in the Lab's page can do: whether it finds what wakes the session up."""


def test_who_comes_back_wakes_it_up_and_a_tab_that_was_left_open_does_not(
    chromium: Browser, home: Path, pictures: Path
) -> None:
    del home
    with lab.session(_NAME, idle="12s", when_idle="suspend", save_seconds=1, hours=1) as directory:
        url = str(directory.url())
        with lab.lab(chromium, directory) as left_open:
            lab.new_notebook(left_open)
            lab.type_cell(left_open, "x = 41; print('set', x)")
            lab.output(left_open, "set 41")
            _is_suspended(directory)
            left_open.locator(".jp-Dialog", has_text="This session is suspended").wait_for()
            _is_answered_for(left_open)
            assert not any(left_open.evaluate(_TRIES))
            for page in left_open.context.pages[1:]:
                page.get_by_role("button", name="Wake up").wait_for()
                page.close()
            left_open.evaluate("location.reload()")
            left_open.get_by_role("button", name="Wake up").wait_for()
            left_open.wait_for_timeout(1500)
            assert not _runs()
            _comes_back(left_open, url, pictures)


def _is_suspended(directory: SessionDirectory) -> None:
    state = client.wait_for(directory, lambda state: state.stage.final, lab.SECONDS * slower())
    assert state is not None
    assert state.stage is Stage.SUSPENDED, state.reason


def _is_answered_for(page: Page) -> None:
    """Wait for the caretaker: for a moment nobody answers at the address."""
    end = time.monotonic() + lab.SECONDS * slower()
    while time.monotonic() < end:
        with contextlib.suppress(Error):
            if page.request.get(page.url).status == 503:
                return
        page.wait_for_timeout(200)
    pytest.fail("nobody answers")


def _runs() -> bool:
    return liveness.alive(session_directory(_NAME))


def _comes_back(page: Page, url: str, pictures: Path) -> None:
    """By the link, as typed: it wakes up, and its Lab has everything."""
    page.goto(url)
    page.get_by_role("heading", name="sleeper wakes up").wait_for()
    page.get_by_text("The last start took").wait_for()
    assert axe.found_by_axe(page) == []
    page.screenshot(path=pictures / "waking.png")
    page.locator(".jp-NotebookPanel, .jp-LauncherCard").first.wait_for(timeout=milliseconds(lab.SECONDS))
    assert _runs()
    page.get_by_text("| Idle").wait_for(timeout=milliseconds(lab.SECONDS))  # what is run before has no kernel
    lab.type_cell(page, "print('still', x + 1)")
    lab.output(page, "still 42")
