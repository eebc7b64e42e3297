"""What users install into JupyterLab works in a session as anywhere else, unless they want it strict."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from tests.browser.lab import lab, new_notebook, output, session, show, type_cell

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("home", "sessions")]

MEMORY = "jupyter-resource-usage"
"""A small extension with a half in the page and one in the server."""
_FETCH = "address => fetch(address, {mode: 'no-cors', method: 'POST', body: 'x'}).then(() => 'sent', () => 'refused')"


def test_asked_for_or_installed_meanwhile(chromium: Browser) -> None:
    with session("extended", packages=(MEMORY,)) as directory, lab(chromium, directory) as page:
        page.locator("#jp-main-statusbar", has_text="Mem:").wait_for()
        new_notebook(page)
        # Its server's half must be there too, and it replaces plugins that JupyterLab can't do without.
        type_cell(page, "%pip install -q jupyter-collaboration\nprint('install' + 'ed')")
        output(page, "installed")
        line = b"jupyter_server_ydoc | extension was successfully loaded"
        while line not in directory.lab_log.read_bytes():
            page.wait_for_timeout(200)
        show(page, directory)
        new_notebook(page)
        type_cell(page, "print(6 * 7)")
        output(page, "42")
        # Scripts of the session reach it, and no other program of this computer.
        with socket.create_server(("127.0.0.1", 0)) as other:
            assert page.evaluate(_FETCH, "/api/status") == "sent"
            assert page.evaluate(_FETCH, f"http://127.0.0.1:{other.getsockname()[1]}/") == "refused"


def test_strict(chromium: Browser) -> None:
    with session("strict", packages=(MEMORY,), lab_extensions=False) as directory, lab(chromium, directory) as page:
        new_notebook(page)
        type_cell(page, "print(6 * 7)")
        output(page, "42")
        assert page.locator("#jp-main-statusbar", has_text="Mem:").count() == 0
        events, _ = directory.events()
        told = [event.text for event in events if event.kind == "message" and event.level == "warning"]
        assert told == ["JupyterLab is shown without these extensions: @jupyter-server/resource-usage."]
