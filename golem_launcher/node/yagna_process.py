"""A running yagna daemon: found by any process from its data directory, and stopped.

Beside yagna's own files the directory holds ``process.json`` (mode 0600: pid, start time, addresses and app-key of the
daemon that runs there), ``launcher.lock`` (held while somebody starts or stops it) and ``yagna.log``. Everything here
blocks.
"""

from __future__ import annotations

import contextlib
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from golem_launcher import files, paths, processes
from golem_launcher.errors import NodeError, NodeStartError
from golem_launcher.node import start_failure
from golem_launcher.node.node import Node

if TYPE_CHECKING:
    from collections.abc import Iterator

GRACE = 5.0
"""Seconds a daemon gets between SIGTERM and SIGKILL. One that still waits for its router ignores SIGTERM."""

LAST_PORT = "api-port"
LOCK = "launcher.lock"
_RECORD = "process.json"
LOG = "yagna.log"


@dataclass(frozen=True)
class YagnaProcess:
    """A daemon that was started from here, in this process or another one."""

    record: processes.ProcessRecord
    data_dir: Path
    api_url: str
    gsb_url: str
    app_key: str = field(repr=False)
    alone: bool = False
    """Whether it was started without the Golem network."""

    @property
    def node(self) -> Node:
        """The way to this daemon for those who use it."""
        return Node(self.api_url, self.app_key, self.gsb_url)

    @property
    def log(self) -> Path:
        """The file that the daemon writes its log to."""
        return self.data_dir / LOG

    def alive(self) -> bool:
        """Whether the daemon's process runs."""
        return self.record.alive()

    def stop(self, grace: float = GRACE) -> None:
        """End the daemon: SIGTERM, ``grace`` seconds, SIGKILL to its whole session. Does nothing when it is gone."""
        with exclusively(self.data_dir / LOCK, deadline=grace + GRACE):
            self.stop_locked(grace)

    def stop_locked(self, grace: float) -> None:
        """Like :meth:`stop`, for who holds the directory's lock."""
        self.record.stop(grace=grace)
        known = _read(self.data_dir)
        if known is None or known.record == self.record:
            (self.data_dir / _RECORD).unlink(missing_ok=True)
            forget_socket(self.gsb_url)


def find_running(data_dir: Path) -> YagnaProcess | None:
    """The daemon that runs in ``data_dir``, when it was started from here and its process is alive."""
    found = _read(data_dir)
    return found if found is not None and found.alive() else None


@contextlib.contextmanager
def exclusively(lock: Path, *, deadline: float) -> Iterator[None]:
    """Hold ``lock``, whose directory is made if need be; ``NodeStartError`` when that can't be had in time."""
    with contextlib.ExitStack() as held:
        try:
            paths.private_directory(lock.parent)
            held.enter_context(files.locked(lock, deadline=deadline))
        except TimeoutError:
            raise NodeStartError(
                f"Another program has been starting or stopping the node for {deadline:.0f} s ({lock} is locked).",
                "Wait for it, or end it, then try again.",
            ) from None
        except OSError as error:
            raise start_failure.cannot_use(error, lock.parent) from error
        yield


def forget_socket(gsb_url: str) -> None:
    """Remove the socket file that a killed daemon left: yagna would refuse to bind there."""
    address = urlsplit(gsb_url)
    if address.scheme == "unix":
        path = Path(address.path)
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(path.lstat().st_mode):
                path.unlink()


def write(daemon: YagnaProcess) -> None:
    """Say in its directory that it runs."""
    value = {name: getattr(daemon, name) for name in ("api_url", "gsb_url", "app_key", "alone")}
    files.write_json(daemon.data_dir / _RECORD, {**daemon.record.to_json(), **value})
    files.write_atomic(daemon.data_dir / LAST_PORT, daemon.api_url.rpartition(":")[2].encode())


def _read(data_dir: Path) -> YagnaProcess | None:
    try:
        value: Any = files.read_json(data_dir / _RECORD)
    except OSError as error:
        raise NodeError(
            f"{data_dir / _RECORD} can't be read: {error.strerror}.", "Look at its owner and mode."
        ) from error
    record = processes.ProcessRecord.from_json(value)
    if record is None:
        return None
    try:
        api_url, gsb_url, app_key = (str(value[name]) for name in ("api_url", "gsb_url", "app_key"))
        return YagnaProcess(record, data_dir, api_url, gsb_url, app_key, alone=value.get("alone") is True)
    except KeyError:
        return None
