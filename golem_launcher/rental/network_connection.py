"""The connection to the Golem network at which a session rents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from golem_launcher.networks import Network
    from golem_launcher.node.node import Node


@dataclass
class NetworkConnection:
    """Which network, through which node, in which part of its market. All of it stays, but for the node's address."""

    network: Network
    node: Node
    subnet: str
    registry_url: str
    """Where its providers get images."""
    settles: bool = True
    """Whether bills are paid, in whatever coin."""
