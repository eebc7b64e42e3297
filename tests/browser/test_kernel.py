"""The kernel on a provider in a JupyterLab of this computer: chosen by its card, with a widget that moves."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Error

from golem_launcher.kernel import kernelspec
from tests.browser.conftest import free_port, new_context, serving
from tests.browser.lab import output, type_cell

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page

_TOKEN = "for-this-test"
_MILLISECONDS = 120_000
_TABS = 6
_TAB_MILLISECONDS = 10_000
_SLIDER = (
    "import ipywidgets\nfrom IPython.display import display\n"
    "slider = ipywidgets.IntSlider(value=3)\nshown = ipywidgets.HTML()\n"
    "def moved(change):\n    shown.value = f'moved to {change.new}'\n"
    "slider.observe(moved, 'value')\ndisplay(slider, shown)"
)


@pytest.fixture
def own_lab(chromium: Browser, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Page:
    """A JupyterLab of this computer with the kernel installed, in a browser."""
    del home  # of the launcher: it must be the tests'
    for name in ("JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    kernelspec.install()
    port = free_port()
    (tmp_path / "work").mkdir()
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}", "--ip=127.0.0.1",
        f"--IdentityProvider.token={_TOKEN}", f"--ServerApp.root_dir={tmp_path / 'work'}",
    ]  # fmt: skip
    with (
        serving(command, lambda line: "is running at" in line),
        new_context(chromium, strict=False) as context,
    ):
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{port}/lab?reset&token={_TOKEN}")
        yield page


def _complete(page: Page, code: str, wanted: str) -> None:
    """Have JupyterLab complete this in the last cell, by Tab, and remove it again.

    Not always at once: JupyterLab gives a kernel one second, and IPython's first answer takes longer.
    """
    cell = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell .cm-content").last
    cell.click()
    page.keyboard.insert_text(code)
    shown = page.locator(".jp-Completer .jp-Completer-item", has_text=wanted).first
    for _ in range(_TABS):
        page.keyboard.press("Tab")
        with contextlib.suppress(Error):
            shown.wait_for(timeout=_TAB_MILLISECONDS)
            break
    shown.click(timeout=_TAB_MILLISECONDS)
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.press("Delete")


@pytest.mark.slow
def test_a_sliders_value_comes_back_from_the_provider(own_lab: Page, pictures: Path) -> None:
    page = own_lab
    card = page.locator('.jp-LauncherCard[title*="Python 3 (Golem)"][data-category=Notebook]')
    card.locator("img").wait_for(timeout=_MILLISECONDS)
    card.click()
    page.get_by_text("Python 3 (Golem) | Idle").wait_for(timeout=_MILLISECONDS)
    type_cell(page, "%connect local 1")
    output(page, "time left")
    _complete(page, "import os; os.getcw", "getcwdb")
    type_cell(page, f"import os; print('runs in', os.getcwd())\n{_SLIDER}")
    output(page, "runs in /golem/work")
    handle = page.locator(".jp-OutputArea-output .noUi-handle")
    handle.wait_for(timeout=_MILLISECONDS)
    handle.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.locator(".jp-OutputArea-output", has_text="moved to 5").wait_for(timeout=_MILLISECONDS)
    type_cell(page, "%status")
    output(page, "next budget")
    page.screenshot(path=pictures / "kernel-light.png")
    type_cell(page, "%disconnect")
    output(page, "it cost")
