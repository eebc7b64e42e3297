"""Where the notebook and the launcher's side of a Dask cluster leave word for each other, in the agent's server.

The notebook says how many workers it wants, and no more: whether it gets them is decided on the user's side, which
asks here. What it can say is kept small, whoever says it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
import time
from typing import TYPE_CHECKING, Any

from . import atomic_write, dask_process
from .process_orders import DASK

if TYPE_CHECKING:
    from .config import Config

ADDRESS_VARIABLE, TOKEN_VARIABLE = "GOLEM_LAUNCHER_CLUSTER", "GOLEM_LAUNCHER_CLUSTER_TOKEN"
LINK_VARIABLE = "GOLEM_LAUNCHER_CLUSTER_LINK"
_MOST_WORKERS = 1000
_MOST_RETIRED = 100
_LONGEST_WAIT = 25.0
_SETTINGS = ("role", "address", "scheduler", "name")
_INTERFACE = "eth0:"
"""A machine's in the private network, as /proc/net/dev has it."""
_PEMS = {"ca": dask_process.CA, "certificate": dask_process.CERTIFICATE, "key": dask_process.KEY}


def notebook_token(token: str) -> str:
    """What programs of the session show here: it opens no other route, and says nothing of the session's token."""
    return hashlib.sha256(b"cluster " + token.encode()).hexdigest()


class ClusterControl:
    """Made once in the agent's server, and used by several threads at once. ``orders`` leads to the process manager."""

    def __init__(self, config: Config, orders: int) -> None:
        self.notebook_token = notebook_token(config.token)
        self._directory = config.cluster
        self._orders = orders
        self._news = threading.Condition()
        self._serial = 0
        """How often somebody asked."""
        self._wanted: int | None = None
        self._retired: list[int] = []
        self._told: dict[str, Any] = {}
        self._settings: dict[str, Any] = {}

    # For the user's side

    def configure(self, body: dict[str, Any]) -> dict[str, Any]:
        """What the user's side decided (``told``), and what Dask this machine runs (``settings``).

        Raises ``ValueError`` for anything else, ``OSError`` when it can't be kept.
        """
        told, settings = body.get("told", {}), body.get("settings")
        if not isinstance(told, dict) or not (settings is None or isinstance(settings, dict)):
            raise ValueError("that is nothing about a cluster")
        with self._news:
            self._told = told or self._told
            if settings is not None and settings != self._settings:
                self._keep(settings)
                self._settings = settings
        return {}

    def requested(self, after: str = "-1", wait: str = "0") -> dict[str, Any]:
        """What the notebook asked for last; waits for news since the request number ``after``.

        Raises ``ValueError`` for what is no number.
        """
        end = time.monotonic() + min(float(wait), _LONGEST_WAIT)
        with self._news:
            while self._serial == int(after) and (left := end - time.monotonic()) > 0:
                self._news.wait(left)
            return {
                "serial": self._serial,
                "wanted": self._wanted,
                "retired": self._retired,
                "trouble": self._trouble(),
                "moved": _moved() if self._settings else 0,
            }

    # For the notebook

    def status(self) -> dict[str, Any]:
        """How the cluster stands, and by what certificate one comes to its scheduler."""
        files = {name: os.path.join(self._directory, file) for name, file in _PEMS.items()}
        with self._news:
            return {**self._told, "asked": self._wanted, "trouble": self._trouble(), "files": files}

    def request(self, body: dict[str, Any]) -> dict[str, Any]:
        """Ask for so many ``workers``; ``retired`` are the numbers of machines that are not needed any more.

        Raises ``ValueError`` for what makes no sense.
        """
        wanted, retired = body.get("workers"), body.get("retired", [])
        if isinstance(wanted, bool) or not isinstance(wanted, int) or not 0 <= wanted <= _MOST_WORKERS:
            raise ValueError("workers is no number that fits")
        if not isinstance(retired, list) or len(retired) > _MOST_RETIRED:
            raise ValueError("retired is no list that fits")
        if not all(type(one) is int and 0 <= one <= _MOST_WORKERS for one in retired):
            raise ValueError("retired is no list of machines")
        with self._news:
            self._serial += 1
            self._wanted, self._retired = wanted, retired
            self._news.notify_all()
            return {"serial": self._serial}

    def _keep(self, settings: dict[str, Any]) -> None:
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        for name, file in _PEMS.items():
            self._write(file, str(settings[name]))
        self._write(dask_process.FILE, json.dumps({name: settings[name] for name in _SETTINGS}))
        os.write(self._orders, DASK + b"\n")

    def _write(self, name: str, text: str) -> None:
        atomic_write.write(os.path.join(self._directory, name), text.encode(), 0o600)

    def _trouble(self) -> str:
        try:
            with open(os.path.join(self._directory, dask_process.TROUBLE), encoding="utf-8") as file:
                return file.read(1000)
        except OSError:
            return ""


def _moved() -> int:
    """How many bytes passed by the private network, either way."""
    with contextlib.suppress(OSError, ValueError, IndexError), open("/proc/net/dev", encoding="ascii") as file:
        for line in file:
            name, *fields = line.split()
            if name == _INTERFACE:
                return int(fields[0]) + int(fields[8])
    return 0
