"""The kernel on a provider in a JupyterLab and a Notebook 7 of this computer, with widgets that move."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Error

from golem_launcher.kernel import kernelspec
from tests.browser.conftest import free_port, new_context, serving_at
from tests.browser.lab import output, type_cell
from tests.patience import milliseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

_TOKEN = "for-this-test"
_SECONDS = 120
_TRIES = 6
_TAB_SECONDS = 10
_SLIDER = (
    "import ipywidgets\nfrom IPython.display import display\n"
    "slider = ipywidgets.IntSlider(value=3)\nshown = ipywidgets.HTML()\n"
    "def moved(change):\n    shown.value = f'moved to {change.new}'\n"
    "slider.observe(moved, 'value')\ndisplay(slider, shown)"
)

_KERNEL_IS_CONNECTED = """
() => {
  const asked = new XMLHttpRequest();  // a promise would be taken for a yes
  asked.open("GET", "/api/kernels", false);
  asked.send();
  const kernels = asked.status === 200 ? JSON.parse(asked.responseText) : [];
  return kernels.some((kernel) => kernel.execution_state === "idle" && kernel.connections > 0);
}
"""
"""By the server: Notebook 7 shows one that it does not know yet as idle, and runs no cell then, without a word."""


@contextlib.contextmanager
def _own_jupyter(chromium: Browser, folder: Path, program: str, page_path: str) -> Iterator[Page]:
    """A Jupyter of this computer with the kernel installed, in a browser."""
    kernelspec.install()
    port = free_port()
    (folder / "work").mkdir(exist_ok=True)
    command = [
        sys.executable, "-m", program, "--no-browser", "--allow-root", f"--port={port}", "--ip=127.0.0.1",
        f"--IdentityProvider.token={_TOKEN}", f"--ServerApp.root_dir={folder / 'work'}",
    ]  # fmt: skip
    with (
        serving_at(port, command),
        new_context(chromium, strict=False) as context,
    ):
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{port}/{page_path}token={_TOKEN}")
        yield page


@pytest.fixture
def places(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Jupyter's own directories are the test's."""
    del home  # of the launcher: it must be the tests'
    for name in ("JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    return tmp_path


@pytest.fixture
def own_lab(chromium: Browser, places: Path) -> Iterator[Page]:
    """A JupyterLab of this computer."""
    with _own_jupyter(chromium, places, "jupyterlab", "lab?reset&") as page:
        yield page


@pytest.fixture
def own_notebook(chromium: Browser, places: Path) -> Iterator[Page]:
    """A Notebook 7 of this computer, and a notebook of the kernel's."""
    cell = {"cell_type": "code", "id": "first", "source": "", "metadata": {}, "outputs": [], "execution_count": None}
    described = {"name": "golem", "display_name": "Python 3 (Golem)", "language": "python"}
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": described}, "cells": [cell]}
    (places / "work").mkdir()
    (places / "work" / "own.ipynb").write_text(json.dumps(notebook))
    with _own_jupyter(chromium, places, "notebook", "notebooks/own.ipynb?") as page:
        yield page


def _complete(page: Page, code: str, wanted: str) -> None:
    """Have JupyterLab complete this in the last cell, by Tab, and remove it again.

    Not always at once: JupyterLab gives a kernel one second, and IPython's first answer takes longer.
    """
    cell = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell .cm-content").last
    cell.click()
    page.keyboard.insert_text(code)
    shown = page.locator(".jp-Completer .jp-Completer-item", has_text=wanted).first
    for _ in range(_TRIES):
        page.keyboard.press("Tab")
        with contextlib.suppress(Error):
            shown.wait_for(timeout=milliseconds(_TAB_SECONDS))
            break
    shown.click(timeout=milliseconds(_TAB_SECONDS))
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.press("Delete")


@pytest.mark.slow
def test_a_sliders_value_comes_back_from_the_provider(own_lab: Page, pictures: Path) -> None:
    page = own_lab
    card = page.locator('.jp-LauncherCard[title*="Python 3 (Golem)"][data-category=Notebook]')
    card.locator("img").wait_for(timeout=milliseconds(_SECONDS))
    card.click()
    page.get_by_text("Python 3 (Golem) | Idle").wait_for(timeout=milliseconds(_SECONDS))
    type_cell(page, "%connect local 1")
    output(page, "time left")
    _complete(page, "import os; os.getcw", "getcwdb")
    type_cell(page, f"import os; print('runs in', os.getcwd())\n{_SLIDER}")
    output(page, "runs in /golem/work")
    handle = page.locator(".jp-OutputArea-output .noUi-handle")
    _until_moved(page, lambda: handle.press("ArrowRight", timeout=milliseconds(_SECONDS)))
    type_cell(page, "%status")
    output(page, "next budget")
    page.screenshot(path=pictures / "kernel-light.png")
    type_cell(page, "%disconnect")
    output(page, "it cost")


def _until_moved(page: Page, move: Callable[[], None]) -> None:
    """Move the slider until its kernel says so: the next cell that opens may still take the focus, or push it away."""
    moved = page.locator(".jp-OutputArea-output", has_text=re.compile(r"moved to \d"))
    for _ in range(_TRIES):
        move()
        with contextlib.suppress(Error):
            moved.wait_for(timeout=milliseconds(_TAB_SECONDS))
            return
    moved.wait_for(timeout=milliseconds(_TAB_SECONDS))


def _drag(page: Page) -> None:
    """Move the slider that was shown last by the mouse: Notebook keeps the arrow keys for itself."""
    handle = page.locator(".jp-OutputArea-output .noUi-handle").last
    handle.hover(timeout=milliseconds(_SECONDS))
    box = handle.bounding_box()
    assert box is not None
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + box["height"] / 2, steps=6)
    page.mouse.up()


@pytest.mark.slow
def test_a_slider_moves_in_notebook_7(own_notebook: Page, pictures: Path) -> None:
    page = own_notebook
    page.wait_for_function(_KERNEL_IS_CONNECTED, polling=100, timeout=milliseconds(_SECONDS))
    page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for(timeout=milliseconds(_SECONDS))
    type_cell(page, "%connect local 1")
    output(page, "time left")
    type_cell(page, _SLIDER)
    _until_moved(page, lambda: _drag(page))
    page.screenshot(path=pictures / "kernel-notebook-7-light.png")
    type_cell(page, "%disconnect")
    output(page, "it cost")
