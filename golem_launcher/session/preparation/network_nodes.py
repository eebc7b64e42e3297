"""The node through which a session uses its network: found, started or mended, and what goes with it."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from golem_launcher.errors import LauncherError, NodeUnreachable
from golem_launcher.localnet import network as localnet
from golem_launcher.market import constraint, wallet
from golem_launcher.market.golem_web_services import REGISTRY
from golem_launcher.node import manager, probe
from golem_launcher.rental.network_connection import NetworkConnection

if TYPE_CHECKING:
    from golem_launcher.networks import Network
    from golem_launcher.node.node import Node


def enter(network: Network) -> NetworkConnection:
    """Make the network ready: find or start what it needs on this machine. Blocking. Raises ``LauncherError``."""
    return _NODES[network.host].enter(network)


def present(network: Network) -> Node | None:
    """The network's node when it runs already; nothing is started. Blocking."""
    return _NODES[network.host].present()


def starts(network: Network) -> bool:
    """Whether what the network needs on this computer is being started. Blocking. Raises ``LauncherError``."""
    return _NODES[network.host].starts()


def wake(network: Network) -> None:
    """Start or mend what the network needs on this computer. Blocking. Raises ``LauncherError``."""
    _NODES[network.host].wake()


def wallet_node(network: Network) -> Node:
    """The node that holds the wallet, started when it does not run: it need not reach Golem. Blocking."""
    return _NODES[network.host].wallet_node()


def elsewhere(network: Network, lost: Node, identity: str) -> Node | None:
    """The node with this identity, which was ``lost``, where it answers now: at another address. Blocking."""
    with contextlib.suppress(LauncherError):
        for node in _NODES[network.host].known():
            with contextlib.suppress(NodeUnreachable):
                if node.api_url != lost.api_url and probe.identity(node) == identity:
                    return node
    return None


class _ThisComputer:
    """The embedded network, with a node of its own."""

    def enter(self, network: Network) -> NetworkConnection:
        running = localnet.up()
        return NetworkConnection(
            network=network,
            node=running.node,
            subnet=str(running.state["subnet"]),
            registry_url=running.registry_url,
            settles=running.chain is not None,
        )

    def wake(self) -> None:
        localnet.up()

    def present(self) -> Node | None:
        running = localnet.running()
        return running.node if running is not None else None

    def starts(self) -> bool:
        return bool(localnet.status()["stage"] == "starting")

    def known(self) -> list[Node]:
        node = self.present()
        return [node] if node is not None else []

    def wallet_node(self) -> Node:
        return localnet.up().node


class _UsersNode:
    """The user's own node, or the one that the environment names, on a network of others."""

    def enter(self, network: Network) -> NetworkConnection:
        node = manager.ensure_node()
        wallet.open_account(node, network)
        return NetworkConnection(
            network=network,
            node=node,
            subnet=constraint.subnet(os.environ.get("YAGNA_SUBNET") or network.subnet),
            registry_url=REGISTRY.address,
        )

    def wake(self) -> None:
        manager.ensure_node()

    def present(self) -> Node | None:
        if manager.is_starting():
            return None
        own = manager.own_node()
        return manager.named_node() or (own.node if own is not None else None)

    def starts(self) -> bool:
        return manager.is_starting()

    def known(self) -> list[Node]:
        return list(manager.known_nodes())

    def wallet_node(self) -> Node:
        return manager.ensure_wallet_node()


_NODES: dict[str, _ThisComputer | _UsersNode] = {"this computer": _ThisComputer(), "node": _UsersNode()}
