"""Open notebooks, their variables and the Lab's layout are there again, at another provider and in another session."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from golem_launcher.events import Stage
from golem_launcher.localnet import network as localnet
from golem_launcher.request import LaunchRequest
from golem_launcher.session import client
from golem_launcher.workspace.repository.store import open_store
from tests.browser.conftest import new_context
from tests.patience import slower
from tests.session import providers

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser, Page

    from golem_launcher.session.on_disk.directory import SessionDirectory
    from golem_launcher.session_state import SessionState

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("sessions")]
SECONDS = 180
_CELL = ".jp-CodeCell .cm-content"


def test_the_notebook_that_was_open_is_open_again(chromium: Browser) -> None:
    begun = _start("tabs")
    again = None
    try:
        with new_context(chromium, strict=False) as context:
            tab = context.new_page()
            tab.goto(str(begun.url()))
            tab.locator(".jp-LauncherCard[data-category=Notebook]").first.click()
            tab.get_by_text("| Idle").wait_for()
            _run(tab, "answer = 6 * 7; print(answer)", "42")
            tab.keyboard.press("Control+s")
            _until(begun, lambda _: _has_layout("tabs"))

            network = localnet.up()
            providers.terminate(network, providers.keys(network, len(network.state["providers"])), begun.state().head)
            _until(begun, lambda state: state.stage is Stage.READY and state.providers_lost == 1)
            # The page was never closed: it finds its notebook at the new provider, and a kernel after a word.
            _is_open(tab)
            tab.reload()
            _is_open(tab)
            tab.get_by_text("| Idle").wait_for()
            _run(tab, "print('here', answer)", "answer came back")
            tab.locator(".jp-OutputArea-output", has_text="here 42").wait_for()
        client.stop("tabs")

        again = _start("tabs-again", resume="tabs")
        with new_context(chromium, strict=False) as context:
            tab = context.new_page()
            tab.goto(str(again.url()))
            _is_open(tab)
    finally:
        client.stop("tabs", force=True)
        if again is not None:
            client.stop(again.name, force=True)


def _start(name: str, **fields: object) -> SessionDirectory:
    request = LaunchRequest(name=name, memory_gib=0.5, disk_gib=0.5, save_seconds=1, **fields)  # type: ignore[arg-type]
    begun = client.start(request)
    _until(begun, lambda state: state.stage is Stage.READY)
    return begun


def _until(directory: SessionDirectory, predicate: Callable[[SessionState], bool]) -> None:
    state = client.wait_for(directory, lambda state: state.stage.final or predicate(state), SECONDS * slower())
    assert state is not None, directory.supervisor_log.read_text()[-4000:]
    assert not state.stage.final, state.reason


def _run(tab: Page, code: str, shown: str) -> None:
    tab.locator(_CELL).last.click()
    tab.keyboard.type(code)
    tab.keyboard.press("Shift+Enter")
    tab.locator(".jp-OutputArea-output", has_text=shown).wait_for()


def _is_open(tab: Page) -> None:
    tab.get_by_role("tab", name=re.compile(r"Untitled\.ipynb")).wait_for()
    tab.locator(_CELL, has_text="answer").wait_for()
    tab.locator(".jp-OutputArea-output", has_text="42").wait_for()


def _has_layout(workspace: str) -> bool:
    """Whether the newest generation knows that the notebook is open, and what is in it."""
    store = open_store()
    if not store.generations(workspace):
        return False
    entries = {entry.path: entry for entry in store.manifest(workspace).entries}
    layouts = [entry for path, entry in entries.items() if path.startswith(".jupyter/lab/workspaces/") and entry.chunks]
    text = b"".join(store.get_chunk(chunk) for entry in layouts for chunk in entry.chunks)
    notebook = entries.get("Untitled.ipynb")
    return (
        b"notebook:Untitled.ipynb" in text
        and notebook is not None
        and b"42" in b"".join(map(store.get_chunk, notebook.chunks))
        and any(path.startswith(".jupyter/state/") and path.endswith(".json") for path in entries)
    )
