"""The same notebook in its other homes, each with a real session: ``voila``, a hub's server, JupyterLab, Notebook."""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from golem_launcher.localnet import network
from golem_launcher.session.on_disk.directory import session_directory
from golem_launcher.ui.server.install import install
from tests.browser.conftest import free_port, new_context, serving_at
from tests.patience import milliseconds, slower
from tests.ui.made import make_session, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, Page

ROOT = Path(__file__).resolve().parent.parent.parent
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("sessions")]

_NEVER = "jupyterlab.handlers.announcements.NeverCheckForUpdate"
_OURS = "golem_launcher/ui"
_RUN_SECONDS = 60
_RUNS_OR_DROPPED = """
() => {
  const prompt = document.querySelector(".jp-CodeCell .jp-InputPrompt")?.textContent ?? "";
  if (/\\[(\\*|\\d+)\\]/.test(prompt)) return "runs";
  window.glSince ??= performance.now();
  if (performance.now() - window.glSince < 4000) return null;
  window.glSince = undefined;
  return "dropped";
}
"""
_SAVE_STATE = {"saveState": True}
"""JupyterLab's setting to keep the state of widgets in the notebook."""


def _works(page: Page) -> None:
    page.locator(".gl-start").wait_for()
    page.get_by_role("article", name="mine").get_by_text("a line").wait_for()
    page.get_by_label("Cores").fill("0")
    page.get_by_role("button", name="Start JupyterLab on Golem").click()
    page.get_by_text("Must be at least 1.").wait_for()
    page.get_by_label("Cores").fill("1")


def _start(page: Page, name: str) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Start JupyterLab on Golem").click()


def _abort(page: Page, name: str) -> None:
    card = page.get_by_role("article", name=name)
    card.get_by_role("button", name="Abort", exact=True).click()
    card.get_by_role("button", name="Abort session").click()
    card.locator(".gl-badge", has_text="Ended").wait_for()


def _a_session(page: Page, name: str) -> str:
    """From Start to the Lab that answers, and to Abort; the Lab's token."""
    _start(page, name)
    link = page.get_by_role("article", name=name).get_by_role("link", name="Open JupyterLab")
    link.wait_for(timeout=milliseconds(90))
    address = link.get_attribute("href")
    assert address
    answer = page.context.request.get(address)
    assert answer.status == 200
    assert "JupyterLab" in answer.text()
    token = session_directory(name).token()
    assert token
    assert address.endswith(token)
    _abort(page, name)
    return token


def test_bare_voila(chromium: Browser, home: Path) -> None:
    del home
    say(make_session("mine"), "a line")
    port = free_port()
    argv = [sys.executable, "-m", "voila", "launcher.ipynb", "--no-browser", f"--port={port}"]
    with serving_at(port, argv, cwd=ROOT), new_context(chromium, strict=False) as context:
        page = context.new_page()
        page.goto(f"http://localhost:{port}/")
        _works(page)
        _a_session(page, "in-voila")


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
    served = serving_at(port, argv, cwd=tmp_path / "served", env=environment)
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
            lab = _from_the_button_to_a_cell(context, page, f"http://127.0.0.1:{port}/user/me/")
            _abort(page, "on-hub")
            lab.get_by_text("This session has ended").wait_for()


def _from_the_button_to_a_cell(context: BrowserContext, page: Page, server: str) -> Page:
    """All of it through the hub's prefix; the Lab's page."""
    page.get_by_label("Cores").wait_for()
    page.get_by_label("Cores").fill("1")
    _start(page, "on-hub")
    card = page.get_by_role("article", name="on-hub")
    at_home = f"golem-launcher tunnel {server} --session on-hub"
    card.get_by_text(at_home).wait_for(timeout=milliseconds(90))
    with context.expect_page() as opened:  # the local network's providers are one's own: nothing is asked
        card.get_by_role("button", name="Open JupyterLab here").click()
    tab = opened.value
    tab.locator(".jp-LauncherCard[data-category=Notebook]").first.click()
    tab.get_by_text("| Idle").wait_for()
    tab.locator(".jp-CodeCell .cm-content").first.click()
    tab.keyboard.type("print(6 * 7)")
    tab.keyboard.press("Shift+Enter")
    tab.locator(".jp-OutputArea-output", has_text="42").wait_for()
    assert "/user/me/proxy/absolute/" in tab.url
    return tab


