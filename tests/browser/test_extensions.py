"""What users install into JupyterLab works in a session as anywhere else, unless they want it strict."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from golem_launcher.session import client
from tests.browser.lab import lab, new_notebook, output, session, show, type_cell
from tests.patience import milliseconds, slower

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
        while line not in directory.workload_log.read_bytes():
            page.wait_for_timeout(200)
        show(page, directory)
        new_notebook(page)
        type_cell(page, "print(6 * 7)")
        output(page, "42")
        # Scripts of the session reach it, and no other program of this computer.
        with socket.create_server(("127.0.0.1", 0)) as other:
            assert page.evaluate(_FETCH, "/api/status") == "sent"
            assert page.evaluate(_FETCH, f"http://127.0.0.1:{other.getsockname()[1]}/") == "refused"


def test_dasks_own_panes_beside_the_notebooks_of_a_cluster(chromium: Browser) -> None:
    """Its server's half lists and scales the session's cluster, and its panes come by the link."""
    with session("panes", workers=1, max_workers=2) as directory, lab(chromium, directory) as page:
        new_notebook(page)
        type_cell(page, "%pip install -q dask-labextension\nprint('install' + 'ed')")
        output(page, "installed")
        while b"dask_labextension | extension was successfully loaded" not in directory.workload_log.read_bytes():
            page.wait_for_timeout(200)
        show(page, directory)
        page.get_by_role("tab", name="Dask").click()
        listed = page.locator(".dask-ClusterListingItem", has_text="Golem")
        listed.get_by_text("Number of Workers: 1").wait_for(timeout=milliseconds(120))
        assert listed.get_by_role("link").get_attribute("href") == "/proxy/8787/status"
        page.get_by_role("button", name="Workers", exact=True).click(timeout=milliseconds(120))
        frame = page.frame_locator(".dask-DaskDashboard iframe, .jp-MainAreaWidget iframe")
        frame.get_by_text("machine-2").first.wait_for(timeout=milliseconds(120))
        listed.get_by_role("button", name="SCALE").click()
        page.locator(".jp-Dialog input[type=number]").first.fill("2")
        page.locator(".jp-Dialog").get_by_role("button", name="Scale").click()
        assert client.wait_for(directory, lambda state: state.cluster.workers == 2, 60 * slower()), (
            "the user's side decided"
        )


_APP = """
import http.server, threading
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<p></p><script>document.querySelector('p').textContent = 'from ' + location.href</script>")
    def log_message(self, *_):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 8501), Page)
threading.Thread(target=server.serve_forever, daemon=True).start()
from IPython.display import HTML
HTML('<a target="_blank" href="/proxy/8501/a">the app</a> <iframe src="/proxy/8501/b"></iframe>')
"""


def test_strict_mode_has_none_and_shows_servers_pages_all_the_same(chromium: Browser) -> None:
    with session("strict", packages=(MEMORY,), lab_extensions=False) as directory, lab(chromium, directory) as page:
        new_notebook(page)
        type_cell(page, "print(6 * 7)")
        output(page, "42")
        assert page.locator("#jp-main-statusbar", has_text="Mem:").count() == 0
        events, _ = directory.events()
        told = [event.text for event in events if event.kind == "message" and event.level == "warning"]
        assert told == ["JupyterLab is shown without these extensions: @jupyter-server/resource-usage."]
        type_cell(page, _APP)
        link = page.get_by_role("link", name="the app")
        with page.context.expect_page() as opened:
            link.click()
        text = opened.value.locator("p", has_text="from http").inner_text()
        frame = page.frame_locator(".jp-OutputArea-output iframe")
        assert frame.locator("p", has_text="from http").inner_text().removesuffix("b") == text.removesuffix("a")
        address, _, port = text.removeprefix("from http://").removesuffix("/a").partition(":")
        assert f"//{address}:" in str(directory.url())
        assert f":{port}/" not in str(directory.url())
