from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import ipywidgets
from ipywidgets.widgets.widget import _instances

from golem_launcher.ui import Launcher
from golem_launcher.ui.common.deferred_imports import page_loaded
from golem_launcher.ui.header.header import Header
from tests.patience import slower

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


async def _until(true: Callable[[], bool]) -> None:
    async def poll() -> None:
        while not true():  # noqa: ASYNC110 - nobody sets an event for a widget's trait
            await asyncio.sleep(0.01)

    await asyncio.wait_for(poll(), 10 * slower())


def _show(launcher: Launcher) -> None:
    """As a browser says it: from a thread of a kernel's subshell in JupyterLab."""
    thread = threading.Thread(target=launcher.set_state, args=({"_view_count": 1},))
    thread.start()
    thread.join()


def test_the_page_is_made_once_a_browser_shows_its_box_and_no_widget_before() -> None:
    """Those made while a browser connects are not found by it, now and then."""

    async def main() -> None:
        launcher = Launcher()
        try:
            before = set(_instances)
            await page_loaded()
            for _ in range(10):
                await asyncio.sleep(0)
            assert launcher.children == ()
            assert set(_instances) == before
            _show(launcher)
            await _until(lambda: bool(launcher.children))
            assert isinstance(launcher.children[0], Header)
        finally:
            launcher.close()

    asyncio.run(main())


def test_a_page_that_cannot_be_made_says_why(home: Path) -> None:
    home.write_text("a file where the launcher's directory should be")

    async def main() -> None:
        launcher = Launcher()
        try:
            _show(launcher)
            await _until(lambda: bool(launcher.children))
            words, details = launcher.children
            assert isinstance(words, ipywidgets.Label)
            assert isinstance(details, ipywidgets.Textarea)
            assert words.value == f"{home} is in the way: a directory is needed there. Move that file away."
            assert "Traceback" in details.value
        finally:
            launcher.close()

    asyncio.run(main())


def test_a_page_that_is_closed_before_it_is_made_is_not_made() -> None:
    async def main() -> None:
        launcher = Launcher()
        launcher.close()
        await asyncio.gather(launcher._filling, return_exceptions=True)
        assert launcher.children == ()
        assert launcher._filling.cancelled()

    asyncio.run(main())
