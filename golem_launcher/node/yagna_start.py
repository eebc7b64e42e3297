"""Starts a detached yagna daemon in its data directory (see :mod:`golem_launcher.node.yagna_process`).

Everything here blocks: call it from a thread where an event loop runs.
"""

from __future__ import annotations

import contextlib
import errno
import importlib.metadata
import os
import platform
import re
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from golem_launcher import files, processes
from golem_launcher.errors import NodeStartError, NodeUnreachable
from golem_launcher.node import probe, start_failure, yagna_process
from golem_launcher.node.yagna_process import YagnaProcess

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HOST = "127.0.0.1"
_LARGEST_LOG = 16 * 1024 * 1024
_POLL_SECONDS = 0.05
_ANSWER_SECONDS = 1.0
_PORT_TRIES = 5
_NOBODY = "127.0.0.1:9"
"""A relay that does not answer: yagna goes on without it, and without the Golem network."""
_RELEASE_SECONDS = 3.0
"""A killed daemon is a zombie at once; its last threads may hold its files a little longer."""
# Quiet where yagna repeats itself, as its own default is, and without its debug lines about payments.
_LOG_LEVELS = "info,actix_web::middleware::logger=warn,sqlx=warn,ya_payment::cycle=warn,trust_dns_proto=warn"
_FRUGAL = {"MALLOC_MMAP_THRESHOLD_": "2097152", "MALLOC_TRIM_THRESHOLD_": "4194304"}
"""Each TCP connection through its VPN has buffers of 4 MiB, mostly empty. glibc raises this threshold once such a one
was freed, and fills the next ones with zeros: with it the node grew by megabytes for each connection. What a megabyte
of a transfer takes is kept: memory that is new for each has to be cleared first, which took half of the time."""
# What a user's shell may hold for another daemon must not steer this one.
_FOREIGN = re.compile(r"YAGNA_|YA_|GSB_|CENTRAL_NET_|PAYMENT_|ERC20_|RUST_LOG$|[A-Z]+_GETH_ADDR$")


@dataclass(frozen=True)
class YagnaConfig:
    """How a daemon shall run. The key never shows in ``repr``."""

    data_dir: Path
    api_port: int
    """Port of its REST service on loopback; 0: a free one, chosen again when somebody else was faster."""
    gsb_url: str
    """Where it serves its bus: ``unix:/path`` or ``tcp://host:port``."""
    app_key: str = field(repr=False)
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables for the daemon, on top of the starter's own (those for other daemons are left out)."""
    look_up_seconds: float = 12.0
    """What the look-up of the Golem network may take from the start on: yagna's second try comes after ten."""
    alone: bool = False
    """Start it without the Golem network: wallet and identity work, markets and sessions don't."""
    program: Path | None = None
    """The yagna program; by default the one that came with ``golem-node``."""


def find_program() -> Path:
    """The yagna program of the ``golem-node`` package; ``NodeStartError`` when this platform has none.

    By the package's list of files: its wheel for newer systems (glibc 2.39) has the program and no module to ask.
    """
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        for file in importlib.metadata.files("golem-node") or ():
            path = Path(os.path.normpath(file.locate()))
            if file.stem == "yagna" and path.is_file():
                return path
    raise start_failure.no_program(platform.system(), platform.machine())


def free_port(candidates: range | None = None) -> int:
    """A TCP port of loopback that nobody serves at this moment: any, or the first free one of ``candidates``.

    Somebody else may take it before it is used: be ready to choose again.
    """
    for port in candidates or (0,):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind((HOST, port))
            number: int = probe.getsockname()[1]
            return number
    raise NodeStartError(
        "No free port was found on 127.0.0.1.", "Close programs that hold many connections, then try again."
    )


def start(config: YagnaConfig, *, deadline: float = 60.0) -> YagnaProcess:
    """Start a daemon, detached from this process, and return once its REST service accepts the key.

    ``deadline`` seconds for everything. Raises ``NodeStartError``; nothing of the daemon stays behind then.
    """
    end = time.monotonic() + deadline
    program = config.program or find_program()
    with yagna_process.exclusively(config.data_dir / yagna_process.LOCK, deadline=deadline):
        _refuse_second_daemon(config.data_dir)
        for port in _ports(config):
            try:
                _refuse_taken_port(port)
                return _start_once(config, program, f"http://{HOST}:{port}", end)
            except start_failure.PortTaken as error:
                taken = error
        raise taken


