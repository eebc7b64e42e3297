"""A real yagna for the tests of the bus: started, waited for, ended."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from golem_launcher.node.yagna_start import find_program
from tests import leftovers
from tests.patience import slower

START_SECONDS = 90


@dataclass
class Daemon:
    """A yagna that runs, and where it answers."""

    directory: Path
    api_url: str
    app_key: str
    gsb_url: str
    environment: dict[str, str]
    process: subprocess.Popen | None = None

    @property
    def pid(self) -> int:
        """Of the one that runs now."""
        return self.process.pid

    def begin(self) -> None:
        """Start it, and wait until it answers. Blocking."""
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(find_program()), "service", "run", "--disable-metrics-push"],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS * slower()
        while True:
            with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
                self.get("/me")
                break
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.directory / "log").read_text(errors="replace")[-4000:])
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.05)

    def kill(self) -> None:
        """As when its computer loses power. Blocking."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def end(self) -> None:
        """Let it end in order, unless it has. Blocking."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.kill()

    def get(self, path: str):
        request = urllib.request.Request(self.api_url + path, headers={"Authorization": f"Bearer {self.app_key}"})
        with urllib.request.urlopen(request, timeout=5 * slower()) as response:
            return response.read()


def free_port(highest: int = 65535) -> int:
    """A free port; the daemons want at most four digits for a router."""
    if highest >= 10_000:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]
    first = 2000 + os.getpid() % 6000
    for port in [*range(first, highest), *range(1100, first)]:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no free port of four digits")


@contextlib.contextmanager
def start(router_port: int | None = None, app_key: str = "key"):
    """A daemon of its own: alone, or joined to the router at ``router_port``. Blocking."""
    with contextlib.ExitStack() as stack:
        # not pytest's tmp_path: the path of a unix socket may have about a hundred characters
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gsb-", ignore_cleanup_errors=True)))
        api_url, gsb_url = f"http://127.0.0.1:{free_port()}", f"unix:{directory}/gsb.sock"
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "YAGNA_DATADIR": str(directory / "data"),
            "GSB_URL": gsb_url,
            "YAGNA_API_URL": api_url,
            "YAGNA_AUTOCONF_APPKEY": app_key,
            "YA_NET_TYPE": "central",
            "CENTRAL_NET_HOST": f"127.0.0.1:{router_port}",
            **leftovers.mark(),
        }
        if router_port is None:
            environment["YA_NET_TYPE"] = "hybrid"
            environment["YA_NET_RELAY_HOST"] = "127.0.0.1:9"
            environment["YA_NET_BIND_URL"] = "udp://127.0.0.1:0"
        daemon = Daemon(directory, api_url, app_key, gsb_url, environment)
        stack.callback(daemon.end)
        daemon.begin()
        yield daemon
