"""What each Golem network is: its token, its coin for fees, test or real money."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Money = Literal["none", "test", "real"]


@dataclass(frozen=True)
class Network:
    """A Golem network with its payment network."""

    name: str
    title: str
    money: Money
    payment_network: str
    """What yagna and yapapi call the payment network."""
    token: str
    subnet: str
    sentence: str
    """One plain sentence for a newcomer."""

    @property
    def platform(self) -> str:
        """The payment platform as offers and demands name it."""
        return f"erc20-{self.payment_network}-{self.token.lower()}"


LOCAL = Network(
    name="local",
    title="This computer",
    money="none",
    payment_network="hoodi",
    token="tGLM",  # noqa: S106 - a coin, not a secret
    subnet="public",
    sentence="A whole Golem network on this computer, for trying things out. Nothing is paid.",
)

NETWORKS: dict[str, Network] = {network.name: network for network in (LOCAL,)}
