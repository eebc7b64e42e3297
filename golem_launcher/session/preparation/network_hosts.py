"""Where a session runs: the node to use, the image, and how much patience its network asks for."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from golem_launcher.errors import LauncherError, NodeUnreachable
from golem_launcher.localnet import network as localnet
from golem_launcher.market import constraint, wallet
from golem_launcher.market.golem_services import REGISTRY
from golem_launcher.node import manager, probe

if TYPE_CHECKING:
    from golem_launcher.networks import Network, Patience
    from golem_launcher.node.node import Node


@dataclass
class NetworkHost:
    """A network that is ready for sessions. All of it stays as it is, but for the node's address."""

    node: Node
    subnet: str
    registry_url: str
    patience: Patience
    settles: bool = True
    """Whether bills are paid, in whatever coin."""


def enter(network: Network) -> NetworkHost:
    """Make the network ready: find or start what it needs on this machine. Blocking. Raises ``LauncherError``."""
    return _HOSTS[network.host].enter(network)


def present(network: Network) -> Node | None:
    """The network's node when it runs already; nothing is started. Blocking."""
    return _HOSTS[network.host].present()


def wake(network: Network) -> None:
    """Start or mend what the network needs on this computer. Blocking. Raises ``LauncherError``."""
    _HOSTS[network.host].wake()


def wallet_node(network: Network) -> Node:
    """The node that holds the wallet, started when it does not run: it need not reach Golem. Blocking."""
    return _HOSTS[network.host].wallet_node()


def elsewhere(network: Network, lost: Node, identity: str) -> Node | None:
    """The node with this identity, which was ``lost``, where it answers now: at another address. Blocking."""
    with contextlib.suppress(LauncherError):
        for node in _HOSTS[network.host].known():
            with contextlib.suppress(NodeUnreachable):
                if node.api_url != lost.api_url and probe.identity(node) == identity:
                    return node
    return None


class _ThisComputer:
    """The embedded network, with a node of its own."""

    def enter(self, network: Network) -> NetworkHost:
        running = localnet.up()
        return NetworkHost(
            node=running.node,
            subnet=str(running.state["subnet"]),
            registry_url=running.registry_url,
            patience=network.patience,
            settles=running.chain is not None,
        )

    def wake(self) -> None:
        localnet.up()

    def present(self) -> Node | None:
        running = localnet.running()
        return running.node if running is not None else None

    def known(self) -> list[Node]:
        node = self.present()
        return [node] if node is not None else []

    def wallet_node(self) -> Node:
        return localnet.up().node


class _UsersNode:
    """The user's own node, or the one that the environment names, on a network of others."""

    def enter(self, network: Network) -> NetworkHost:
        node = manager.ensure_node()
        wallet.open_account(node, network)
        return NetworkHost(
            node=node,
            subnet=constraint.subnet(os.environ.get("YAGNA_SUBNET") or network.subnet),
            registry_url=REGISTRY.address,
            patience=network.patience,
        )

    def wake(self) -> None:
        manager.ensure_node()

    def present(self) -> Node | None:
        own = manager.own_node()
        return manager.named_node() or (own.node if own is not None else None)

    def known(self) -> list[Node]:
        return list(manager.known_nodes())

    def wallet_node(self) -> Node:
        return manager.ensure_wallet_node()


_HOSTS: dict[str, _ThisComputer | _UsersNode] = {"this computer": _ThisComputer(), "node": _UsersNode()}
