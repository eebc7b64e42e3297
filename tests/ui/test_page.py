from __future__ import annotations

import asyncio
import gc
import socket
import threading
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import ipywidgets
import pytest

from golem_launcher.errors import LauncherError
from golem_launcher.request import LaunchRequest
from golem_launcher.ui import Launcher
from golem_launcher.ui.common.background import Background
from golem_launcher.ui.common.problems import problem
from tests.patience import slower
from tests.ui.made import make_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from golem_launcher.ui.page import Page


@asynccontextmanager
async def _page() -> AsyncIterator[Page]:
    """As a notebook's cell makes it, once it is loaded."""
    launcher = Launcher()
    page = await launcher.page
    try:
        yield page
    finally:
        page.header._watched_until = float("-inf")
        launcher.close()


async def _until(true: Callable[[], bool]) -> None:
    async def poll() -> None:
        while not true():  # noqa: ASYNC110 - nobody sets an event for a widget's trait
            await asyncio.sleep(0.01)

    await asyncio.wait_for(poll(), 10 * slower())


def test_nothing_happens_until_a_front_end_shows_itself_and_again_when_it_is_gone() -> None:
    async def main() -> None:
        make_session("mine")
        async with _page() as page:
            assert page.sessions.view.live == []
            assert page._work == {}
            await page.header.receive({"kind": "here"})
            await _until(lambda: len(page.sessions.view.live) == 1)
            await _until(lambda: bool(page.header.view.network))
            page.header._watched_until = float("-inf")
            frequent = (page._watch_sessions, page._watch_network)  # the others end after their pause
            await _until(lambda: all(page._work[work].done() for work in frequent))

    asyncio.run(main())


def test_a_node_that_never_answers_keeps_no_session_from_being_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(silent: socket.socket) -> None:
        monkeypatch.setenv("YAGNA_API_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("YAGNA_APPKEY", "0" * 32)
        async with _page() as page:
            page._network = "hoodi"
            for _ in range(8):  # as many as wait in a thread by themselves
                page._background.start(page._show_network)
            await page.header.receive({"kind": "here"})
            connection, _ = await asyncio.get_running_loop().sock_accept(silent)
            with connection:
                make_session("mine")
                await _until(lambda: len(page.sessions.view.live) == 1)
                assert page.header.view.network == {}  # still waiting

    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.setblocking(False)
        asyncio.run(main(silent))


def test_what_fails_is_tried_again_and_keeps_nothing_else_from_being_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        monkeypatch.setattr("golem_launcher.ui.page._AFTER_FAILURE_SECONDS", 0.01)
        monkeypatch.setattr("golem_launcher.ui.page.saved_workspaces", _fail)
        make_session("mine")
        async with _page() as page:
            refresh, failures = page.sessions.refresh, [LauncherError("Not now."), LauncherError("Nor now.")]

            async def refresh_in_the_end() -> None:
                if failures:
                    raise failures.pop()
                await refresh()

            page.sessions.refresh = refresh_in_the_end
            page._consider(LaunchRequest(name="mine"))
            await page.header.receive({"kind": "here"})
            await _until(lambda: len(page.sessions.view.live) == 1)
            await _until(lambda: page.form.view.offers.get("state") == "down")  # the market was looked at
            await _until(lambda: len(page.header.view.problems) == 3)
            assert {problem["title"] for problem in page.header.view.problems} == {"Not now.", "Nor now.", "Never."}

    asyncio.run(main())


def _fail() -> list[dict[str, Any]]:
    raise LauncherError("Never.")


def test_the_token_is_in_no_widgets_state() -> None:
    async def main() -> None:
        make_session("mine")
        async with _page() as page:
            await page.sessions.refresh()
            assert page.sessions._links == {"mine": "http://127.9.8.7:8888/lab?token=abcdefgh12345678"}
            state = str(ipywidgets.Widget.get_manager_state())
            assert "127.9.8.7" not in state
            assert "abcdefgh12345678" not in state

    asyncio.run(main())


def test_messages_from_any_thread_run_on_the_one_loop_and_failures_are_shown() -> None:
    async def main() -> None:
        seen: list[object] = []
        background = Background(asyncio.get_running_loop(), lambda error: seen.append((error, threading.get_ident())))
        widget = ipywidgets.Widget()

        async def receive(content: dict[str, object]) -> None:
            raise LauncherError(str(content["text"]))

        background.receives(widget, receive)
        message = {"data": {"method": "custom", "content": {"text": "boo"}}}
        thread = threading.Thread(target=widget._handle_msg, args=({"content": message, "buffers": []},))
        thread.start()
        await asyncio.to_thread(thread.join)
        await _until(lambda: bool(seen))
        ((error, where),) = seen
        assert str(error) == "boo"
        assert where == threading.get_ident()

    asyncio.run(main())


def test_work_does_not_belong_to_the_message_that_asked_for_it() -> None:
    """A message of a JupyterLab tab marks what is sent because of it, and answers to that go where that tab's went."""
    asked_by: ContextVar[str] = ContextVar("asked_by", default="nobody")

    async def main() -> None:
        background = Background(asyncio.get_running_loop(), pytest.fail)
        seen: list[str] = []

        async def work() -> None:
            seen.append(asked_by.get())

        asked_by.set("a tab that goes")
        await asyncio.wrap_future(background.start(work))
        assert seen == ["nobody"]

    asyncio.run(main())


def test_work_that_is_cancelled_before_it_began_leaves_nothing_unawaited() -> None:
    """A coroutine that nobody awaits is a warning, which is an error here."""

    async def main() -> None:
        background = Background(asyncio.get_running_loop(), pytest.fail)

        async def work() -> None:
            pytest.fail("it began")

        background.start(work)  # and the loop ends before its turn

    asyncio.run(main())
    gc.collect()


def test_a_failure_becomes_a_banner_once() -> None:
    async def main() -> None:
        async with _page() as page:
            for _ in range(3):
                page._background.report(LauncherError("It is\x1b[31m broken.", "Mend it."))
            (shown,) = page.header.view.problems
            assert (shown["title"], shown["remedy"]) == ("It is broken.", "Mend it.")
            await page.header.receive({"kind": "dismiss", "id": shown["id"]})
            assert page.header.view.problems == []

    asyncio.run(main())


def test_an_unexpected_failure_shows_where_it_came_from() -> None:
    try:
        int("x")
    except ValueError as error:
        shown = problem(error)
    assert "went wrong" in shown["title"]
    assert "ValueError" in shown["details"]
