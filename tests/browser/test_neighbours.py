"""What a page at another port of a session's address gets at: browsers share cookies among the ports of an address."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from golem_launcher.access.lab.lab_proxy_settings import RemoteLab
from golem_launcher.access.link.link import listen
from golem_launcher.access.link.proxied_servers import ProxiedServers
from golem_launcher.access.sockets.in_process_stream import DuplexStream
from golem_launcher.access.sockets.loopback_address import loopback_address
from golem_launcher.agent.tcp_carrier import reset
from tests.access.conftest import TOKEN, server
from tests.patience import slower

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow

SECONDS = 60
LAB, APP = 8888, 8501
# All that a script can try, on a page that no policy of ours holds back. Nothing here knows the session's token.
_TRY = """
async lab => {
  const xsrf = (document.cookie.match(/_xsrf=([^;]*)/) || [])[1] || '';
  const ask = (way, more) => fetch(lab + way, {credentials: 'include', ...more}).then(
    answer => answer.type === 'opaque' ? 'opaque' : `read ${answer.status}`, () => 'refused');
  const socket = new Promise(done => {
    const channel = new WebSocket(lab.replace('http', 'ws') + '/api/events/subscribe');
    channel.onopen = () => done('open');
    channel.onerror = () => done('refused');
  });
  const frame = document.createElement('iframe');
  frame.src = lab + '/lab';
  document.body.append(frame);
  await new Promise(done => { frame.onload = done; });
  let framed;
  try { framed = frame.contentDocument.body.innerText; } catch (error) { framed = null; }
  return {
    cookies: document.cookie,
    contents: await ask('/api/contents'),
    unseen: await ask('/api/contents', {mode: 'no-cors'}),
    kernel: await ask('/api/kernels', {method: 'POST', headers: {'X-XSRFToken': xsrf}}),
    blind: await ask('/api/kernels?_xsrf=' + xsrf, {method: 'POST', mode: 'no-cors', body: '{}'}),
    socket: await socket,
    framed,
    stored: Object.keys(localStorage).length,
  };
}
"""


class Neighbours:
    """A session's link to a Jupyter server, a server of the session, and a stranger's at the same address."""

    def __init__(self, jupyter: str) -> None:
        self._jupyter = urlsplit(jupyter)
        self.told: list[tuple[str, str]] = []
        """Each request that reached a server other than Jupyter's: who got it, and its cookies."""
        self.lab = self.stranger = ""
        self._loop = asyncio.new_event_loop()
        self._ending = asyncio.Event()

    @contextlib.contextmanager
    def running(self) -> Iterator[Neighbours]:
        ready = threading.Event()
        thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(ready),))
        thread.start()
        try:
            assert ready.wait(SECONDS * slower())
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._ending.set)
            thread.join(SECONDS * slower())
            self._loop.close()

    async def _run(self, ready: threading.Event) -> None:
        host = loopback_address("neighbours")
        async with self._site("app", "127.0.0.1") as app, self._site("stranger", host) as stranger:

            async def dial(port: int) -> Any:
                where = {LAB: int(self._jupyter.port or 0), APP: app}[port]
                reader, writer = await asyncio.open_connection("127.0.0.1", where)
                return DuplexStream(reader, writer, lambda: reset(writer))

            pages = ProxiedServers(host, dial, token=TOKEN, lab_port=LAB)
            link = await listen(host, 0, RemoteLab(lambda: dial(LAB), TOKEN, lead=pages.lead))
            self.lab, self.stranger = link.address, f"http://{host}:{stranger}"
            ready.set()
            await self._ending.wait()
            await pages.aclose()
            await link.aclose()

    @contextlib.asynccontextmanager
    async def _site(self, name: str, host: str) -> AsyncIterator[int]:
        async def page(request: web.Request) -> web.Response:
            self.told.append((name, request.headers.get("Cookie", "")))
            return web.Response(text="<!doctype html><p>a page", content_type="text/html")

        application = web.Application()
        application.add_routes([web.get("/{tail:.*}", page)])
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, host, 0)
        await site.start()
        try:
            yield runner.addresses[0][1]
        finally:
            await runner.cleanup()


@pytest.fixture
def neighbours(tmp_path: Path) -> Iterator[Neighbours]:
    environment = {"JUPYTER_TOKEN": TOKEN, "JUPYTER_CONFIG_DIR": str(tmp_path)}
    arguments = [sys.executable, "-m", "jupyterlab"]
    with (
        server(*arguments, environment=environment, directory=tmp_path, path="/api") as jupyter,
        Neighbours(jupyter).running() as running,
    ):
        yield running


def test_a_page_at_another_port_of_the_address_can_not_use_the_lab(chromium: Browser, neighbours: Neighbours) -> None:
    with contextlib.closing(chromium.new_context()) as context:
        page = context.new_page()
        page.goto(f"{neighbours.lab}/lab?token={TOKEN}")
        page.wait_for_selector("#jp-main-dock-panel, #jp-MainMenu")
        cookies = {cookie["name"]: cookie for cookie in context.cookies()}
        assert any(name.startswith("golem-") for name in cookies)
        assert all(cookie["sameSite"] == "Lax" for cookie in cookies.values())
        secrets = [cookie["value"] for name, cookie in cookies.items() if name != "_xsrf"]
        assert all(cookie["httpOnly"] for name, cookie in cookies.items() if name != "_xsrf")
        kernels = page.evaluate("fetch('/api/kernels').then(answer => answer.json())")
        for place in (f"{neighbours.lab}/proxy/{APP}/", f"{neighbours.stranger}/"):
            other = context.new_page()
            other.goto(place)
            assert urlsplit(other.url).netloc != urlsplit(neighbours.lab).netloc
            tried = other.evaluate(_TRY, neighbours.lab)
            assert not any(secret in tried.pop("cookies") for secret in secrets)
            assert tried.pop("unseen") in {"opaque", "refused"}  # its answer, a refusal, is not shown
            assert tried.pop("blind") in {"opaque", "refused"}
            assert tried == {
                "contents": "refused", "kernel": "refused", "socket": "refused", "framed": None, "stored": 0
            }  # fmt: skip
        assert page.evaluate("fetch('/api/kernels').then(answer => answer.json())") == kernels == []
        # Behind the link nobody gets more of them than what scripts read anyway. What listens beside it gets all that
        # the browser has: only programs of the user's own could show them to the link.
        seen = [pair.strip() for name, pairs in neighbours.told if name == "app" for pair in pairs.split(";") if pair]
        assert {pair.partition("=")[0] for pair in seen} <= {"_xsrf"}
        assert TOKEN not in str(neighbours.told)
