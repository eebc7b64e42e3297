"""Becomes Dask: the scheduler beside the Lab at a session's head, a worker at each other machine, in a process for it.

What to become is in a file that the agent's server writes when it is told (``cluster_control.py``):

    role       "scheduler" or "worker"
    address    this machine's in the session's private network
    scheduler  the scheduler's there; of a scheduler its own
    name       what a worker is called: "machine-3"

The certificates lie beside it: ``ca.pem``, ``certificate.pem``, ``key.pem``.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import socket
import sys
from typing import TYPE_CHECKING, Any

from . import file_placement, process_tree

if TYPE_CHECKING:
    from .config import Config

SCHEDULER_PORT, DASHBOARD_PORT, WORKER_PORT = 8786, 8787, 8788
FILE, TROUBLE = "dask.json", "trouble"
CA, CERTIFICATE, KEY = "ca.pem", "certificate.pem", "key.pem"
_NO_ADDRESS = (
    "This machine has no interface in the session's private network, which a cluster needs: on the local network the "
    "runtime 'process' has none, the sandbox (bubblewrap) has."
)
_NO_DASK = "The Python that starts the session has no dask.distributed, so there is no cluster."


def run(config: Config) -> None:
    """Become what the file says. Raises ``SystemExit`` where that can't be, and leaves a sentence why."""
    directory = config.cluster
    with open(os.path.join(directory, FILE), encoding="utf-8") as file:
        told = json.load(file)
    trouble = _trouble(told["address"])
    with open(os.path.join(directory, TROUBLE), "w", encoding="utf-8") as file:
        file.write(trouble)
    if trouble:
        raise SystemExit(trouble)
    os.chdir(config.root)
    process_tree.end_with_parent()
    scratch = file_placement.for_large_files(config.root, os.path.dirname(config.log))
    os.execv(sys.executable, argv(told, directory, scratch))  # noqa: S606


def argv(told: dict[str, Any], directory: str, scratch: str) -> list[str]:
    """The command; ``scratch`` is where a worker puts what its memory does not hold."""
    own = [os.path.join(directory, name) for name in (CA, CERTIFICATE, KEY)]
    tls = ["--protocol", "tls", "--tls-ca-file", own[0], "--tls-cert", own[1], "--tls-key", own[2]]
    host = ["--host", told["address"]]
    if told["role"] == "scheduler":
        port = ["--port", str(SCHEDULER_PORT), "--dashboard-address", f"127.0.0.1:{DASHBOARD_PORT}"]
        return [sys.executable, "-m", "distributed.cli.dask_scheduler", *host, *port, *tls]
    return [
        sys.executable, "-m", "distributed.cli.dask_worker", f"tls://{told['scheduler']}:{SCHEDULER_PORT}",
        *host, "--worker-port", str(WORKER_PORT), "--dashboard-address", "127.0.0.1:0", *tls,
        "--no-nanny",  # the process manager starts it again: a second process and a second port would do the same
        "--name", told["name"], "--local-directory", scratch,
    ]  # fmt: skip


def _trouble(address: str) -> str:
    if importlib.util.find_spec("distributed") is None:
        return _NO_DASK
    with contextlib.suppress(OSError), socket.socket() as probe:
        probe.bind((address, 0))
        return ""
    return _NO_ADDRESS
