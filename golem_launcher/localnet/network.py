"""Up, down and status of the local network. Blocking: call it from a thread where an event loop runs."""

# What starts and ends the network is imported when there is something to start or end: a session finds it up.

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from golem_launcher import paths
from golem_launcher.localnet import state
from golem_launcher.localnet.state import LocalNetwork

if TYPE_CHECKING:
    from pathlib import Path

    from golem_launcher.localnet.chain.token import Chain

__all__ = ["LocalNetwork", "chain", "down", "running", "status", "up"]


def up(description: Path | None = None, *, chain: str | None = None, deadline: float = 60.0) -> LocalNetwork:
    """The local network, started when it is not up, mended when a part of it is gone.

    ``description`` is a TOML file (default: three providers), ``chain`` what it settles on, whatever that says. Raises
    ``LocalNetError`` when it is up with another description, and when it can't be started within ``deadline`` seconds.
    """
    if description is None and chain is None:
        found = running()
        if found is not None:
            return found
    from golem_launcher.localnet import lifecycle, spec  # noqa: PLC0415

    return lifecycle.up(_directory(), spec.wanted_spec(description, chain), deadline)


def down(*, deadline: float = 60.0) -> bool:
    """End the local network and every process of it; whether there was anything to end."""
    from golem_launcher.localnet import lifecycle  # noqa: PLC0415

    return lifecycle.down(_directory(), deadline)


def running() -> LocalNetwork | None:
    """The local network, when it is up; nothing is started."""
    directory = _directory()
    return state.healthy(directory, state.read(directory))


def status() -> dict[str, Any]:
    """How the local network is: ``stage`` is ``down``, ``starting``, ``ready`` or ``broken`` (a part of it is gone)."""
    directory = _directory()
    known = state.read(directory)
    record = state.server_record(known)
    if known is not None and known.get("stage") == "failed":
        return known
    if known is None or record is None:
        return {"stage": "down", "providers": []}
    if state.healthy(directory, known):
        return known
    stage = "starting" if record.alive() and known.get("stage") == "starting" else "broken"
    return {**known, "stage": stage}


def chain() -> Chain | None:
    """The chain that the network settles on; ``None`` when it is not up or settles nothing."""
    from golem_launcher.localnet.chain.token import Chain  # noqa: PLC0415

    known = status()
    return Chain.from_json(known.get("chain")) if known["stage"] == "ready" else None


def _directory() -> Path:
    return paths.private_directory(paths.shared_home() / "localnet")
