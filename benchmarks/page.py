"""The launcher page: how soon it can be used, how soon news shows, and what a busy session does to it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import psutil

from benchmarks import bed
from benchmarks.row import Row
from golem_launcher.events import Stage
from tests.ui.made import change, make_session, write_lab_log

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

_ROOT = Path(__file__).parent.parent
_OPENINGS = 5
_STAGES = (Stage.SAVING, Stage.READY) * 4
_UPDATES_AN_HOUR = 900
"""A session that runs writes its state every four seconds."""
_UPDATES = 1800
_UPDATES_A_SECOND = 40
_FLOOD_SECONDS = 60.0
_LINES_A_SECOND = 10_000
_CHROMIUM = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
_BUTTON = "import ipywidgets\n\nipywidgets.Button(description='one')"
_CLICK = """() => new Promise(done => {
    const began = performance.now();
    document.querySelector('.gl-field-name input').click();
    requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - began)));
})"""


def rows(base: Path) -> list[Row]:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415

    imported = min(_import_seconds() for _ in range(5))
    with bed.home(base / "home"), _server(base / "served") as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(_CHROMIUM))
        ours, empty = _openings(browser, address)
        directory = make_session("bench")
        page = browser.new_page()
        page.goto(address.format("launcher"))
        page.get_by_role("article", name="bench").wait_for(timeout=60_000)
        shown = [_shown(page, directory, stage) for stage in _STAGES]
        growth = _growth(directory)
        clicks, flooded, whole = _flood(page, directory)
        browser.close()
    return [
        Row(
            "the page can be used, over an empty Voilà notebook with one button",
            median(ours) / median(empty),
            "x",
            1.5,
            1.2,
            detail=f"{median(ours):.2f} s and {median(empty):.2f} s, {_OPENINGS} times each, by turns",
        ),
        Row("imports of the page, more than ipywidgets and anywidget", imported, "s", 0.5, 0.5, detail="best of 5"),
        Row(
            "a stage's change is seen in the browser after",
            median(shown) * 1000,
            "ms",
            300,
            300,
            detail=f"{len(shown)} changes, at most {max(shown) * 1000:.0f} ms",
        ),
        Row(
            "kernel: growth in an hour with a running session",
            growth * _UPDATES_AN_HOUR / _UPDATES,
            "MB",
            5,
            5,
            detail=f"{growth:.2f} MB over {_UPDATES} changes of its state; an hour has {_UPDATES_AN_HOUR}",
        ),
        Row(
            "a click is answered while a provider logs 10,000 lines a second",
            max(clicks),
            "ms",
            100,
            100,
            detail=f"the slowest of {len(clicks)} in {_FLOOD_SECONDS:.0f} s, median {median(clicks):.0f} ms; "
            f"{'the file is whole' if whole else 'THE FILE IS NOT WHOLE'}",
        ),
        Row("kernel: growth in that minute", flooded, "MB", 20, 10),
    ]


def _import_seconds() -> float:
    """CPU seconds for the page's modules in a fresh Python, beyond the libraries that any widget page imports."""
    code = (
        "import time, ipywidgets, anywidget; began = time.process_time(); import golem_launcher.ui.launcher; "
        "print(time.process_time() - began)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return float(done.stdout)


@contextlib.contextmanager
def _server(directory: Path) -> Iterator[str]:
    """A Jupyter server with Voilà that serves both notebooks; where, with a place for a notebook's name."""
    directory.mkdir(parents=True)
    cell = {"cell_type": "code", "execution_count": None, "id": "one", "metadata": {}, "outputs": [], "source": _BUTTON}
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = {"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    (directory / "button.ipynb").write_text(json.dumps(notebook))
    shutil.copy(_ROOT / "launcher.ipynb", directory)
    port = bed.free_port()
    argv = [sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root", f"--port={port}"]
    argv += ["--IdentityProvider.token=bench", f"--ServerApp.root_dir={directory}"]
    with (directory.parent / "server.log").open("ab") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log, start_new_session=True, cwd=directory)
    try:
        bed.answered(f"http://127.0.0.1:{port}", "bench", time.perf_counter())
        yield f"http://127.0.0.1:{port}/voila/render/{{}}.ipynb?token=bench"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


def _openings(browser: Any, address: str) -> tuple[list[float], list[float]]:
    found: tuple[list[float], list[float]] = ([], [])
    for _ in range(_OPENINGS):
        for name, ready, seconds in (("launcher", ".gl-start", found[0]), ("button", ".jupyter-button", found[1])):
            page = browser.new_page()
            began = time.perf_counter()
            page.goto(address.format(name))
            page.locator(ready).wait_for(timeout=60_000)
            seconds.append(time.perf_counter() - began)
            page.close()
    return found


def _shown(page: Page, directory: Any, stage: Stage) -> float:
    word = {Stage.SAVING: "Saving", Stage.READY: "Ready"}[stage]
    began = time.perf_counter()
    change(directory, stage=stage)
    page.get_by_role("article", name="bench").locator(".gl-badge", has_text=word).wait_for(timeout=10_000)
    return time.perf_counter() - began


def _kernel() -> psutil.Process:
    """The kernel of the page that is open: the youngest."""
    found = [
        process
        for process in psutil.process_iter(["cmdline", "create_time"])
        if "ipykernel_launcher" in " ".join(process.info["cmdline"] or ())
    ]
    return max(found, key=lambda process: process.info["create_time"])


def _growth(directory: Any) -> float:
    """MB that the kernel grows by over so many changes, after as many for it to find its size."""
    kernel = _kernel()
    sizes = []
    for _ in range(2):
        for number in range(_UPDATES):
            change(directory, cost=Decimal(number) / 1_000_000)
            time.sleep(1 / _UPDATES_A_SECOND)
        sizes.append(kernel.memory_full_info().uss / 1e6)
    return sizes[1] - sizes[0]


def _flood(page: Page, directory: Any) -> tuple[list[float], float, bool]:
    """Milliseconds of clicks, MB that the kernel grew by, and whether the log on disk is whole."""
    kernel = _kernel()
    end = threading.Event()
    written = 0

    def write() -> None:
        nonlocal written
        piece = _LINES_A_SECOND // 10
        while not end.is_set():
            write_lab_log(directory, *(f"line {number} of a provider that has much to say" for number in range(piece)))
            written += piece
            time.sleep(0.1)

    before = kernel.memory_full_info().uss
    writer = threading.Thread(target=write)
    writer.start()
    clicks = []
    until = time.monotonic() + _FLOOD_SECONDS
    while time.monotonic() < until:
        clicks.append(page.evaluate(_CLICK))
        time.sleep(0.5)
    end.set()
    writer.join()
    with directory.lab_log.open("rb") as file:
        lines = sum(1 for _ in file)
    return clicks, (kernel.memory_full_info().uss - before) / 1e6, lines == written
