"""The page beside a session that runs for long, and beside one whose provider never falls silent.

An hour in a minute: ``NOTEBOOK`` is the launcher page with every period of its kernel a sixtieth, and the session that
it shows tells as much in a minute as a real one can be told of in an hour (four batches of log lines a second). Its
kernel answers SIGUSR1 with its own size after a full collection of garbage, and how much of the hour it lived.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from statistics import median, quantiles
from typing import TYPE_CHECKING

from benchmarks import bed, browser
from benchmarks.row import Row
from golem_launcher import paths
from golem_launcher.events import Usage
from golem_launcher.session.reporting.recorder import Recorder
from tests.session.jupyter import Jupyter
from tests.ui.made import make_session, write_lab_log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

FLOOD_VARIABLE = "GOLEM_LAUNCHER_FLOOD_SECONDS"
_FLOOD_SECONDS = 20.0
_LINES_A_SECOND = 10_000
_BATCHES_A_SECOND = 10
_LINE = "flood %08d: a line of a provider that has much to say"
_ARRIVE_SECONDS = 30.0

_FASTER = 60
_HOUR_OF_BATCHES = 4 * 3600
_WARM_UP_SECONDS = 10.0
_LIFE_SECONDS = 40.0
_SETTLE_SECONDS = 1.5
_LOOKS = 3
"""The least of so many is its size: what waits to be sent comes and goes."""
_STATES_AN_HOUR = 2100
"""Changes of its state that a session makes in an hour: its cost every three seconds, its usage every four."""
_QUIET_SECONDS = 15.0

NOTEBOOK = f"""
import ctypes, gc, json, os, signal
import psutil
from golem_launcher import paths
from golem_launcher.ui import launcher, page
from golem_launcher.ui.cards import sessions, view
from golem_launcher.ui.form import offers

for module, name in [(page, "REFRESH_SECONDS"), (page, "NETWORK_SECONDS"), (page, "SLOW_SECONDS"),
                     (offers, "LOOK_SECONDS"), (offers, "_SCAN_SECONDS"),
                     (sessions, "LOG_SECONDS"), (sessions, "DIGEST_SECONDS")]:
    setattr(module, name, getattr(module, name) / {_FASTER})

lived = {{"refreshes": 0, "batches": 0}}
refresh, send = sessions.SessionCards.refresh, view.SessionsView.send

async def counted_refresh(self):
    lived["refreshes"] += 1
    await refresh(self)

def counted_send(self, content, *rest):
    lived["batches"] += content.get("kind") == "log"
    send(self, content, *rest)

sessions.SessionCards.refresh, view.SessionsView.send = counted_refresh, counted_send

def tell(*_):
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    found = dict(lived, bytes=psutil.Process().memory_full_info().uss, objects=len(gc.get_objects()))
    target = paths.home() / "lived.json"
    (target.parent / "lived.part").write_text(json.dumps(found))
    (target.parent / "lived.part").replace(target)

