"""What a user does in JupyterLab on some day, in one session."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.lab import lab, new_notebook, output, session, type_cell
from tests.patience import milliseconds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

    from golem_launcher.session.on_disk.directory import SessionDirectory

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

_SECONDS = 240
"""For a notebook of 63 MB, of which the browser draws every line, while others use the machine too."""

_OLD = """
import json
cell = {"cell_type": "code", "input": ["6 * 7"], "language": "python", "metadata": {}, "outputs": []}
sheet = {"cells": [{"cell_type": "heading", "level": 1, "metadata": {}, "source": ["Of the year 2013"]}, cell]}
with open("old.ipynb", "w") as file:
    json.dump({"metadata": {"name": ""}, "nbformat": 3, "nbformat_minor": 0, "worksheets": [sheet]}, file)
print("writ" + "ten")
"""
_LARGE = """
import json
lines = ["x" * 99 + "\\n"] * 10_000
cell = {"cell_type": "code", "execution_count": 1, "metadata": {}, "source": "# printed", "outputs": []}
printed = {**cell, "outputs": [{"output_type": "stream", "name": "stdout", "text": lines}]}
cells = [printed] * 60 + [{**cell, "source": "6 * 7"}]
with open("large.ipynb", "w") as file:
    cells = [{**each, "id": f"cell-{number}"} for number, each in enumerate(cells)]
    json.dump({"metadata": {}, "nbformat": 4, "nbformat_minor": 5, "cells": cells}, file)
print(file.name, "writ" + "ten")
"""
_FRAME = """
from IPython.display import IFrame
with open("page.html", "w") as file:
    file.write("<p>as a page</p>")
IFrame("page.html", 300, 100)
"""


@pytest.fixture(scope="module")
def directory(home: Path) -> Iterator[SessionDirectory]:
    del home
    with session("day") as directory:
        yield directory


def test_a_kernel_that_is_killed_many_lines_an_old_notebook_and_one_as_html(
    chromium: Browser, directory: SessionDirectory
) -> None:
    with lab(chromium, directory) as page:
        new_notebook(page)
        type_cell(page, "import os; os.kill(os.getpid(), 9)")
        page.locator(".jp-Dialog", has_text="appears to have died").get_by_role("button").last.click()
        type_cell(page, "for line in range(200_000): print('line', line)\nprint('the' + ' end')")
        output(page, "the end")
        type_cell(page, _OLD)
        output(page, "written")
        type_cell(page, _FRAME)
        page.frame_locator(".jp-OutputArea-output iframe").get_by_text("as a page").wait_for()

        page.goto(f"{directory.state().address}/lab/tree/old.ipynb?reset")
        converted = page.locator(".jp-Dialog", has_text="converted from an older notebook format")
        with page.expect_response(lambda answer: answer.request.method == "PUT" and "/old.ipynb" in answer.url):
            converted.get_by_role("button").last.click()  # and what was converted is saved
        page.locator("h1", has_text="Of the year 2013").wait_for()
        address = directory.state().address
        answer = page.request.get(f"{address}/nbconvert/html/old.ipynb", headers={"Referer": f"{address}/lab"})
        assert "Of the year 2013" in answer.text(), directory.workload_log.read_text()[-4000:]


def test_a_notebook_of_63_mb(chromium: Browser, directory: SessionDirectory) -> None:
    """On a machine that has nothing else to do it is shown after 27 s."""
    with lab(chromium, directory) as page:
        new_notebook(page)
        type_cell(page, _LARGE)
        output(page, "written")
        page.goto(f"{directory.state().address}/lab/tree/large.ipynb?reset")
        page.locator(".jp-CodeCell", has_text="# printed").first.wait_for(timeout=milliseconds(_SECONDS))
        kernel = page.locator(".jp-Dialog", has_text="Select Kernel").get_by_role("button", name="Select")
        kernel.click(timeout=milliseconds(_SECONDS))
        page.get_by_text("| Idle").wait_for(timeout=milliseconds(_SECONDS))
        page.locator(".jp-CodeCell .cm-content", has_text="6 * 7").click(timeout=milliseconds(_SECONDS))
        with page.expect_response(
            lambda answer: answer.request.method == "PUT" and "/api/contents/large.ipynb" in answer.url,
            timeout=milliseconds(_SECONDS),
        ) as saved:
            page.keyboard.press("Shift+Enter")
            output(page, "42")
        assert saved.value.ok


_VENV = (
    "python -m venv --without-pip own && there=$(python -c 'import ipykernel; print(ipykernel.__path__[0])') && "
    "echo ${there%/*} > $(echo own/lib/python3*/site-packages)/session.pth && "
    "own/bin/python -m ipykernel install --user --name own --display-name 'My own'"
)
"""One with the session's packages: pip would take half a minute, and that it works other tests say."""


def test_a_venvs_kernel_and_pdf_without_tex(chromium: Browser, directory: SessionDirectory) -> None:
    with lab(chromium, directory) as page:
        page.locator(".jp-LauncherCard", has_text="Terminal").click()
        page.locator(".jp-Terminal .xterm-helper-textarea").wait_for()
        page.locator(".jp-Terminal").click()
        page.keyboard.type(f"{_VENV}\n")
        page.keyboard.press("Control+Shift+L")
        card = page.locator(".jp-LauncherCard[data-category=Notebook]", has_text="My own")
        card.click(timeout=milliseconds(150))  # it comes by itself
        page.get_by_text("| Idle").wait_for()
        type_cell(page, "import sys; print('in', sys.prefix)")
        output(page, "/own")

        page.locator(".lm-MenuBar-item", has_text="File").click()
        page.locator(".lm-Menu-item", has_text="Save and Export Notebook As").hover()
        with page.context.expect_page() as opened:
            page.locator(".lm-Menu-item").get_by_text("PDF", exact=True).click()
        opened.value.get_by_text("nbconvert failed: xelatex not found on PATH").wait_for()