class _Notebook:
    """The notebook open in a page of JupyterLab or Notebook, its cell run, and what it must not have told anybody."""

    def __init__(self, page: Page, place: Path) -> None:
        self.page = page
        self._file = place / "launcher.ipynb"
        self._complaints: list[str] = []
        page.on("console", lambda message: message.type == "error" and self._complain(message.text, message.location))
        page.on("pageerror", lambda error: self._complain(str(error), error.stack))

    def _complain(self, text: str, where: object) -> None:
        if "blob:" in f"{text} {where}" or "gl-" in text:  # our scripts are blobs; all else is the front end's
            self._complaints.append(text)

    def run(self, idle: str) -> None:
        """Run the cell once ``idle`` is there; told too soon, JupyterLab and Notebook drop what they are to run."""
        self.page.locator(idle).first.wait_for()
        cell = self.page.locator(".jp-CodeCell").first
        asks_for_kernel = self.page.locator(".jp-Dialog .jp-mod-accept").last  # of who runs a cell before there is one
        self.page.add_locator_handler(asks_for_kernel, lambda accept: accept.click())  # whenever it covers the cell
        end = time.monotonic() + _RUN_SECONDS * slower()
        while True:
            cell.locator(".cm-content").click()
            self.page.keyboard.press("Shift+Enter")
            if self.page.wait_for_function(_RUNS_OR_DROPPED).json_value() == "runs":
                break
            assert time.monotonic() < end, "the cell does not run"
        self.page.remove_locator_handler(asks_for_kernel)

    def close_tab(self) -> None:
        """JupyterLab may ask about changes; the kernel stays."""
        self.page.locator(".lm-TabBar-tab", has_text="launcher.ipynb").locator(".lm-TabBar-tabCloseIcon").click()
        asks_or_gone = "document.querySelector('.jp-Dialog') || !document.querySelector('.jp-Notebook')"
        self.page.wait_for_function(asks_or_gone)
        discard = self.page.get_by_role("button", name="Discard")
        if discard.count():
            discard.click()

    def saved(self) -> str:
        """The notebook as it is on disk after it was saved, the state of its widgets included."""
        page = self.page
        with page.expect_response(lambda answer: answer.request.method == "PUT" and "launcher.ipynb" in answer.url):
            page.locator(".jp-CodeCell .jp-InputPrompt").first.click()
            page.keyboard.press("Control+s")
        text = self._file.read_text()
        assert "application/vnd.jupyter.widget-state+json" in json.loads(text)["metadata"]["widgets"]
        assert self._complaints == []
        return text


@contextmanager
def _notebook(
    chromium: Browser, place: Path, program: str, path: str, idle: str
) -> Iterator[tuple[_Notebook, list[str]]]:
    """A notebook in ``program``, and what its server printed, whole when the block has ended."""
    shutil.copy(ROOT / "launcher.ipynb", place)
    places = {"JUPYTERLAB_SETTINGS_DIR": "set", "JUPYTERLAB_WORKSPACES_DIR": "work", "JUPYTER_CONFIG_DIR": "config"}
    setting = place / "set/@jupyter-widgets/jupyterlab-manager/plugin.jupyterlab-settings"
    setting.parent.mkdir(parents=True)
    setting.write_text(json.dumps(_SAVE_STATE))
    port = free_port()
    argv = [
        sys.executable,
        "-m",
        program,
        "--no-browser",
        "--allow-root",
        f"--port={port}",
        "--ServerApp.log_level=INFO",
    ]
    argv += ["--IdentityProvider.token=secret", "--LabApp.news_url=", f"--LabApp.check_for_updates_class={_NEVER}"]
    environment = {**os.environ, **{name: str(place / at) for name, at in places.items()}}
    served = serving_at(port, argv, cwd=place, env=environment)
    with served as printed, new_context(chromium, strict=False) as context:
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{port}/{path}/launcher.ipynb?token=secret")
        notebook = _Notebook(page, place)
        notebook.run(idle)
        yield notebook, printed


