"""What each Golem network is: its token, its coin for fees, test or real money, where to look and to ask for funds.

Addresses and coins are those of yagna 0.17 (``config-payments.toml`` of its erc20 driver). Yagna's command line, its
REST API and yapapi each default to another network, some of them retired: here the network is always named.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
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
    gas: str = ""
    """The coin that pays the fees of transfers; empty where nothing is ever paid."""
    explorer: str = ""
    """Where transactions can be looked at, without a slash at the end; empty where there are none."""
    least_gas: Decimal = Decimal(0)
    """What one payment may cost in fees at most: yagna sends none from a wallet that has less."""
    faucet: bool = False
    """Whether yagna's own faucet gives both coins; where it is not, and the money is for tests, it mints the token."""

    @property
    def platform(self) -> str:
        """The payment platform as offers and demands name it."""
        return f"erc20-{self.payment_network}-{self.token.lower()}"

    def transaction_url(self, transaction: str) -> str:
        """Where a transaction can be looked at; empty when there is no such place."""
        return f"{self.explorer}/tx/{transaction}" if self.explorer else ""

    def address_url(self, address: str) -> str:
        """Where a wallet can be looked at; empty when there is no such place."""
        return f"{self.explorer}/address/{address}" if self.explorer else ""

    def onboarding_url(self, address: str) -> str:
        """Golem's own page for buying GLM and gas; empty where money is not real."""
        if self.money != "real":
            return ""
        return f"https://glm.golem.network/#/onboarding/budget?yagnaAddress={address}&network={self.payment_network}"


LOCAL = Network(
    name="local",
    title="This computer",
    money="none",
    payment_network="hoodi",
    token="tGLM",  # noqa: S106 - a coin, not a secret
    subnet="public",
    sentence="A whole Golem network on this computer, for trying things out without money. Nothing is settled.",
)
LOCAL_ON_CHAIN = replace(
    LOCAL,
    money="test",
    gas="tETH",
    least_gas=Decimal("0.0013"),
    sentence="A whole Golem network on this computer, paid in test tokens.",
)
"""The same while it settles on a chain."""
HOODI = Network(
    name="hoodi",
    title="Hoodi (test)",
    money="test",
    payment_network="hoodi",
    token="tGLM",  # noqa: S106
    subnet="public",
    sentence="Golem's test network: real machines of volunteers, play money from a faucet.",
    gas="tETH",
    least_gas=Decimal("0.0013"),
    explorer="https://hoodi.etherscan.io",
    faucet=True,
)
POLYGON = Network(
    name="polygon",
    title="Polygon",
    money="real",
    payment_network="polygon",
    token="GLM",  # noqa: S106
    subnet="public",
    sentence="The Golem network, paid in GLM on Polygon, where fees are small. This is real money.",
    gas="POL",
    least_gas=Decimal("0.0325"),
    explorer="https://polygonscan.com",
)
MAINNET = Network(
    name="mainnet",
    title="Ethereum",
    money="real",
    payment_network="mainnet",
    token="GLM",  # noqa: S106
    subnet="public",
    sentence="The Golem network, paid in GLM on Ethereum itself, where fees are high. This is real money.",
    gas="ETH",
    least_gas=Decimal("0.0026"),
    explorer="https://etherscan.io",
)
AMOY = Network(
    name="amoy",
    title="Amoy (test)",
    money="test",
    payment_network="amoy",
    token="tGLM",  # noqa: S106
    subnet="public",
    sentence="A test network on Polygon's Amoy: few machines; play money, but you must bring the gas yourself.",
    gas="POL",
    least_gas=Decimal("0.0325"),
    explorer="https://amoy.polygonscan.com",
)
SEPOLIA = Network(
    name="sepolia",
    title="Sepolia (test)",
    money="test",
    payment_network="sepolia",
    token="tGLM",  # noqa: S106
    subnet="public",
    sentence="A test network on Ethereum's Sepolia: few machines; play money, but you must bring the gas yourself.",
    gas="tETH",
    least_gas=Decimal("0.0013"),
    explorer="https://sepolia.etherscan.io",
)

NETWORKS: dict[str, Network] = {network.name: network for network in (LOCAL, HOODI, POLYGON, MAINNET, AMOY, SEPOLIA)}

RETIRED: dict[str, str] = {
    "holesky": "hoodi",
    "goerli": "hoodi",
    "rinkeby": "hoodi",
    "mumbai": "amoy",
}
"""Networks that are shut down, each with the one to use instead."""


def platform_of(payment_network: str) -> str:
    """The payment platform of a payment network, retired ones among them: test networks all have tGLM."""
    tokens = {network.payment_network: network.token for network in NETWORKS.values()}
    return f"erc20-{payment_network}-{tokens.get(payment_network, LOCAL.token).lower()}"


def unknown(name: str) -> str:
    """What to say of a network that can't be chosen."""
    if name in RETIRED:
        return f"the network '{name}' is retired; use '{RETIRED[name]}' instead"
    return f"there is no network '{name}'; there is {', '.join(NETWORKS)}"
