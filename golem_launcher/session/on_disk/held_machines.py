"""Which providers the user's own sessions have at present: they stay on offer, and take nobody else."""

from __future__ import annotations

import contextlib

from golem_launcher.errors import SessionNotFound
from golem_launcher.session.on_disk.directory import unsettled_directories


def held_machines(network: str) -> dict[str, str]:
    """The session that has the machine of each provider of a network, by the provider's id. Blocking.

    Called by whoever shows the market, or says why nobody there took a session.
    """
    found: dict[str, str] = {}
    for directory in unsettled_directories():
        with contextlib.suppress(SessionNotFound):  # removed meanwhile
            state = directory.state()
            if state.network == network and not state.stage.final:
                others = (one for one in (state.standby, state.move) if one is not None)
                found |= {one.provider_id: state.name for one in (*state.machines_in_use, *others) if one.provider_id}
    return found
