"""The launcher page as a person has it: served by ``golem-launcher page``, looked at in headless Chromium."""

from __future__ import annotations

import contextlib
import json
import select
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any

import psutil

from benchmarks import bed
from golem_launcher import paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

_CHROMIUM = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")
_SERVE_SECONDS = 60.0
_PAGE_SECONDS = 60.0
_POLL_SECONDS = 0.05
_MEGA = 1_000_000


@contextlib.contextmanager
def served(**notebooks: str) -> Iterator[Callable[[str], str]]:
    """Serve the page, and beside it a notebook for each of ``notebooks``, of one cell; their addresses by name."""
    directory = paths.private_directory(paths.home() / "page" / "served")
    for name, code in notebooks.items():
        (directory / f"{name}.ipynb").write_text(json.dumps(_notebook(code)))
    argv = [bed.BIN / "golem-launcher", "page", "--no-browser", "--json"]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert process.stdout is not None
        if not select.select([process.stdout], [], [], _SERVE_SECONDS)[0]:
            raise RuntimeError("`golem-launcher page` does not come up")
        said = ""
        while not said.rstrip().endswith("}"):
            line = process.stdout.readline().decode()
            if not line:
                raise RuntimeError(f"`golem-launcher page` ended: {said}")
            said += line
        address: str = json.loads(said)["url"]
        bed.answered(address.partition("/voila")[0], address.partition("token=")[2], time.perf_counter())
        yield lambda name: address.replace("launcher.ipynb", f"{name}.ipynb")
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Headless Chromium."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415

    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        raise RuntimeError("needs Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(_CHROMIUM))
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def opened(browser: Browser, address: str, usable: str) -> Iterator[tuple[Page, float]]:
    """Open a page in a fresh profile; the page, and the seconds until ``usable``, a JavaScript expression, was true."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    try:
        page = context.new_page()
        page.set_default_timeout(_PAGE_SECONDS * 1000)
        began = time.perf_counter()
        page.goto(address, wait_until="commit")
        page.wait_for_function(usable, polling="raf")
        yield page, time.perf_counter() - began
    finally:
        for each in context.pages:
            each.close(run_before_unload=True)  # Voilà's farewell, which ends the kernel
        context.close()


def kernels() -> list[psutil.Process]:
    """The kernels of this home's pages, the oldest first."""
    found = []
    for process in psutil.process_iter(["cmdline", "create_time"]):
        with contextlib.suppress(psutil.Error):
            words = " ".join(process.info["cmdline"] or ())
            if "ipykernel_launcher" in words and process.environ().get(paths.HOME_VARIABLE) == str(paths.home()):
                found.append(process)
    return sorted(found, key=lambda process: float(process.info["create_time"]))


def kernel() -> psutil.Process:
    """The kernel of the page that was opened last."""
    return kernels()[-1]


def alone() -> None:
    """Wait until the kernels of pages that were closed have ended, so that they cost the next measurement nothing."""
    end = time.monotonic() + 15
    while kernels() and time.monotonic() < end:
        time.sleep(_POLL_SECONDS)


def memory(process: psutil.Process) -> float:
    """What is a process's alone; MB."""
    return float(process.memory_full_info().uss) / _MEGA


class Heap:
    """What a page holds in the browser, after its garbage is collected."""

    def __init__(self, page: Page) -> None:
        self._session = page.context.new_cdp_session(page)
        self._session.send("Performance.enable")

    def look(self) -> dict[str, float]:
        """``JSHeapUsedSize`` in bytes, ``Nodes``, and the rest of Chromium's ``Performance.getMetrics``."""
        self._session.send("HeapProfiler.collectGarbage")
        answer: dict[str, Any] = self._session.send("Performance.getMetrics")
        return {metric["name"]: float(metric["value"]) for metric in answer["metrics"]}

    def megabytes(self) -> float:
        """Of JavaScript's heap."""
        return self.look()["JSHeapUsedSize"] / _MEGA


def _notebook(code: str) -> dict[str, Any]:
    cell = {"cell_type": "code", "execution_count": None, "id": "one", "metadata": {}, "outputs": [], "source": code}
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return {"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
