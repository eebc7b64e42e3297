"""The same notebook in its other homes: bare ``voila``, and JupyterLab."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from golem_launcher.ui.install import install
from tests.browser.conftest import free_port, new_context, serving
from tests.ui.made import make_session, say

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

ROOT = Path(__file__).resolve().parent.parent.parent
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("sessions")]


def _works(page: Page) -> None:
    page.locator(".gl-start").wait_for(timeout=60_000)
    page.get_by_role("article", name="mine").get_by_text("a line").wait_for()
    page.get_by_label("Cores").fill("0")
    page.get_by_role("button", name="Start JupyterLab on Golem").click()
    page.get_by_text("Must be at least 1.").wait_for()


def test_bare_voila(chromium: Browser, home: Path) -> None:
    del home
    say(make_session("mine"), "a line")
    port = free_port()
    argv = [sys.executable, "-m", "voila", "launcher.ipynb", "--no-browser", f"--port={port}"]
    with serving(argv, lambda line: f":{port}/" in line, cwd=ROOT), new_context(chromium, strict=False) as context:
        page = context.new_page()
        page.goto(f"http://localhost:{port}/")
        _works(page)


def test_a_hubs_server(chromium: Browser, home: Path, tmp_path: Path) -> None:
    """As on Binder: their Jupyter server, a prefix, our settings in its environment; no link the browser can't use."""
    del home
    say(make_session("mine"), "a line")
    install(tmp_path / "prefix")
    (tmp_path / "served").mkdir()
    shutil.copy(ROOT / "launcher.ipynb", tmp_path / "served")
    port = free_port()
    argv = [sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root", f"--port={port}"]
    argv += ["--IdentityProvider.token=secret", "--ServerApp.base_url=/user/me/"]
    environment = {
        **os.environ,
        "JUPYTER_PATH": str(tmp_path / "prefix/share/jupyter"),
        "JUPYTER_CONFIG_PATH": str(tmp_path / "prefix/etc/jupyter"),
        "JUPYTERHUB_SERVICE_PREFIX": "/user/me/",
    }
    served = serving(argv, lambda line: f":{port}/" in line, cwd=tmp_path / "served", env=environment)
    address = f"http://127.0.0.1:{port}/user/me/voila/render/launcher.ipynb?token=secret"
    with served:
        with new_context(chromium) as context:
            page = context.new_page()
            page.goto(address)
            _works(page)
            page.get_by_text("served by a hub").wait_for()
            assert not page.locator(".gl-open").is_visible()
        with new_context(chromium, strict=False) as context:  # its messages are JupyterLab's
            page = context.new_page()
            page.goto(address)
            _from_the_button_to_a_cell(context, page, f"http://127.0.0.1:{port}/user/me/")


def _from_the_button_to_a_cell(context: BrowserContext, page: Page, server: str) -> None:
    """All of it through the hub's prefix."""
    page.get_by_label("Cores").wait_for(timeout=60_000)
    page.get_by_label("Cores").fill("1")
    page.get_by_label("Name").fill("on-hub")
    page.get_by_role("button", name="Start JupyterLab on Golem").click()
    card = page.get_by_role("article", name="on-hub")
    at_home = f"golem-launcher tunnel {server} --session on-hub"
    card.get_by_text(at_home).wait_for(timeout=90_000)
    with context.expect_page() as opened:  # the local network's providers are one's own: nothing is asked
        card.get_by_role("button", name="Open JupyterLab here").click()
    tab = opened.value
    tab.locator(".jp-LauncherCard[data-category=Notebook]").first.click(timeout=60_000)
    tab.get_by_text("| Idle").wait_for(timeout=60_000)
    tab.locator(".jp-CodeCell .cm-content").first.click()
    tab.keyboard.type("print(6 * 7)")
    tab.keyboard.press("Shift+Enter")
    tab.locator(".jp-OutputArea-output", has_text="42").wait_for(timeout=60_000)
    assert "/user/me/proxy/absolute/" in tab.url
    tab.close()


def test_jupyterlab(chromium: Browser, home: Path, tmp_path: Path) -> None:
    del home
    say(make_session("mine"), "a line")
    shutil.copy(ROOT / "launcher.ipynb", tmp_path)
    port = free_port()
    argv = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}"]
    never = "jupyterlab.handlers.announcements.NeverCheckForUpdate"
    argv += ["--IdentityProvider.token=secret", "--LabApp.news_url=", f"--LabApp.check_for_updates_class={never}"]
    places = {"JUPYTERLAB_SETTINGS_DIR": "set", "JUPYTERLAB_WORKSPACES_DIR": "work", "JUPYTER_CONFIG_DIR": "config"}
    environment = {**os.environ, **{name: str(tmp_path / place) for name, place in places.items()}}
    served = serving(argv, lambda line: f":{port}/" in line, cwd=tmp_path, env=environment)
    with served, new_context(chromium, strict=False) as context:
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{port}/lab/tree/launcher.ipynb?token=secret")
        page.get_by_text("(ipykernel) | Idle").wait_for(timeout=60_000)  # sooner, Lab drops what it is told to run
        page.locator(".jp-CodeCell .cm-content").click()
        page.keyboard.press("Shift+Enter")
        _works(page)
        with page.expect_response(lambda answer: answer.request.method == "PUT" and "launcher.ipynb" in answer.url):
            page.get_by_role("button", name="Save and create checkpoint").click()
        assert "abcdefgh12345678" not in (tmp_path / "launcher.ipynb").read_text()
        page.reload()
        _works(page)  # the kernel lives on, and shows what it showed
