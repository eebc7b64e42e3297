"""The ways into one session beside each other: link, raw tunnel, ssh, a hub; what opening the Lab takes and moves."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from statistics import median
from typing import TYPE_CHECKING, Any

import asyncssh
import psutil

from benchmarks import bed
from benchmarks.row import Row
from golem_launcher.access.hub.hub_proxy import PREFIX_VARIABLE
from golem_launcher.ui.server.install import install

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_SIZE = 6_000_000
_ROUNDS = 5
_OPENINGS = 3
_IDLE = 1000
_AT_ONCE = 20
_FILE = "download.bin"
_SECONDS = 60.0
_CARD = ".jp-LauncherCard[data-category=Notebook]"
_FROM_HERE = ("/static/", "/lab/extensions/", "/lab/api/themes/")
_CHROMIUM = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
_PREFIX = "/user/me/"


def rows(base: Path) -> list[Row]:
    key = asyncssh.generate_private_key("ssh-ed25519")
    base.mkdir(parents=True, exist_ok=True)
    (base / "key").touch(mode=0o600)
    key.write_private_key(base / "key")
    os.environ.pop(PREFIX_VARIABLE, None)
    with bed.home(base / "home"), bed.session("ways", ssh_key=key.export_public_key().decode()) as session:
        (session.work() / _FILE).write_bytes(os.urandom(_SIZE))
        idle = _idle(session)
        with bed.plain_lab(base / "plain") as plain:
            openings = _openings(session, plain)
        seconds = _downloads(session, base)
    made_of = ", ".join(f"{way} {_SIZE / median(found) / 1e6:.2f} MB/s" for way, found in seconds.items())
    first, local, moved = openings
    return [
        Row(
            "first open of the Lab in Chromium, over a local Lab's",
            median(first) / median(local),
            "x",
            least=1.5,
            aim=1.1,
            detail=f"{median(first):.2f} s and {median(local):.2f} s, median of {_OPENINGS} each, by turns",
        ),
        Row("moved over the VPN by it", moved, "MB", least=1.0, aim=0.3),
        Row(
            "a download by ssh, over a raw tunnel",
            _ratio(seconds["ssh"], seconds["tunnel"]),
            "x the time",
            least=1.3,
            aim=1.1,
            detail=f"{made_of}; {_ROUNDS} downloads of {_SIZE / 1e6:.0f} MB by turns, median of each turn's ratio",
        ),
        Row(
            "the same, over ssh through websocat and yagna's websocket",
            _ratio(seconds["ssh"], seconds["ssh by websocat"]),
            "x the time",
            least=1.03,
            aim=1.0,
            detail="never above it; 3 % are the noise of one run",
        ),
        Row("the same through a hub, over the link", _ratio(seconds["hub"], seconds["link"]), "x the time", 1.5, 1.1),
        Row(f"{_IDLE} connections to the Lab that rest", idle, "MB", least=50.0, aim=30.0, detail="of the supervisor"),
    ]


def _ratio(ours: list[float], theirs: list[float]) -> float:
    return median(one / other for one, other in zip(ours, theirs, strict=True))


def _openings(session: bed.Session, plain: bed.PlainLab) -> tuple[list[float], list[float], float]:
    """Seconds until the launcher's cards show, here and there, with nothing cached; MB of what the provider answers."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415

    found: tuple[list[float], list[float]] = ([], [])
    moved = 0.0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(_CHROMIUM))
        for _ in range(_OPENINGS):
            for lab, seconds in zip((session, plain), found, strict=True):
                context = browser.new_context()
                page = context.new_page()
                answered: list[Any] = []
                page.on("requestfinished", lambda request, to=answered: to.append(request))
                began = time.perf_counter()
                page.goto(f"{lab.address}/lab?reset&token={lab.token}")
                page.locator(_CARD).first.wait_for(timeout=60_000)
                seconds.append(time.perf_counter() - began)
                if lab is session:
                    moved = max(moved, sum(_moved(request) for request in answered) / 1e6)
                context.close()
        browser.close()
    return *found, moved


def _moved(request: Any) -> float:
    if urllib.parse.urlsplit(request.url).path.startswith(_FROM_HERE):
        return 0.0
    sizes = request.sizes()
    return float(sum(sizes.values()))


