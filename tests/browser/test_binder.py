"""Binder from end to end: the repository built as repo2docker does, opened and used through the hub's prefix."""

from __future__ import annotations

import contextlib
import shlex
import subprocess
from typing import TYPE_CHECKING

import psutil
import pytest

from golem_launcher.session.on_disk.directory import session_directory
from tests.browser import binder
from tests.browser.conftest import command, free_port, new_context, program, serving_at
from tests.patience import milliseconds, slower

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, Page

_BINDERS_MEMORY = 2 << 30
pytestmark = pytest.mark.slow


@pytest.fixture
def image(tmp_path: Path) -> binder.Image:
    return binder.build(tmp_path)


@pytest.mark.usefixtures("sessions")
@pytest.mark.timeout(900)  # the first time, the environment is made
def test_from_the_repository_to_a_cell(chromium: Browser, image: binder.Image) -> None:
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    address = f"{origin}{binder.PREFIX}voila/render/launcher.ipynb?token={binder.TOKEN}"
    with serving_at(port, binder.server(image, port)):
        with new_context(chromium, strict=False) as context:  # its messages are JupyterLab's
            page = context.new_page()
            page.goto(address)
            page.get_by_role("note").get_by_text("lets no UDP out").wait_for()
            at_home = _start_and_compute(context, page, origin)
            used = _memory()
        assert used < _BINDERS_MEMORY, f"{used >> 20} MiB"
    _carry_on(at_home)


def _start_and_compute(context: BrowserContext, page: Page, origin: str) -> str:
    """All of it through the hub's prefix. The command for home, as the page shows it."""
    page.get_by_label("Name").fill("on-binder")
    page.get_by_label("Disk").fill("0.5")
    page.get_by_role("button", name="Start JupyterLab on Golem").click()
    card = page.get_by_role("article", name="on-binder")
    card.get_by_text(f"golem-launcher tunnel {origin}{binder.PREFIX} --session on-binder").wait_for(
        timeout=milliseconds(90)
    )
    with context.expect_page() as opened:  # the local network's providers are one's own: nothing is asked
        card.get_by_role("button", name="Open JupyterLab here").click()
    tab = opened.value
    tab.locator(".jp-LauncherCard[data-category=Notebook]").first.click()
    tab.get_by_text("| Idle").wait_for()
    tab.locator(".jp-CodeCell .cm-content").first.click()
    tab.keyboard.type("print(6 * 7)")
    tab.keyboard.press("Shift+Enter")
    tab.locator(".jp-OutputArea-output", has_text="42").wait_for()
    assert f"{binder.PREFIX}proxy/absolute/" in tab.url
    return card.get_by_label("To carry on at home: the same session, started there").inner_text()


def _memory() -> int:
    """Bytes of all processes in the container, what they share counted once."""
    (container,) = [child for child in psutil.Process().children() if child.name() == "bwrap"]
    used = 0
    for process in container.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            used += process.memory_full_info().pss
    return used


def _carry_on(at_home: str) -> None:
    """The page's one line starts the same session on this computer."""
    name, *words = shlex.split(at_home)
    assert name == "golem-launcher"
    started = subprocess.run(
        command(*words, "--wait"), capture_output=True, text=True, timeout=120 * slower(), check=False
    )
    try:
        assert started.returncode == 0, started.stderr
        request = session_directory("on-binder").request()
        assert (request.network, request.disk_gib) == ("local", 0.5)
    finally:
        program("stop", "on-binder", "--force")
