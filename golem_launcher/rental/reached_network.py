"""The Golem network at which a session rents, once its node answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from golem_launcher.networks import Network, Patience
    from golem_launcher.node.node import Node


@dataclass(frozen=True)
class ReachedNetwork:
    """Which network, through which node, in which part of its market, with how much patience."""

    network: Network
    node: Node
    subnet: str
    patience: Patience