def _ports(config: YagnaConfig) -> Iterator[int]:
    """The port asked for, else the daemon's last one, where its clients look for it, then others."""
    if config.api_port:
        yield config.api_port
        return
    with contextlib.suppress(OSError, ValueError):
        yield int((config.data_dir / yagna_process.LAST_PORT).read_text())
    for _ in range(_PORT_TRIES):
        yield free_port()


def _start_once(config: YagnaConfig, program: Path, api_url: str, end: float) -> YagnaProcess:
    log = config.data_dir / yagna_process.LOG
    yagna_process.forget_socket(config.gsb_url)
    try:
        _rotate(log)
        log_start = log.stat().st_size if log.exists() else 0
        record = processes.spawn_detached(
            [str(program), "service", "run", "--disable-metrics-push"],
            env=_environment(config, api_url),
            log=log,
            cwd=config.data_dir,
        )
    except OSError as error:
        raise start_failure.cannot_run(error, program, config.data_dir) from error
    daemon = YagnaProcess(record, config.data_dir, api_url, config.gsb_url, config.app_key, config.alone)
    try:
        yagna_process.write(daemon)
        _wait_until_it_answers(daemon, end, time.monotonic() + config.look_up_seconds, log_start)
    except BaseException as error:
        daemon.stop_locked(grace=0.0)
        if isinstance(error, OSError):
            raise start_failure.cannot_run(error, program, config.data_dir) from error
        raise
    return daemon


def _wait_until_it_answers(daemon: YagnaProcess, end: float, looked_up: float, log_start: int) -> None:
    while not _accepts_key(daemon, max(0.1, min(_ANSWER_SECONDS, end - time.monotonic()))):
        if not daemon.alive():
            raise start_failure.died(daemon.log, log_start, daemon.record.exit_status(), daemon.api_url)
        if time.monotonic() > min(end, looked_up) and start_failure.looks_up(daemon.log, log_start):
            raise start_failure.offline(daemon.log)
        if time.monotonic() > end:
            raise start_failure.silent(daemon.log, log_start)
        time.sleep(_POLL_SECONDS)


def _accepts_key(daemon: YagnaProcess, timeout: float) -> bool:
    """Whether a yagna answers at the daemon's address and knows its key: then it is this one."""
    try:
        probe.identity(daemon.node, timeout=timeout)
    except NodeUnreachable:
        return False
    return True


def _environment(config: YagnaConfig, api_url: str) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not _FOREIGN.match(name)}
    return {
        **_FRUGAL,
        **own,
        "YA_CONSENT_STATS": "deny",
        "YAGNA_LOG_DIR": "",  # its standard output is the log; a second one would only fill the disk
        "RUST_LOG": _LOG_LEVELS,
        "RUST_BACKTRACE": "0",  # its last words shall be the reason, not fifty frames
        **config.environment,
        **({"YA_NET_RELAY_HOST": _NOBODY} if config.alone else {}),
        "YAGNA_DATADIR": str(config.data_dir),
        "YAGNA_API_URL": api_url,
        "GSB_URL": config.gsb_url,
        "YAGNA_AUTOCONF_APPKEY": config.app_key,
    }


def _refuse_second_daemon(data_dir: Path) -> None:
    ours = yagna_process.find_running(data_dir)
    if ours is not None:
        raise NodeStartError(
            f"A node of ours already runs in {data_dir} (process {ours.record.pid}, {ours.api_url}).",
            "Use it, or stop it with: golem-launcher node stop",
        )
    end = time.monotonic() + _RELEASE_SECONDS
    with contextlib.suppress(FileNotFoundError), (data_dir / "yagna.lock").open("rb") as lock:
        while not files.try_lock(lock.fileno()):
            if time.monotonic() > end:
                raise start_failure.data_dir_in_use(data_dir)
            time.sleep(_POLL_SECONDS)


def _refuse_taken_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as yagna does: a closing connection is no server
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                raise start_failure.port_taken(port) from None
            raise


def _rotate(log: Path) -> None:
    """Keep the log bounded: the last one of more than ``_LARGEST_LOG`` bytes becomes ``yagna.log.1``."""
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > _LARGEST_LOG:
            log.replace(log.with_name(f"{log.name}.1"))
