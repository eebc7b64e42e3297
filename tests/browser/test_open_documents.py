"""What is typed in an open tab of the Lab: in a generation soon, and before every end; the Lab says that it is over.

``make soak`` tries more kinds of ends.
"""

from __future__ import annotations

import json
import os
import re
import signal
import time
import zipfile
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from golem_launcher.events import Stage
from golem_launcher.session import client
from golem_launcher.session.on_disk import liveness
from golem_launcher.session.on_disk.directory import session_directory
from tests.browser.conftest import new_context, program
from tests.networks import own_network
from tests.patience import slower

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from playwright.sync_api import Browser, Page, Route

    from golem_launcher.session.on_disk.directory import SessionDirectory

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("sessions")]
_SECONDS = 180
_TEXT = re.compile(r"/api/contents/untitled\.txt")
_AUTOSAVE_OFF = {"raw": '{"autosave": false}'}
_SETTINGS = "lab/api/settings/@jupyterlab/docmanager-extension:plugin"


@contextmanager
def _lab(chromium: Browser, name: str, **asked: str) -> Iterator[tuple[SessionDirectory, Page]]:
    """A session's Lab with an empty notebook and an empty text file open."""
    options = [f"--{key.replace('_', '-')}={value}" for key, value in asked.items()]
    started = program("start", "--name", name, *options, "--wait")
    assert started.returncode == 0, started.stderr
    directory = session_directory(name)
    try:
        with new_context(chromium, strict=False) as context:
            page = context.new_page()
            page.goto(directory.url())
            page.locator(".jp-LauncherCard[data-category=Notebook]").first.click()
            page.get_by_text("| Idle").wait_for()
            page.locator(".lm-TabBar-addButton:visible").first.click()
            page.locator(".jp-LauncherCard", has_text="Text File").click()
            page.locator(".jp-FileEditor .cm-content").wait_for()
            yield directory, page
    finally:
        client.stop(name, force=True)


def _type(page: Page, *, cell: str, text: str) -> None:
    page.locator(".lm-TabBar-tab", has_text="Untitled.ipynb").first.click()
    page.locator(".jp-CodeCell .cm-content").first.click()
    page.keyboard.insert_text(cell)  # at once: a Lab that is restored may take the focus in the middle of a word
    page.locator(".lm-TabBar-tab", has_text="untitled.txt").first.click()
    page.locator(".jp-FileEditor .cm-content").click()
    page.keyboard.insert_text(text)


def _saved(directory: SessionDirectory, place: Path) -> dict[str, str]:
    """The files of the newest generation."""
    target = place / f"{time.monotonic_ns()}.zip"
    told = program("results", directory.name, "-o", str(target))
    assert told.returncode == 0, told.stderr
    with zipfile.ZipFile(target) as found:
        return {name: found.read(name).decode(errors="replace") for name in found.namelist()}


def _until_saved(directory: SessionDirectory, page: Page, place: Path, *, cell: str, text: str) -> None:
    began, found = time.monotonic(), {}
    while time.monotonic() - began < _SECONDS:
        saving = directory.state().saving
        if saving is not None and saving.generation is not None:
            found = _saved(directory, place)
            if found.get("untitled.txt") == text and cell in found.get("Untitled.ipynb", ""):
                return
    asked = page.locator(".jp-Dialog").all_inner_texts()
    pytest.fail(f"what was typed is in no generation; the last has {found}, the Lab asks {asked}")


def _is_over(page: Page) -> str:
    """What the Lab says once the session has ended; it says nothing else."""
    dialog = page.locator(".jp-Dialog", has_text="This session has ended")
    dialog.wait_for()
    assert page.locator(".jp-Dialog").count() == 1
    return dialog.inner_text()


def test_what_was_typed_is_saved_soon_and_before_stop(chromium: Browser, home: Path, tmp_path: Path) -> None:
    del home
    with _lab(chromium, "typed") as (directory, page):
        _type(page, cell="soon = 1", text="soon")
        _until_saved(directory, page, tmp_path, cell="soon = 1", text="soon")
        page.keyboard.press("Control+s")
        page.wait_for_timeout(1000)
        assert page.locator(".jp-Dialog").count() == 0  # no question about a name
        assert page.get_by_text("official Jupyter news").count() == 0

        _type(page, cell="; last = 2", text=" and last")
        assert program("stop", directory.name).returncode == 0
        found = _saved(directory, tmp_path)
        assert sorted(found["untitled.txt"].split()) == ["and", "last", "soon"]
        assert "last = 2" in found["Untitled.ipynb"]
        told = _is_over(page)
        assert "Stopped as asked." in told
        assert "golem-launcher start --resume typed" in told
        page.wait_for_timeout(3000)  # JupyterLab notices by now that nobody answers
        assert _is_over(page) == told


