"""A page served by ``golem-launcher page``, and a Chromium to look at it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.networks import fork_supervisors, own_network
from tests.patience import milliseconds, slower

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, BrowserContext, Dialog, Page

SERVE_SECONDS = 40
_PATIENCE = 60
"""Seconds for whatever a page is to do, on a machine with nothing else to do."""
_LEAVE_SECONDS = 10
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
KERNEL = "JSON.parse(document.getElementById('jupyter-config-data').textContent).kernelId"
"""The id of a Voilà page's kernel, for ``evaluate``."""

PICTURES = "GOLEM_LAUNCHER_PICTURES"

_NETWORK = """
terminate_seconds = 0

[[provider]]
name = "local-small"
threads = 1
memory_gib = 1
storage_gib = 5
price_hour = 0.02
price_cpu_hour = 0.05

[[provider]]
name = "local-standard"
threads = 4
memory_gib = 8
storage_gib = 20
price_hour = 0.05
price_cpu_hour = 0.1
properties = { "golem.node.geo.country_code" = "CH" }

[[provider]]
name = "local-pretend-gpu"
threads = 8
memory_gib = 16
storage_gib = 50
price_hour = 0.2
price_cpu_hour = 0.2
gpu = { model = "Pretend GPU (not real)", memory_gib = 24 }
"""
"""That of whoever describes none, whose ends don't take their five seconds; and one says where it is."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker("browser")


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Ends with this package: while Playwright's loop runs, no other test could call ``asyncio.run``."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("needs Chromium; to have it: sudo apt install chromium")
    from playwright.sync_api import expect, sync_playwright  # noqa: PLC0415

    expect.set_options(timeout=milliseconds(_PATIENCE))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(_ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def home(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A launcher home of this package's own, for this process and those it starts; its network is up meanwhile."""
    del chromium  # nothing is started when the tests are skipped
    directory = tmp_path_factory.mktemp("home")
    with own_network(directory, _NETWORK):
        fork_supervisors()
        yield directory


@pytest.fixture(scope="package")
def address(home: Path) -> Iterator[str]:
    """The page's address, token included."""
    del home
    with serving(
        command("page", "--no-browser", "--json", f"--port={free_port()}"), lambda line: '"url"' in line
    ) as lines:
        yield json.loads("{" + lines[-1] + "}")["url"]


@pytest.fixture
def sessions(home: Path) -> Iterator[None]:
    """No session before, none after."""
    _remove_sessions(home)
    yield
    _remove_sessions(home)


@pytest.fixture(scope="module")
def no_session(home: Path) -> None:
    """None that another file's tests left, when this file's begin."""
    _remove_sessions(home)


def _remove_sessions(home: Path) -> None:
    end = time.monotonic() + 60 * slower()
    while left := [path for path in (home / "sessions").glob("*") if path.is_dir()]:  # who tidies may still write there
        for path in left:
            shutil.rmtree(path, ignore_errors=True)
        assert time.monotonic() < end, left


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    with new_context(chromium) as context:
        yield context


@pytest.fixture
def page(context: BrowserContext, address: str) -> Page:
    """The launcher page, loaded and usable."""
    return open_page(context, address)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures go: ``docs/images`` when asked for (``make pictures``), else nowhere that stays."""
    chosen = os.environ.get(PICTURES)
    return Path(chosen).absolute() if chosen else tmp_path_factory.mktemp("pictures")


@contextmanager
def new_context(chromium: Browser, *, strict: bool = True, **options: Any) -> Iterator[BrowserContext]:
    """A fresh profile; at the end it must have met no dialog.

    When ``strict``, no error, nothing red on the console and no request to elsewhere either: for pages wholly ours.
    """
    context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
    context.set_default_timeout(milliseconds(_PATIENCE))
    context.set_default_navigation_timeout(
        milliseconds(_PATIENCE)
    )  # a kernel starts meanwhile, and all scripts are compiled
    complaints: list[str] = []
    context.on("dialog", lambda dialog: _answer(dialog, complaints))
    if strict:
        context.on("console", lambda message: message.type == "error" and complaints.append(message.text))
        context.on("weberror", lambda error: complaints.append(str(error.error)))
        context.on("request", lambda request: _elsewhere(request.url) and complaints.append(f"asked {request.url}"))
    context.complaints = complaints  # type: ignore[attr-defined]
    try:
        yield context
        for page in context.pages:
            leave(page)
    finally:  # at once after an error, which is what is to be told
        context.close()
    assert complaints == []


def open_page(context: BrowserContext, address: str) -> Page:
    page = context.new_page()
    page.goto(address)
    page.locator(".gl-start").wait_for()
    return page


def leave(page: Page) -> None:
    """As a person does, so that its kernel ends with it: a dozen that nobody looks at would slow down what follows.

    A page that hangs is closed with its context: it is the test that says whether it may.
    """
    from playwright.sync_api import TimeoutError as NotInTime  # noqa: PLC0415

    if not page.is_closed():
        with contextlib.suppress(NotInTime), page.expect_event("close", timeout=milliseconds(_LEAVE_SECONDS)):
            page.close(run_before_unload=True)


def _answer(dialog: Dialog, complaints: list[str]) -> None:
    if dialog.type == "beforeunload":  # JupyterLab asks about the unsaved notebook
        dialog.accept()
    else:
        complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()


def _elsewhere(url: str) -> bool:
    return url.startswith(("http:", "https:", "ws:")) and "//127.0.0.1:" not in url


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from golem_launcher.cli.main import main; main()", *arguments]


def program(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), capture_output=True, text=True, timeout=120 * slower(), check=False)


@contextmanager
def serving(argv: list[str], found: Callable[[str], bool], **options: Any) -> Iterator[list[str]]:
    """Run a server until the block ends; its output's lines up to the one that is ``found``, afterwards all."""
    server = subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True, **options
    )
    lines: list[str] = []
    try:
        assert server.stdout is not None
        for line in server.stdout:
            lines.append(line.strip())
            if found(line):
                break
        else:
            pytest.fail("\n".join(["the server ended:", *lines]))
        yield lines
    finally:
        server.terminate()
        try:
            rest, _ = server.communicate(timeout=SERVE_SECONDS * slower())
        except subprocess.TimeoutExpired:
            server.kill()
            rest, _ = server.communicate()
        lines += rest.splitlines()


@contextmanager
def serving_at(port: int, argv: list[str], **options: Any) -> Iterator[list[str]]:
    """Likewise a Jupyter server, until it takes connections: it prints its address some milliseconds before."""
    with serving(argv, lambda line: f":{port}/" in line, **options) as lines:
        end = time.monotonic() + _PATIENCE * slower()
        while not _connects(port):
            assert time.monotonic() < end, lines
        yield lines


def _connects(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
