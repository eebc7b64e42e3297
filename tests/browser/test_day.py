"""What a user does in JupyterLab on some day, in a session."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.lab import lab, new_notebook, output, session, type_cell

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("home", "sessions")]

_OLD = """
import json
cell = {"cell_type": "code", "input": ["6 * 7"], "language": "python", "metadata": {}, "outputs": []}
sheet = {"cells": [{"cell_type": "heading", "level": 1, "metadata": {}, "source": ["Of the year 2013"]}, cell]}
with open("old.ipynb", "w") as file:
    json.dump({"metadata": {"name": ""}, "nbformat": 3, "nbformat_minor": 0, "worksheets": [sheet]}, file)
print("writ" + "ten")
"""
_FRAME = """
from IPython.display import IFrame
with open("page.html", "w") as file:
    file.write("<p>as a page</p>")
IFrame("page.html", 300, 100)
"""


def test_a_kernel_that_is_killed_many_lines_an_old_notebook_and_one_as_html(chromium: Browser) -> None:
    with session("day") as directory, lab(chromium, directory) as page:
        new_notebook(page)
        type_cell(page, "import os; os.kill(os.getpid(), 9)")
        page.locator(".jp-Dialog", has_text="appears to have died").get_by_role("button").last.click(timeout=60_000)
        type_cell(page, "for line in range(50_000): print('line', line)\nprint('the' + ' end')")
        output(page, "the end")
        type_cell(page, _OLD)
        output(page, "written")
        type_cell(page, _FRAME)
        page.frame_locator(".jp-OutputArea-output iframe").get_by_text("as a page").wait_for(timeout=60_000)

        page.goto(f"{directory.state().address}/lab/tree/old.ipynb?reset")
        page.locator(".jp-Dialog", has_text="converted from an older notebook format").get_by_role("button").last.click(
            timeout=60_000
        )
        page.locator("h1", has_text="Of the year 2013").wait_for()
        address = directory.state().address
        answer = page.request.get(f"{address}/nbconvert/html/old.ipynb", headers={"Referer": f"{address}/lab"})
        assert "Of the year 2013" in answer.text()