def test_what_is_typed_while_a_document_is_saved_is_saved_next(chromium: Browser, home: Path, tmp_path: Path) -> None:
    """JupyterLab alone takes it for saved, until the next key."""
    del home
    held: list[Route] = []

    def hold(route: Route) -> None:
        if route.request.method == "PUT" and not held:
            held.append(route)
        else:
            route.continue_()

    with _lab(chromium, "meanwhile") as (directory, page):
        page.route(_TEXT, hold)
        with page.expect_request(lambda request: request.method == "PUT" and _TEXT.search(request.url) is not None):
            _type(page, cell="1", text="first")
        page.keyboard.insert_text(" and meanwhile")
        held[0].continue_()
        page.unroute(_TEXT)
        _until_saved(directory, page, tmp_path, cell="1", text="first and meanwhile")


def _by_itself(directory: SessionDirectory) -> None:
    deadline = directory.state().deadline
    assert deadline is not None
    client.wait_for(directory, lambda state: state.stage.final, (deadline - datetime.now(UTC)).total_seconds())


def _by_signal(directory: SessionDirectory) -> None:
    supervisor = liveness.supervisor(directory)
    assert supervisor is not None
    os.kill(supervisor.pid, signal.SIGTERM)


def _by_down(_directory: SessionDirectory) -> None:
    assert program("down").returncode == 0


@dataclass(frozen=True)
class _End:
    """A way for a session to end."""

    comes: Callable[[SessionDirectory], None]
    reason: str
    asked: Mapping[str, str] = field(default_factory=lambda: {"hours": "1"})
    network: str = ""
    """The description of a network of its own."""


_TIME = _End(_by_itself, "The time that was asked for is over.", {"hours": f"{0.035 * slower():.3f}"})
_MONEY = _End(
    _by_itself,
    "The budget of 0.18 tGLM is used up.",  # half a minute before it pays no more, so before the time is over
    {"hours": "0.05", "budget": "0.18"},
    "[[provider]]\nname = 'clock'\nmemory_gib = 4\nprice_hour = 3.6\nprice_cpu_hour = 0",
)
_SIGNAL = _End(_by_signal, "Stopped as asked.")
_DOWN = _End(_by_down, "Stopped as asked.")


@pytest.mark.parametrize("end", [_SIGNAL, _TIME, _MONEY, _DOWN] if "GOLEM_LAUNCHER_SOAK" in os.environ else [_SIGNAL])
def test_an_end_saves_even_what_the_user_wants_to_save_by_hand(
    chromium: Browser, home: Path, tmp_path: Path, end: _End
) -> None:
    del home
    network = own_network(tmp_path, end.network) if end.network else nullcontext()
    with network, _lab(chromium, "by-hand", **end.asked) as (directory, page):
        url = directory.url()
        assert url is not None
        answer = page.request.put(
            url.partition("lab?")[0] + _SETTINGS,
            headers={"Authorization": f"token {directory.token()}"},
            data=json.dumps(_AUTOSAVE_OFF),
        )
        assert answer.status == 204
        page.reload()
        page.locator("#jupyterlab-splash").wait_for(state="detached")  # it covers what is restored
        page.locator(".jp-FileEditor .cm-content").wait_for()
        _type(page, cell="by_hand = 1", text="by hand")
        assert client.wait_for(directory, lambda state: state.unsaved == 2, _SECONDS * slower()) is not None
        assert "unsaved changes" in program("show", directory.name).stdout
        end.comes(directory)
        state = client.wait_for(directory, lambda state: state.stage is Stage.ENDED, _SECONDS * slower())
        assert state is not None
        assert end.reason in state.reason
        found = _saved(directory, tmp_path)
        assert found["untitled.txt"] == "by hand"
        assert "by_hand = 1" in found["Untitled.ipynb"]
        assert end.reason in _is_over(page)
