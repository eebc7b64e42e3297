"""Looks up the condition of the chosen network and its node, for the header. Blocking."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import NodeError
from golem_launcher.market.local_settlement import as_it_is
from golem_launcher.networks import LOCAL, NETWORKS
from golem_launcher.units import counted

if TYPE_CHECKING:
    from golem_launcher.node.node import Node

_STATES = {"ready": "up", "starting": "starting", "broken": "failed"}
_SHOWN_ID = 6
"""Letters of an id shown at each end."""


def network_view(name: str = LOCAL.name) -> dict[str, Any]:
    """Title, money, ``state`` (``up``, ``starting``, ``failed``, ``down``) with details, and ``mend``, a button."""
    network = as_it_is(NETWORKS[name])
    state, details, mend = _HOSTS[network.host]()
    return {
        "title": network.title,
        "money": network.money,
        "state": state,
        "detail": " · ".join(details),
        "mend": mend,
    }


def bring_up(name: str = LOCAL.name) -> None:
    """Start or mend what the network needs on this computer. Raises ``LauncherError``."""
    from golem_launcher.session.preparation import network_nodes  # noqa: PLC0415 - much to import to show the page

    network_nodes.wake(NETWORKS[name])


def _local() -> tuple[str, list[str], str]:
    from golem_launcher.localnet import network  # noqa: PLC0415 - not needed to show the page

    status = network.status()
    state = _STATES.get(status["stage"], "down")
    providers = len(status.get("providers", []))
    if state == "up":
        details = [f"running, {counted(providers, 'provider')}", _you_are(_known(network.up().node))]
        if status.get("chain"):
            details.append("paid in test tokens on a chain")
    else:
        words = {
            "starting": "starting …",
            "failed": "a part of it has stopped",
            "down": "not running; starts with the first session",
        }
        details = [words[state]]
    return state, details, {"down": "Start it", "failed": "Repair it"}.get(state, "")


def _node() -> tuple[str, list[str], str]:
    """The user's own node, or the one that the environment names."""
    from golem_launcher.node import manager, probe  # noqa: PLC0415 - not needed to show the page

    try:
        if manager.is_starting():
            return "starting", ["Starting your node …"], ""
        node = manager.named_node()
        own = None if node else manager.own_node()
        if own is not None:
            node = own.node
        if node is None:
            return "down", ["your node is not running; starts with the first session"], "Start the node"
        identity = probe.identity(node)
    except NodeError as error:
        return "failed", [str(error)], ""
    if own is not None and own.alone:
        return "failed", ["your node runs without the Golem network, which could not be looked up"], "Try again"
    return "up", ["your node is running", _you_are(identity)], ""


@functools.lru_cache(maxsize=8)
def _known(node: Node) -> str:
    """The identity of a node whose life is watched by others; it never changes."""
    from golem_launcher.node import probe  # noqa: PLC0415

    return probe.identity(node)


def _you_are(identity: str) -> str:
    return f"you are {identity[: _SHOWN_ID + 2]}…{identity[-_SHOWN_ID:]}"


_HOSTS = {"this computer": _local, "node": _node}
