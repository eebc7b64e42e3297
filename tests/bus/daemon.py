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

from golem_node.__main__ import find_yagna_bin

START_SECONDS = 30


@dataclass(frozen=True)
class Daemon:
    """Where a running yagna answers."""

    directory: Path
    api_url: str
    app_key: str
    gsb_url: str
    pid: int

    def get(self, path: str):
        request = urllib.request.Request(self.api_url + path, headers={"Authorization": f"Bearer {self.app_key}"})
        with urllib.request.urlopen(request, timeout=5) as response:
            return response.read()


def free_port(highest: int = 65535) -> int:
    """A free port; the daemons want at most four digits for a hub."""
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
def start(hub_port: int | None = None, app_key: str = "key"):
    """A daemon of its own: alone, or joined to the hub at ``hub_port``. Blocking."""
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
            "CENTRAL_NET_HOST": f"127.0.0.1:{hub_port}",
        }
        if hub_port is None:
            environment["YA_NET_TYPE"] = "hybrid"
            environment["YA_NET_RELAY_HOST"] = "127.0.0.1:9"
            environment["YA_NET_BIND_URL"] = "udp://127.0.0.1:0"
        log = stack.enter_context((directory / "log").open("wb"))
        process = subprocess.Popen(
            [find_yagna_bin(), "service", "run", "--disable-metrics-push"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        stack.callback(_end, process)
        daemon = Daemon(directory, api_url, app_key, gsb_url, process.pid)
        deadline = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
                daemon.get("/me")
                break
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((directory / "log").read_text(errors="replace")[-4000:])
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
        yield daemon


def _end(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
