from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import LauncherError
from golem_launcher.ui import Launcher
from golem_launcher.ui.common.presence import Present
from tests.patience import slower

if TYPE_CHECKING:
    import pytest


def test_what_a_view_says_before_the_page_is_loaded_is_answered_once_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        told: asyncio.Queue[Present] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def send(view: Present, content: dict[str, Any], _buffers: Any = None) -> None:
            if content.get("kind") == "here":
                loop.call_soon_threadsafe(told.put_nowait, view)

        monkeypatch.setattr(Present, "send", send)
        launcher = Launcher()
        try:
            views = [view for view in launcher.children if isinstance(view, Present)]
            for view in views:
                view._handle_custom_msg({"kind": "here", "view": "one", "turn": 1}, [])
            assert not launcher.page.done()
            answered = {await asyncio.wait_for(told.get(), 10 * slower()) for _ in views}
            assert answered == set(views)
        finally:
            launcher.close()

    asyncio.run(main())


def test_a_page_that_does_not_load_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken() -> None:
        raise LauncherError("It is broken.")

    async def main() -> None:
        monkeypatch.setattr("golem_launcher.ui.launcher.page_loaded", broken)
        launcher = Launcher()
        header = launcher.children[0]
        said = asyncio.Event()
        header.observe(lambda _change: said.set(), "problems")
        try:
            header._handle_custom_msg({"kind": "here", "view": "one", "turn": 1}, [])
            await asyncio.wait_for(said.wait(), 10 * slower())
            assert [problem["title"] for problem in header.problems] == ["It is broken."]
        finally:
            launcher.close()

    asyncio.run(main())


def test_a_page_that_is_closed_while_it_is_loaded_leaves_nothing_behind() -> None:
    async def main() -> None:
        Launcher().close()

    asyncio.run(main())