def _idle(session: bed.Session) -> float:
    """MB by which the supervisor grows with that many connections, each of which has asked something once."""
    supervisor = psutil.Process(session.supervisor)
    before = supervisor.memory_full_info().uss
    parts = urllib.parse.urlsplit(session.address)
    question = f"GET /api/status HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: token {session.token}\r\n\r\n"

    async def one(gate: asyncio.Semaphore) -> asyncio.StreamWriter:
        async with gate:
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            writer.write(question.encode())
            assert b" 200 " in await reader.readline()
            return writer

    async def all_of_them() -> float:
        gate = asyncio.Semaphore(_AT_ONCE)
        writers = await asyncio.wait_for(asyncio.gather(*(one(gate) for _ in range(_IDLE))), 2 * _SECONDS)
        grown = supervisor.memory_full_info().uss - before
        for writer in writers:
            writer.close()
        return grown / 1e6

    return asyncio.run(all_of_them())


def _downloads(session: bed.Session, base: Path) -> dict[str, list[float]]:
    """Seconds for the file by each way, by turns."""
    config = base / "ssh"
    config.write_text(f"{bed.command('ssh-config', 'ways')}    IdentityFile {base / 'key'}\n    IdentitiesOnly yes\n")

    uri, key = session.vpn_port()
    websocat = f"{bed.BIN}/websocat --binary -B 65536 -H='Authorization: Bearer {key}' - {uri.rpartition('/')[0]}/%p"

    def by_ssh(*more: str) -> None:
        argv = ["ssh", "-F", str(config), *more, "golem-ways", f"cat {_FILE}"]
        done = subprocess.run(argv, capture_output=True, check=True, timeout=_SECONDS)
        assert len(done.stdout) == _SIZE

    def by_websocat() -> None:
        by_ssh("-o", f"ProxyCommand={websocat}")

    with (
        _tunnel("ways", "--remote-port", "8888") as tunnel,
        _hub(base / "hub") as server,
        _tunnel(f"{server}{_PREFIX}", "--session", "ways", JUPYTER_TOKEN=session.token) as hub,
    ):
        ways: dict[str, Callable[[], None]] = {
            "link": lambda: _by_http(session.address, session.token),
            "tunnel": lambda: _by_http(f"http://{tunnel}", session.token),
            "hub": lambda: _by_http(hub.partition("/lab?")[0], session.token),
            "ssh": by_ssh,
            "ssh by websocat": by_websocat,
        }
        found: dict[str, list[float]] = {way: [] for way in ways}
        for turn in range(_ROUNDS):
            for way, download in sorted(ways.items(), reverse=bool(turn % 2)):
                began = time.perf_counter()
                download()
                found[way].append(time.perf_counter() - began)
    return found


def _by_http(address: str, token: str) -> None:
    request = urllib.request.Request(f"{address}/files/{_FILE}", headers={"Authorization": f"token {token}"})
    with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
        assert len(answer.read()) == _SIZE


@contextlib.contextmanager
def _tunnel(*arguments: str, **environment: str) -> Iterator[str]:
    argv = [bed.BIN / "golem-launcher", "tunnel", *arguments, "--port", "0", "--json"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}) as process:
        try:
            text = ""
            assert process.stdout is not None
            while not text.rstrip().endswith("}"):
                text += process.stdout.readline() or _fail()
            yield json.loads(text)["address"]
        finally:
            process.send_signal(signal.SIGINT)


def _fail() -> str:
    raise RuntimeError("the tunnel did not open")


@contextlib.contextmanager
def _hub(directory: Path) -> Iterator[str]:
    """A server as a hub starts one. Its token is the session's, which saves a second one."""
    install(directory)
    port = bed.free_port()
    token = (bed.paths.sessions_directory() / "ways" / "token").read_text()
    argv = [sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root", f"--port={port}"]
    environment = {"JUPYTER_CONFIG_PATH": str(directory / "etc/jupyter"), "JUPYTER_TOKEN": token}
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen(
            [*argv, f"--ServerApp.base_url={_PREFIX}"],
            env={**os.environ, **environment},
            cwd=directory,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        bed.answered(f"{address}{_PREFIX.rstrip('/')}", token, time.perf_counter())
        yield address
    finally:
        process.terminate()
        process.wait(10)
