"""A cell goes on while no page is open; another browser shows what it put out, and what it puts out from then on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from golem_launcher.session import client
from tests.browser.conftest import new_context
from tests.browser.lab import SECONDS, lab, new_notebook, output, session, type_cell
from tests.patience import milliseconds, slower

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("sessions")]

_CELL = """
import os, time
from IPython.display import HTML, display
for n in range(5):
    print("line", n)
    time.sleep(0.2)
while not os.path.exists("go"): time.sleep(0.1)
display(HTML("<b>the end</b>"))
"""


def test_outputs_are_there_in_another_browser(chromium: Browser) -> None:
    with session("closed-laptop", save_seconds=1) as directory:
        with lab(chromium, directory) as page:
            new_notebook(page)
            type_cell(page, _CELL)
            output(page, "line 0")
        with new_context(chromium, strict=False) as context:
            page = context.new_page()
            page.goto(str(directory.url()))
            output(page, "line 4")
            made = page.request.put(
                f"{directory.state().address}/api/contents/go",
                data={"type": "file", "format": "text", "content": ""},
                headers={"Authorization": f"token {directory.token()}"},
            )
            assert made.ok
            output(page, "the end")
            expect(page.locator(".jp-OutputArea-output b")).to_have_text("the end")
            expect(page.locator(".jp-InputPrompt").first).to_have_text("[1]:", timeout=milliseconds(SECONDS))
            expect(page.locator(".jp-Dialog")).to_have_count(0)
            client.wait_for(directory, lambda state: state.unsaved == 0, SECONDS * slower())
