from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import ipywidgets

from golem_launcher.ui import Launcher
from golem_launcher.ui.header.header import Header

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


async def _until(true: Callable[[], bool]) -> None:
    async def poll() -> None:
        while not true():  # noqa: ASYNC110 - nobody sets an event for a widget's trait
            await asyncio.sleep(0.01)

    await asyncio.wait_for(poll(), 10)


def test_the_cell_ends_before_the_page_is_made_which_then_fills_its_box() -> None:
    async def main() -> None:
        launcher = Launcher()
        try:
            assert launcher.children == ()
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
