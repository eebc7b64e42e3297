"""Ways that begin elsewhere: a JupyterLab of one's own, another machine, a hub's server."""

import asyncio
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from golem_launcher.session import client
from golem_launcher.session.on_disk import liveness
from tests.access.conftest import TOKEN, server
from tests.access.secret_leaks import seen
from tests.access.tunnel_command import tunnel
from tests.patience import slower
from tests.session.conftest import command
from tests.session.jupyter import Jupyter

SECONDS = 60
SERVICES = ("@jupyterlab/services@7.6.6", "ws@8")


@pytest.mark.slow
def test_a_jupyterlab_here_uses_the_kernels_there(remote_session, tmp_path):
    _, line, _ = command("gateway", "tunnel")
    assert remote_session[0].token() not in line
    assert re.match(r"jupyter lab --gateway-url http://127\.", line)
    arguments = [sys.executable, "-m", "golem_launcher.cli", "gateway", "tunnel", "--run", "--"]
    token = {"JUPYTER_TOKEN": TOKEN, "JUPYTER_CONFIG_DIR": str(tmp_path), "JUPYTERLAB_SETTINGS_DIR": str(tmp_path)}
    with server(*arguments, environment=token, directory=tmp_path, path="/api") as origin:

        async def compute():
            async with Jupyter(f"{origin}/lab?token={TOKEN}") as jupyter:
                return await jupyter.execute("import os; print(os.getcwd(), 6 * 7)")

        assert seen(remote_session[1], **{"the token of the JupyterLab here": TOKEN}) == []
        found = asyncio.run(compute()).split()
        assert found[0].endswith("/golem/work")
        assert found[1] == "42"
        assert remote_session[0].token() not in (tmp_path / "log").read_text()


_CLIENTS = """
import asyncio
import nbformat
from jupyter_server.gateway.managers import GatewayKernelManager
from nbclient import NotebookClient

kind = "jupyter_server.gateway.managers.GatewayKernelManager"
notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("import os; print(os.getcwd(), 6 * 7)")])
NotebookClient(notebook, kernel_manager_class=kind, kernel_name="python3").execute()
print(notebook.cells[0].outputs[0].text)

async def interrupt():
    manager = GatewayKernelManager()
    await manager.start_kernel(kernel_name="python3")
    client = manager.client()
    await client.start_channels()
    client.execute("1")
    await client.get_shell_msg(timeout=60)
    asked = client.execute("print('begun', flush=True)\\nwhile True: pass")
    while (await client.get_iopub_msg(timeout=60))["content"].get("text") != "begun\\n":
        pass
    await manager.interrupt_kernel()
    while (answer := await client.get_shell_msg(timeout=60))["parent_header"].get("msg_id") != asked:
        pass
    print(answer["content"]["ename"])
    client.stop_channels()
    await manager.shutdown_kernel()

asyncio.run(interrupt())
"""


