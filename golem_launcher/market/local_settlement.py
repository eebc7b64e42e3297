"""Whether the local network settles its bills, and test tokens where it does. Blocking."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from golem_launcher.errors import BudgetError
from golem_launcher.localnet import network as localnet
from golem_launcher.localnet.chain import token
from golem_launcher.networks import LOCAL_ON_CHAIN
from golem_launcher.node import probe

if TYPE_CHECKING:
    from golem_launcher.networks import Network
    from golem_launcher.node.node import Node

_GIFT = Decimal(100)


def as_it_is(network: Network) -> Network:
    """The network as it is now: whether the local one settles its bills depends on how it was started."""
    chain = localnet.chain() if network.chain_is_here else None
    if chain is None:
        return network
    return replace(LOCAL_ON_CHAIN, sentence=f"A whole Golem network on this computer, paid in {chain.words}.")


def mint(node: Node) -> str:
    """Make test tokens for the local network's wallet, and coins for its fees; what was done, in words.

    Raises ``BudgetError`` when the local network has no chain, ``LocalNetError`` when that does not answer.
    """
    chain = localnet.chain()
    if chain is None:
        raise BudgetError(
            "On 'local' nothing is settled, so there is nothing to fund.",
            "To watch money move, start it with a chain: golem-launcher localnet up --chain anvil",
        )
    transaction = token.give(chain, probe.identity(node), tokens=_GIFT)
    return f"{_GIFT} test tokens are made, and there are coins for fees. Transaction: {transaction}"
