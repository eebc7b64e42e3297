"""A real JupyterHub with its real proxy, as a process, and users with browsers."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import aiohttp
import pytest

from tests.patience import slower
from tests.session.jupyter import Jupyter

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVICE_TOKEN = "a-token-of-a-service-of-the-hub"
_PLACE = Path(tempfile.gettempdir()) / f"golem-launcher-tests-{os.getuid()}"
"""What is fetched for this test, and kept for the next time."""
_PINS = Path(__file__).parent / "requirements.txt"
_PROXY = "configurable-http-proxy@5.3.0"
_CONFIG = """
from golem_launcher.hub_spawner import admin_page
c.JupyterHub.spawner_class = "golem"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.Authenticator.admin_users = {{"carol"}}
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_port = {hub_port}
c.ConfigurableHTTPProxy.command = ["{proxy}"]
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api_port}"
c.ConfigurableHTTPProxy.auth_token = "{auth_token}"
c.ConfigurableHTTPProxy.should_start = False
c.JupyterHub.cleanup_servers = False
c.JupyterHub.load_groups = {{"students": {{"users": ["bob"]}}}}
c.JupyterHub.load_roles = [{{"name": "tester", "scopes": ["admin:servers", "access:servers"], "services": ["tester"]}}]
c.JupyterHub.services = [
    {{"name": "tester", "api_token": "{token}"}}, admin_page.service("local", port={service_port})
]
c.GolemSpawner.settings = {{"disk_gib": 0.5, "save_seconds": 1}}
c.GolemSpawner.profiles = {{"small": {{"title": "Small <b>", "memory_gib": 0.5}}}}
c.GolemSpawner.limits = {{"hours": 8, "budget": 2}}

def hurry(spawner):
    if spawner.user.name == "dora":  # the hub waits no longer for hers
        spawner.start_timeout = 1

c.Spawner.pre_spawn_hook = hurry
"""


def proxy_program() -> str:
    """The hub's proxy, from the PATH or by npm; the test is skipped where neither has it."""
    found = shutil.which("configurable-http-proxy")
    if found:
        return found
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no configurable-http-proxy, and no npm to fetch it")
    place = _PLACE / "proxy"
    program = place / "node_modules/.bin/configurable-http-proxy"
    if not program.exists():
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        argv = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(place), _PROXY]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=300 * slower(), check=False)
        if done.returncode:
            pytest.skip(f"npm did not fetch configurable-http-proxy: {done.stderr[-300:]}")
    return str(program)