@pytest.mark.slow
def test_programs_that_can_show_no_token_use_its_kernels(remote_session, tmp_path):
    _, told, _ = command("gateway", remote_session[0].name, "--json")
    url = told["url"]
    ran = subprocess.run(
        [sys.executable, "-c", _CLIENTS],
        env={**os.environ, "JUPYTER_GATEWAY_URL": url}, cwd=tmp_path, capture_output=True, text=True,
        timeout=150 * slower(), check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split()[0].endswith("/golem/work")
    assert ran.stdout.split()[1:] == ["42", "KeyboardInterrupt"]
    root = urlsplit(url)._replace(path="/api/kernels").geturl()  # all that a stranger's page can guess
    for asked in (urllib.request.Request(f"{url}/api/kernels", headers={"Sec-Fetch-Site": "none"}), root):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(asked, timeout=SECONDS * slower())
        with refused.value as answer:
            assert answer.code == 403


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_vs_codes_library_uses_its_kernels_by_the_link_and_by_the_gateway(remote_session, tmp_path):
    directory, _ = remote_session
    installed = subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", *SERVICES], cwd=tmp_path, capture_output=True, check=False
    )
    if installed.returncode:
        pytest.skip("JupyterLab's library can't be had from a registry here")
    shutil.copy(Path(__file__).parent / "programs" / "client.mjs", tmp_path)
    _, told, _ = command("gateway", directory.name, "--json")
    for address in (directory.url(), f"{told['url']}/"):
        ran = subprocess.run(
            ["node", "client.mjs", address],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120 * slower(),
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        saw = json.loads(ran.stdout.splitlines()[-1])
        assert saw["ran"] == ["ok", "ok", "error", "ok"]
        assert (saw["hub"], saw["printed"]) == (404, ["42", "typed", "again"])
        assert saw["after"] == saw["before"]


def test_the_lab_at_a_port_of_ones_choice_and_for_other_machines_by_tls(remote_session):
    directory, _ = remote_session
    with tunnel("tunnel", "--port", "0") as (_, told):
        assert told["address"].endswith(f"/lab?token={directory.token()}")
        with urllib.request.urlopen(told["address"], timeout=SECONDS * slower()) as answer:
            assert _is_the_lab(answer)
    with tunnel("tunnel", "--port", "0", "--listen", "localhost") as (_, told):
        assert told["address"].startswith("https://localhost:")
        host, port = told["address"].removeprefix("https://").partition("/")[0].split(":")
        pem = ssl.get_server_certificate((host, int(port)))
        trusting = ssl.create_default_context(cadata=pem)
        with urllib.request.urlopen(told["address"], timeout=SECONDS * slower(), context=trusting) as answer:
            assert b"jupyter-config-data" in answer.read()
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(
                told["address"].partition("lab?")[0] + "api/status", timeout=SECONDS * slower(), context=trusting
            )
        assert refused.value.code == 403
        refused.value.close()
        with pytest.raises(OSError, match=r"reset|closed|end|Remote"):
            urllib.request.urlopen(f"http://{host}:{port}/api", timeout=SECONDS * slower())
    code, _, error = command("tunnel", "tunnel", "--listen", "0.0.0.0", check=False)
    assert code == 1
    assert "every address" in error


def _is_the_lab(answer):
    """Whether it is the Lab's page as the link gives it: with our extension, within our policy."""
    return b"golemLauncherKey" in answer.read() and "script-src 'self'" in answer.headers["Content-Security-Policy"]


@pytest.mark.slow
def test_from_ones_own_computer_through_the_hub(hub, remote_session, monkeypatch):
    address, session = hub
    monkeypatch.setenv("JUPYTER_TOKEN", TOKEN)
    with tunnel(address, "--session", "on-hub", "--port", "0") as (process, told):
        assert told["address"].endswith(f"lab?token={session.token()}")
        assert process.poll() is None

        async def compute():
            link = told["address"]
            async with Jupyter(link) as jupyter:
                jupyter.origin = link.partition("/lab?")[0]
                return await jupyter.execute("print(6 * 7)")

        assert asyncio.run(compute()) == "42\n"
        with urllib.request.urlopen(told["address"], timeout=SECONDS * slower()) as answer:
            assert _is_the_lab(answer)
        assert seen(remote_session[1], **{"the hub's token": TOKEN}) == []
    monkeypatch.setenv("JUPYTER_TOKEN", "a-wrong-one")
    code, _, error = command("tunnel", address, "--session", "on-hub", "--port", "0", check=False)
    assert code == 1
    assert "does not let us in" in error
    monkeypatch.setenv("JUPYTER_TOKEN", TOKEN)
    code, _, error = command("tunnel", address, "--session", "no-such", "--port", "0", check=False)
    assert code == 1
    assert "knows no such session" in error


def test_on_the_hubs_own_origin_only_after_a_yes(hub):
    address, session = hub
    base_url = session.state().base_url
    assert re.fullmatch(r"/user/me/proxy/absolute/\d+/", base_url)
    lab = address.partition("/user/")[0] + base_url
    link = f"{lab}lab?token={session.token()}"

    async def scene():
        # A browser that is logged in at the hub: an address of this machine gets cookies here, too.
        jar = aiohttp.CookieJar(unsafe=True)
        timeout = aiohttp.ClientTimeout(total=SECONDS)
        async with aiohttp.ClientSession(cookie_jar=jar, timeout=timeout) as browser:
            await (await browser.get(f"{address}api/status?token={TOKEN}")).read()
            async with browser.get(link) as response:
                assert response.status == 403
                assert "asks you first" in await response.text()
            assert session.state().hub_port is None
            told = await asyncio.to_thread(liveness.control, session, "hub")
            assert f"/{told['port']}/" in base_url
            port_is_known = await asyncio.to_thread(client.wait_for, session, lambda state: state.hub_port, 10)
            assert port_is_known
            async with browser.get(link) as response:
                page = await response.text()
                cookies = response.headers.getall("Set-Cookie")
            config = json.loads(page.partition('type="application/json">')[2].partition("</script>")[0])
            assert config["baseUrl"] == base_url
            theirs = [cookie for cookie in cookies if cookie.startswith("golem-")]
            assert theirs
            assert all(f"Path={base_url}" in cookie for cookie in theirs)
            mine = {"Authorization": f"token {session.token()}"}
            async with browser.post(f"{lab}api/kernels", json={"name": "python3"}, headers=mine) as response:
                kernel = (await response.json())["id"]
            async with browser.ws_connect(f"{lab}api/kernels/{kernel}/channels?token={session.token()}"):
                pass
            # What lets into the hub's server never reaches the provider, which answers as to a stranger.
            for path, headers in (
                ("api/status", {"Authorization": f"token {TOKEN}"}),
                (f"api/status?token={TOKEN}", {}),
            ):
                jar.clear(lambda cookie: cookie.key.startswith("golem-"))
                async with browser.get(lab + path, headers=headers) as response:
                    assert response.status == 403

    asyncio.run(asyncio.wait_for(scene(), SECONDS * slower()))
