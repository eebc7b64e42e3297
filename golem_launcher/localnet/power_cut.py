"""Has a machine of the local network die, as a computer does whose plug is pulled: for drills. Blocking."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import psutil

from golem_launcher.errors import LocalNetError
from golem_launcher.localnet import state

if TYPE_CHECKING:
    from golem_launcher.localnet.state import LocalNetwork

_GONE_SECONDS = 10.0


def kill_activity(network: LocalNetwork, activity_id: str) -> int:
    """Kill all that runs in an activity of one of its providers, at once; how many processes that were.

    Raises ``LocalNetError`` when nothing runs there.
    """
    server = state.server_record(network.state)
    place = str(network.directory / "activities" / activity_id)
    victims: dict[int, psutil.Process] = {}
    with contextlib.suppress(psutil.Error):
        for process in psutil.Process(server.pid if server is not None else -1).children(recursive=True):
            if _is_in(process, place):
                victims[process.pid] = process
                victims |= {child.pid: child for child in process.children(recursive=True)}
    if not victims:
        raise LocalNetError("Nothing runs in that activity any more.", "See: golem-launcher localnet status")
    for process in victims.values():
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(list(victims.values()), timeout=_GONE_SECONDS)
    return len(victims)


def _is_in(process: psutil.Process, place: str) -> bool:
    with contextlib.suppress(psutil.Error):
        return any(part.startswith(place) for part in process.cmdline()) or process.cwd().startswith(place)
    return False
