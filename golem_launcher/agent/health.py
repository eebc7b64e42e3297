"""Whether the workload is well, asked beside it: the launcher keeps one connection to the agent for all questions."""

from __future__ import annotations

import contextlib
import http.client
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .config import Config

_SECONDS = 2.0
_LARGEST_ANSWER = 65536


def is_well(config: Config) -> bool:
    """Whether the workload answers its probe with 200, or takes connections where that has no path, or is not to run.

    Called by the agent's server in a thread of its own; blocks for 2 s at most for each address of the machine.
    """
    if config.waits_for_lead:
        return True
    port, path = config.workload.port, config.workload.probe
    if path:
        path = config.base_url.rstrip("/") + path
    return not port or any(_answers(host, port, path) for host in config.hosts)


def _answers(host: str, port: int, path: str) -> bool:
    with contextlib.suppress(OSError, http.client.HTTPException):
        if not path:
            socket.create_connection((host, port), _SECONDS).close()
            return True
        connection = http.client.HTTPConnection(host, port, timeout=_SECONDS)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            response.read(_LARGEST_ANSWER)
            return response.status == http.HTTPStatus.OK
        finally:
            connection.close()
    return False