def _readable_by_others(home: Path) -> Iterator[Path]:
    for file in home.rglob("*"):
        status = file.lstat()
        if stat.S_ISREG(status.st_mode) and status.st_mode & 0o077:
            yield file


def _arguments() -> list[list[str]]:
    """What the processes of this computer were started with."""
    return [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]


def _assert_kept(secrets: list[str], home: Path, *texts: str) -> None:
    """None of ``secrets`` is in the texts, in a file that others may read, or in the arguments of a process."""
    for secret in secrets:
        assert not any(secret in text for text in texts)
        assert [file for file in _readable_by_others(home) if secret.encode() in file.read_bytes()] == []
        assert [arguments for arguments in _arguments() if secret in " ".join(arguments)] == []


def test_jupyterlab(chromium: Browser, home: Path, tmp_path: Path) -> None:
    say(make_session("mine"), "a line")
    with _notebook(chromium, tmp_path, "jupyterlab", "lab/tree", "text=(ipykernel) | Idle") as (notebook, printed):
        page = notebook.page
        _works(page)
        token = _a_session(page, "in-lab")
        text = notebook.saved()
        assert "abcdefgh12345678" not in text
        page.reload()
        _works(page)  # the kernel lives on, and shows what it showed
        notebook.close_tab()
        page.locator(".jp-DirListing-item", has_text="launcher.ipynb").dblclick()
        page.locator(".gl-start").wait_for()
        say(session_directory("mine"), "after it was closed and opened again")
        page.get_by_role("article", name="mine").get_by_text("after it was closed").wait_for()
    secrets = [token, str(network.up().node.app_key)]
    _assert_kept(secrets, home, text, "\n".join(printed))


def test_a_tile_of_a_jupyterlab_that_has_the_launcher_beside_it(chromium: Browser, home: Path, tmp_path: Path) -> None:
    del home
    say(make_session("mine"), "a line")
    port = free_port()
    lab = f"http://127.0.0.1:{port}/my"
    argv = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}"]
    argv += ["--IdentityProvider.token=secret", "--ServerApp.base_url=/my/", "--LabApp.news_url="]
    argv += [f"--LabApp.check_for_updates_class={_NEVER}"]
    environment = {**os.environ, "JUPYTER_CONFIG_DIR": str(tmp_path / "config")}
    served = serving_at(port, argv, cwd=tmp_path, env=environment)
    with served:
        with new_context(chromium, strict=False) as context:
            page = context.new_page()
            page.goto(f"{lab}/lab?token=secret")
            tile = page.locator(".jp-LauncherCard", has_text="Golem Launcher")
            tile.wait_for()
            with context.expect_page() as opened:
                tile.click()
            _works(opened.value)
            assert opened.value.url.startswith(f"{lab}/golem-launcher-page/")
            _a_session(opened.value, "by-tile")
        with new_context(chromium, strict=False) as context:
            stranger = context.new_page()
            stranger.goto(f"{lab}/golem-launcher-page/voila/render/launcher.ipynb")
            assert "/login" in stranger.url  # whom the Lab does not know the page does not know


def test_notebook_7(chromium: Browser, home: Path, tmp_path: Path) -> None:
    """Its cells and their widgets are JupyterLab's, where a session is started as well."""
    say(make_session("mine"), "a line")
    idle = ".jp-Notebook-ExecutionIndicator[data-status=idle]"
    with _notebook(chromium, tmp_path, "notebook", "notebooks", idle) as (notebook, printed):
        _works(notebook.page)
        text = notebook.saved()
    assert "abcdefgh12345678" not in text
    _assert_kept([str(network.up().node.app_key)], home, text, "\n".join(printed))
