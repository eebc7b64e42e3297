"""What the benchmarks run on: launcher homes of their own, sessions, and a plain JupyterLab to compare with."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from golem_launcher import paths
from golem_launcher.events import ProviderChosen, Stage
from golem_launcher.localnet import network as localnet
from golem_launcher.localnet import state as localnet_state
from golem_launcher.processes import ProcessRecord
from golem_launcher.rental.payment.journal import Journal
from golem_launcher.request import parse_request
from golem_launcher.session import client
from golem_launcher.session.supervision import loaded_ahead

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psutil

    from golem_launcher.session.on_disk.directory import SessionDirectory

BIN = Path(sys.executable).parent
_POLL_SECONDS = 0.01
_START_SECONDS = 90.0
_COMMAND_SECONDS = 120.0


def command(*arguments: str) -> str:
    """Run ``golem-launcher`` as a person would; its output. Bounded in time."""
    done = subprocess.run(
        [BIN / "golem-launcher", *arguments], capture_output=True, text=True, check=False, timeout=_COMMAND_SECONDS
    )
    if done.returncode:
        raise RuntimeError(f"golem-launcher {' '.join(arguments)}: {done.stderr[-1000:]}")
    return done.stdout


@contextlib.contextmanager
def home(directory: Path) -> Iterator[Path]:
    """Work with ``directory`` as the launcher's home; everything in it is ended afterwards."""
    before = os.environ.get(paths.HOME_VARIABLE)
    os.environ[paths.HOME_VARIABLE] = str(paths.private_directory(directory))
    try:
        yield directory
    finally:
        with contextlib.suppress(RuntimeError, subprocess.TimeoutExpired):
            command("down")
        os.environ.pop(paths.HOME_VARIABLE)
        if before is not None:
            os.environ[paths.HOME_VARIABLE] = before


@dataclass(frozen=True)
class Session:
    """A session whose Lab answers."""

    directory: SessionDirectory
    address: str
    token: str
    seconds: float
    """From Start to the Lab's first answer."""
    began: float
    """When Start was clicked, in the clock of :func:`time.time`."""

    @property
    def agreed_seconds(self) -> float:
        """From Start to the agreement with a provider."""
        agreed = next(event.at for event in self.directory.events()[0] if isinstance(event, ProviderChosen))
        return agreed.timestamp() - self.began

    @property
    def supervisor(self) -> int:
        """Its supervisor's pid."""
        return supervisor_pid(self.directory)

    def vpn_port(self) -> tuple[str, str]:
        """The Lab's port as yagna serves it: the websocket's address and the key that opens it."""
        journal = Journal.read(self.directory.path)
        assert journal is not None
        node = localnet.up().node
        network = f"{node.api_url}/net-api/v1/net/{journal.entries.network_id}"
        provider = journal.entries.agreements[-1].provider_id
        members = json.loads(_get(f"{network}/nodes", {"Authorization": f"Bearer {node.app_key}"})[1])
        ip = next(member["ip"] for member in members if member["id"] == provider)
        return f"{network.replace('http', 'ws', 1)}/tcp/{ip}/8888", node.app_key

    def work(self) -> Path:
        """Where the provider keeps the session's /golem/work."""
        activity = self.directory.state().head.activity_id
        return next((localnet_directory() / "activities" / str(activity)).rglob("golem/work"))


@contextlib.contextmanager
def session(name: str, *, at_button: float | None = None, **fields: Any) -> Iterator[Session]:
    """Start a session as a program does, wait for its Lab, and end it afterwards. ``fields`` are its request's.

    ``at_button``: as the page does, so many seconds after the pointer has come to Start.
    """
    if at_button is not None:
        loaded_ahead.begin()
        time.sleep(at_button)
    began, clicked = time.perf_counter(), time.time()
    directory = client.start(parse_request({"name": name, **fields}))
    try:
        address, token = _link(directory, began + _START_SECONDS)
        seconds = answered(address, token, began)
        yield Session(directory, address, token, seconds, clicked)
    finally:
        client.stop(name)


def _link(directory: SessionDirectory, end: float) -> tuple[str, str]:
    while True:
        state = directory.state()
        if state.stage is Stage.READY:
            return str(state.address), str(directory.token())
        if state.stage.final or time.perf_counter() > end:
            raise RuntimeError(f"the session is {state.stage.value}: {state.reason}")
        time.sleep(_POLL_SECONDS)


def answered(address: str, token: str, began: float) -> float:
    """Wait until a Lab answers a request that needs its token; the seconds since ``began``."""
    end = began + _START_SECONDS
    while time.perf_counter() < end:
        with contextlib.suppress(OSError, http.client.HTTPException):
            status, _ = _get(f"{address}/api/status", {"Authorization": f"token {token}"})
            if status == http.HTTPStatus.OK:
                return time.perf_counter() - began
        time.sleep(_POLL_SECONDS)
    raise RuntimeError(f"no JupyterLab answers at {address}")


@dataclass(frozen=True)
class PlainLab:
    """JupyterLab of the same environment, without us."""

    address: str
    token: str
    seconds: float
    """From its start to its first answer."""


@contextlib.contextmanager
def plain_lab(directory: Path) -> Iterator[PlainLab]:
    """Run ``jupyter lab`` with ``directory`` as its home."""
    (directory / "work").mkdir(parents=True, exist_ok=True)
    port, token = free_port(), secrets.token_hex(24)
    scrubbed = {key: value for key, value in os.environ.items() if not key.startswith(("JUPYTER", "XDG", "IPYTHON"))}
    argv = [BIN / "jupyter", "lab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}"]
    argv += [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={directory / 'work'}"]
    began = time.perf_counter()
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen(
            argv,
            env={**scrubbed, "HOME": str(directory)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        yield PlainLab(address, token, answered(address, token, began))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


def supervisor_pid(directory: SessionDirectory) -> int:
    """The pid of a session's supervisor."""
    record = ProcessRecord.from_json(json.loads((directory.path / "supervisor.json").read_bytes()))
    assert record is not None
    return record.pid


def localnet_directory() -> Path:
    """Where the local network of the present home keeps its things."""
    return paths.home() / "localnet"


def localnet_pid() -> int:
    """The process of router and providers."""
    record = localnet_state.server_record(localnet_state.read(localnet_directory()))
    assert record is not None
    return record.pid


def cpu_seconds(process: psutil.Process) -> float:
    """What a process has used so far, in the kernel's ticks."""
    times = process.cpu_times()
    return float(times.user + times.system)


def _get(url: str, headers: dict[str, str]) -> tuple[int, Any]:
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=5)
    try:
        connection.request("GET", parts.path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def free_port() -> int:
    """A port of loopback that nobody serves at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