signal.signal(signal.SIGUSR1, tell)
launcher.Launcher()
"""

# From the moment at which the mouse was pressed, as the browser's own process saw it, to the second frame after.
_TIME_CLICKS = """() => {
    window.clicks = [];
    addEventListener('click', (event) => requestAnimationFrame(() => requestAnimationFrame(
        () => clicks.push(performance.now() - event.timeStamp))), true);
}"""


def rows(chromium: Browser, address: Callable[[str], str], usable: str) -> list[Row]:
    with bed.session("flood") as session:
        with browser.opened(chromium, address("launcher"), usable) as (page, _):
            page.locator("article[data-name=flood]").get_by_role("link", name="Open JupyterLab").wait_for()
            plain = _quiet()
            flooded = _flood(page, session)
        browser.alone()
    with browser.opened(chromium, address("hour"), usable) as (page, _):
        hour = _hour(page)
    return [_growth_row(hour, plain), *flooded]


def _quiet() -> float:
    """MB an hour that the kernel of a page with a running session grows, by the clock on the wall."""
    kernel = browser.kernel()
    time.sleep(_QUIET_SECONDS / 4)
    before = browser.memory(kernel)
    time.sleep(_QUIET_SECONDS)
    return (browser.memory(kernel) - before) * 3600 / _QUIET_SECONDS


def _hour(page: Page) -> list[dict[str, float]]:
    """What the kernel of the fast page says of itself after the warm-up, half-way and at the end."""
    directory = make_session("hour")
    page.locator("article[data-name=hour]").wait_for()
    kernel = browser.kernel()
    recorder = Recorder(directory)
    end, going = threading.Event(), threading.Event()
    going.set()
    period = 3600 / _FASTER / _STATES_AN_HOUR

    def live() -> None:
        number = 0
        while not end.wait(period):
            going.wait()
            number += 1
            recorder.cost(Decimal(number) / 100_000, Decimal(0))
            recorder.machine(1, usage=Usage(cpu_percent=number % 100, memory_bytes=1_000_000 * (number % 500)))

    def log() -> None:
        number = 0
        while not end.wait(3600 / _FASTER / _HOUR_OF_BATCHES):
            going.wait()
            number += 1
            write_lab_log(directory, f"[I 2026-11-21 10:11:12.345 ServerApp] line {number}")

    threads = ThreadPoolExecutor(max_workers=2)
    living = [threads.submit(live), threads.submit(log)]
    try:
        found = []
        for seconds in (_WARM_UP_SECONDS, _LIFE_SECONDS / 2, _LIFE_SECONDS / 2):
            page.wait_for_timeout(seconds * 1000)
            going.clear()
            looks = []
            for _ in range(_LOOKS):
                page.wait_for_timeout(_SETTLE_SECONDS * 1000)  # for what is on its way to the browser
                looks.append(_lived(kernel.pid))
            found.append(min(looks, key=lambda look: look["bytes"]))
            going.set()
        end.set()
        for one in living:
            one.result()  # an hour in which nothing happened is none
        return found
    finally:
        end.set()
        going.set()
        threads.shutdown()
        recorder.close()
        shutil.rmtree(directory.path)  # its supervisor is this process: nobody shall wait for its end


def _lived(pid: int) -> dict[str, float]:
    told = paths.home() / "lived.json"
    told.unlink(missing_ok=True)
    os.kill(pid, signal.SIGUSR1)
    until = time.monotonic() + 20
    while not told.exists():
        if time.monotonic() > until:
            raise RuntimeError("the page's kernel does not answer")
        time.sleep(0.05)
    found: dict[str, float] = json.loads(told.read_text())
    return found


def _growth_row(hour: list[dict[str, float]], plain: float) -> Row:
    """What grows for ever grows in both halves; what grows once (a thread's arena) in one, and counts as it is."""
    halves = ((hour[0], hour[1]), (hour[1], hour[2]))
    grown = [(after["bytes"] - before["bytes"]) / 1e6 for before, after in halves]
    shares = [max(1, after["batches"] - before["batches"]) / _HOUR_OF_BATCHES for before, after in halves]
    steady = max(0.0, min(growth / share for growth, share in zip(grown, shares, strict=True)))
    refreshes, objects = (hour[-1][what] - hour[0][what] for what in ("refreshes", "objects"))
    return Row(
        "kernel of a page with a running session: growth in an hour",
        sum(grown) + steady * max(0.0, 1 - sum(shares)),
        "MB",
        least=5,
        aim=1,
        detail=f"{grown[0]:.2f} and {grown[1]:.2f} MB ({objects:+.0f} objects) after collections of garbage over "
        f"{shares[0]:.0%} and {shares[1]:.0%} of an hour's {_HOUR_OF_BATCHES} batches of log lines, lived in "
        f"{_LIFE_SECONDS:.0f} s with {refreshes:.0f} refreshes; the lesser rate for the rest of it; by the "
        f"clock, garbage included, {plain:.1f} MB an hour over {_QUIET_SECONDS:.0f} s",
    )


def _flood(page: Page, session: bed.Session) -> list[Row]:
    seconds = float(os.environ.get(FLOOD_VARIABLE, _FLOOD_SECONDS))
    lines = int(seconds * _LINES_A_SECOND)
    kernel, heap = browser.kernel(), browser.Heap(page)
    card = page.locator("article[data-name=flood]")
    abort = card.get_by_role("button", name="Abort", exact=True)
    page.evaluate(_TIME_CLICKS)
    sizes: list[tuple[float, float]] = []
    nodes: list[float] = []
    with _flooding(session, lines) as failed:
        until = time.monotonic() + seconds
        steps = [until - seconds * share for share in (0.7, 0.0)]
        for step in steps:
            while time.monotonic() < step:
                abort.click()
                card.get_by_text("End this session?").wait_for()
                page.keyboard.press("Escape")
                page.wait_for_timeout(200)
            sizes.append((browser.memory(kernel), heap.megabytes()))
            nodes.append(card.locator(".gl-line").count())
    if failed:
        raise RuntimeError(f"the flood did not run: {failed[0]}")
    clicks: list[float] = page.evaluate("clicks")
    arrived = _arrived(session.directory.workload_log, lines)
    (kernel_before, heap_before), (kernel_after, heap_after) = sizes
    flood = f"{_LINES_A_SECOND:,} lines a second for {seconds:.0f} s"
    return [
        Row(
            f"a click is answered while a provider logs {_LINES_A_SECOND:,} lines a second",
            quantiles(clicks, n=20)[-1],
            "ms",
            least=100,
            aim=50,
            detail=f"95 % of {len(clicks)} clicks, to the second frame after; median {median(clicks):.0f} ms, at most "
            f"{max(clicks):.0f} ms; {flood}",
        ),
        Row("meanwhile: growth of the page's kernel", kernel_after - kernel_before, "MB", least=10, aim=2),
        Row(
            "meanwhile: growth of the page in the browser",
            heap_after - heap_before,
            "MB",
            least=10,
            aim=2,
            detail=f"heap {heap_after:.1f} MB after collection of garbage; {max(nodes):.0f} lines of the log in it",
        ),
        Row(
            "meanwhile: lines that reach the log on this computer, in order and unchanged",
            arrived * 100,
            "%",
            least=100,
            aim=100,
            more_is_better=True,
            detail=f"{lines:,} lines of {len(_LINE % 0)} bytes",
        ),
    ]


_FLOOD_CODE = """
import os, time
lab = os.open(f"/proc/{{os.getppid()}}/fd/1", os.O_WRONLY)
began = time.monotonic()
for batch in range({batches}):
    data = "".join({line!r} % number + "\\n" for number in range(batch * {each}, (batch + 1) * {each})).encode()
    while data:
        data = data[os.write(lab, data):]
    time.sleep(max(0, began + (batch + 1) / {rate} - time.monotonic()))
"""


@contextmanager
def _flooding(session: bed.Session, lines: int) -> Iterator[list[BaseException]]:
    """A kernel of the session's own Lab writes to the Lab's output meanwhile; what went wrong with that."""
    each = _LINES_A_SECOND // _BATCHES_A_SECOND
    code = _FLOOD_CODE.format(batches=lines // each, each=each, line=_LINE, rate=_BATCHES_A_SECOND)
    failed: list[BaseException] = []

    async def run() -> None:
        async with Jupyter(f"{session.address}/lab?token={session.token}") as lab:
            await lab.execute(code)

    def flood() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:  # noqa: BLE001 - told by who started it
            failed.append(error)

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        yield failed
    finally:
        thread.join(_ARRIVE_SECONDS)


def _arrived(log: Path, lines: int) -> float:
    """The share of the lines that are on disk; all of them only when they are the very lines, by their hash."""
    expected = hashlib.sha256()
    for number in range(lines):
        expected.update((_LINE % number).encode() + b"\n")
    until = time.monotonic() + _ARRIVE_SECONDS
    while True:
        found, count = hashlib.sha256(), 0
        with log.open("rb") as file:
            for line in file:
                if line.startswith(b"flood "):
                    found.update(line)
                    count += 1
        if count >= lines or time.monotonic() > until:
            break
        time.sleep(0.5)
    if found.digest() != expected.digest():
        return min(count, lines - 1) / lines
    return 1.0
