"""A session of a stranger's on a hub's server: nothing of it is shown there but after a yes, each time anew."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from golem_launcher.session.supervision.control import ControlServer
from golem_launcher.ui.server.install import install
from tests.browser.conftest import free_port, new_context, serving_at
from tests.ui.made import make_session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from golem_launcher.session.on_disk.directory import SessionDirectory

ROOT = Path(__file__).resolve().parent.parent.parent
TOKEN = "a-token-of-the-hub"
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("sessions")]


@contextlib.contextmanager
def behind_the_hub() -> Iterator[tuple[int, list[dict[str, str]]]]:
    """What stands in for the Lab beside the hub's server; its port, and the headers of what came."""
    heads: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heads.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"the Lab")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1], heads
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def supervised(directory: SessionDirectory) -> Iterator[list[str]]:
    """A supervisor that answers the one command asked of it here; how often it was."""
    asked: list[str] = []
    loop = asyncio.new_event_loop()

    async def allow(_: dict[str, Any]) -> dict[str, Any]:
        asked.append("hub")
        return {}

    control = ControlServer(directory.control_socket, {"hub": allow})
    thread = threading.Thread(target=loop.run_forever)  # Playwright's loop is this thread's
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(control.start(), loop).result(10)
        yield asked
    finally:
        asyncio.run_coroutine_threadsafe(control.aclose(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_a_strangers_page_needs_a_yes_each_time(chromium: Browser, home: Path, tmp_path: Path) -> None:
    del home
    install(tmp_path / "prefix")
    (tmp_path / "served").mkdir()
    shutil.copy(ROOT / "launcher.ipynb", tmp_path / "served")
    port = free_port()
    argv = [sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root", f"--port={port}"]
    argv += [f"--IdentityProvider.token={TOKEN}", "--ServerApp.base_url=/user/me/"]
    environment = {
        **os.environ,
        "JUPYTER_PATH": str(tmp_path / "prefix/share/jupyter"),
        "JUPYTER_CONFIG_PATH": str(tmp_path / "prefix/etc/jupyter"),
        "JUPYTERHUB_SERVICE_PREFIX": "/user/me/",
    }
    with (
        behind_the_hub() as (lab, heads),
        supervised(make_session("strange", network="polygon", base_url=f"/user/me/proxy/absolute/{lab}/")) as asked,
        serving_at(port, argv, cwd=tmp_path / "served", env=environment),
        new_context(chromium) as context,
    ):
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{port}/user/me/voila/render/launcher.ipynb?token={TOKEN}")
        card = page.get_by_role("article", name="strange")
        safest = f"golem-launcher tunnel http://127.0.0.1:{port}/user/me/ --session strange"
        card.get_by_text(safest).wait_for()
        for turn in (1, 2):  # a yes is for once
            card.get_by_role("button", name="Open JupyterLab here").click()
            card.get_by_text("could use your server there in your name").wait_for()
            card.get_by_role("button", name="Don't").click()
            card.get_by_text("could use your server there in your name").wait_for(state="hidden")
            assert len(asked) == len(heads) == turn - 1
            card.get_by_role("button", name="Open JupyterLab here").click()
            with context.expect_page() as opened:
                card.get_by_role("button", name="Open it all the same").click()
            opened.value.get_by_text("the Lab").wait_for()
            assert "/proxy/absolute/" in opened.value.url
            opened.value.close()
            assert len(asked) == turn
        # The page's own address has the hub's token, which is nobody else's business.
        assert not [head for head in heads if TOKEN in head.get("referer", "")]