def hub_packages() -> str:
    """Where JupyterHub lies, for ``PYTHONPATH``; the test is skipped where pip can't fetch it."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}-{hashlib.sha256(_PINS.read_bytes()).hexdigest()[:8]}"
    place = _PLACE / f"hub-{version}"
    if not place.exists():
        partial = place.with_suffix(f".{os.getpid()}")
        argv = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--target",
            str(partial),
            "-r",
            str(_PINS),
        ]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=300 * slower(), check=False)
        if done.returncode:
            pytest.skip(f"pip did not fetch JupyterHub: {done.stderr[-300:]}")
        partial.rename(place)
    return str(place)


class Hub:
    """The hub in ``directory``; its sessions are on whatever network the launcher's home has."""

    def __init__(self, directory: Path, more: str = "") -> None:
        """``more``: lines of its configuration."""
        proxy = proxy_program()
        self._packages = hub_packages()
        self.directory = directory
        port, hub_port, api_port, service_port = free_ports(4)
        self.origin = f"http://127.0.0.1:{port}"
        self._health = f"http://127.0.0.1:{hub_port}/hub/api/"
        self._auth_token = os.urandom(16).hex()
        inner = f"http://127.0.0.1:{hub_port}"
        own = ["--ip=127.0.0.1", f"--port={port}", "--api-ip=127.0.0.1", f"--api-port={api_port}"]
        self._proxy_argv = [proxy, *own, f"--default-target={inner}", f"--error-target={inner}/hub/error"]
        values = {"port": port, "hub_port": hub_port, "api_port": api_port, "proxy": proxy, "token": SERVICE_TOKEN}
        values["service_port"] = service_port
        (directory / "jupyterhub_config.py").write_text(_CONFIG.format(**values, auth_token=self._auth_token) + more)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start_proxy(self) -> None:
        self._start("proxy", self._proxy_argv)

    def start(self) -> None:
        self._start("hub", [sys.executable, "-m", "jupyterhub", "-f", "jupyterhub_config.py"])

    def kill(self, name: str = "hub") -> None:
        process = self._processes.pop(name, None)
        if process is not None:
            process.kill()
            process.wait()

    def _start(self, name: str, argv: list[str]) -> None:
        environment = {**os.environ, "CONFIGPROXY_AUTH_TOKEN": self._auth_token, "PYTHONPATH": self._packages}
        with (self.directory / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                argv, cwd=self.directory, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def pid(self, name: str) -> int:
        return self._processes[name].pid

    def log(self) -> str:
        return (self.directory / "hub.log").read_text(errors="replace")

    async def answers(self, http: aiohttp.ClientSession) -> None:
        async with asyncio.timeout(90 * slower()):
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    async with http.get(self._health) as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(0.2)

    def all_down(self) -> None:
        for name in list(self._processes):
            self.kill(name)


class Browser:
    """Somebody's browser: cookies, and what browsers say of where they come from."""

    def __init__(self, hub: Hub, user: str) -> None:
        self.hub = hub
        self.user = user
        self.server = f"{hub.origin}/user/{user}"

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=120)
        self.http = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True), timeout=timeout)
        self._lab_http = aiohttp.ClientSession(
            cookie_jar=self.http.cookie_jar, timeout=timeout, headers={"Authorization": "token of-the-lab"}
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._lab_http.close()
        await self.http.close()

    async def page(self, path: str) -> tuple[int, str]:
        """Go to a page, wherever it leads."""
        headers = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
        async with self.http.get(self.hub.origin + path, headers=headers) as answer:
            return answer.status, await answer.text()

    async def log_in(self) -> None:
        _, text = await self.page("/hub/login")
        form = {"username": self.user, "password": "any", "_xsrf": xsrf(text)}
        async with self.http.post(f"{self.hub.origin}/hub/login", data=form, allow_redirects=False) as answer:
            assert answer.status == 302, await answer.text()

    async def spawn(self, **chosen: str) -> tuple[int, str]:
        """Send the hub's form for a server; what is answered first, where that leads."""
        _, text = await self.page("/hub/spawn")
        form = {**chosen, "_xsrf": xsrf(text)}
        async with self.http.post(f"{self.hub.origin}/hub/spawn/{self.user}", data=form) as answer:
            return answer.status, await answer.text()

    async def progress(self) -> list[dict[str, Any]]:
        """What the hub's page is told until the server is there, or failed."""
        told = []
        url = f"{self.hub.origin}/hub/api/users/{self.user}/server/progress"
        headers = {"Referer": f"{self.hub.origin}/hub/spawn-pending/{self.user}"}
        async with self.http.get(url, headers=headers) as answer:
            async for line in answer.content:
                if line.startswith(b"data: "):
                    told.append(json.loads(line[6:]))
                    if told[-1].get("ready") or told[-1].get("failed"):
                        break
        return told

    def lab(self) -> Jupyter:
        """The user's JupyterLab, by this browser's cookies; its page shows the Lab's own token as well."""
        found = Jupyter(f"{self.hub.origin}/?token=")
        found.origin, found.http = self.server, self._lab_http
        return found

    async def asks_hub(self, method: str, path: str, **more: Any) -> tuple[int, Any]:
        """As a service of the hub, by its API."""
        headers = {"Authorization": f"token {SERVICE_TOKEN}"}
        url = f"{self.hub.origin}{path}"
        async with aiohttp.ClientSession(headers=headers) as http, http.request(method, url, **more) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text.startswith(("{", "[")) else text


def free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def xsrf(text: str) -> str:
    """What a form of this page has to send along."""
    found = re.search(r'(?:name="_xsrf"\s+value=|xsrf_token:\s*)"([^"]+)"', text)
    assert found, text[:2000]
    return found[1]


@contextlib.contextmanager
def running(directory: Path, more: str = "") -> Iterator[Hub]:
    """A hub with its proxy, killed at the end; its servers are somebody else's to end."""
    hub = Hub(directory, more)
    hub.start_proxy()
    hub.start()
    try:
        yield hub
    finally:
        hub.all_down()
