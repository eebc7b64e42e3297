"""What is particular to each Golem network: token, gas, test or real money, endpoints, faucets.

Addresses and coins are those of yagna 0.17 (``config-payments.toml`` of its erc20 driver). Yagna's command line, its
REST API and yapapi each default to another network, some of them retired: here the network is always named.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Literal

from golem_launcher import clock
from golem_launcher.suggestions import meant

Money = Literal["none", "test", "real"]

GOLEMS_COIN = "GLM"
"""What is meant where no network is named; test networks have their own."""


@dataclass(frozen=True)
class Patience:
    """How long a session waits for what others do. Seconds."""

    look: float = 30.0
    """For a first answer, before it looks whether the market has anything that fits."""
    search: float = 180.0
    """For a provider, when the market has."""
    refused: float = 20.0
    """For more offers, when all so far were refused."""
    compare: tuple[float, float] = (1.0, 4.0)
    """For better offers, after the first one that will do: at least, and at most."""
    head_start: float = 3.0
    """For the best offer to be signed, before one that is as good is asked as well."""
    deploy: float = 1200.0
    """For our agent to run at a provider, which may have to fetch the image."""
    still: float = 60.0
    """For an image that stands still on its way to a provider."""
    start: float = 300.0
    """For the workload to answer then."""
    silent: float = 60.0
    """For a provider that is silent in every way, until it is given up: the user's own line may have paused."""
    silent_alone: float = 12.0
    """The same where a standby answers meanwhile: it is not the user's line, then."""
    shares_computer: bool = False
    """Whether those others run on this computer, and take the longer for all they do the busier it is."""

    def lasts(self, seconds: float) -> float:
        """How long a limit of ``seconds`` on somebody's coming to terms with us is at present."""
        return seconds * max(1.0, clock.busyness()) if self.shares_computer else seconds


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
    host: Literal["node", "this computer"] = "node"
    """What is made ready for a session: the user's node, or the whole network on this computer."""
    host_words: str = "your node"
    """What people call that."""
    line: str = "internet"
    """What lies between this computer and the providers; speeds are measured for each."""
    chain_is_here: bool = False
    """Whether its chain, where it has one, is on this computer: coins are made at will, and count nowhere else."""
    image: str = ""
    """The image that providers have, and run where none is asked for; software comes as packages then."""
    architecture: str = "x86_64"
    """The processors that images are for; empty where providers run on whatever this computer is."""
    has_package_mirror: bool = True
    """Whether its providers let sessions out to Golem's mirror of packages, and not to the indexes themselves."""
    sleeps_along: bool = False
    """Whether its providers sleep when this computer does."""
    patience: Patience = field(default_factory=Patience)

    @property
    def settles(self) -> bool:
        """Whether bills are paid, in whatever coin."""
        return self.money != "none"

    @property
    def is_real_money(self) -> bool:
        """Whether bills are paid with what money buys."""
        return self.money == "real"

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
        if not self.is_real_money:
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
    host="this computer",
    host_words="the network of this computer",
    line="this computer",
    chain_is_here=True,
    image="golem/jupyterlab:local",
    architecture="",
    has_package_mirror=False,
    sleeps_along=True,
    patience=Patience(
        look=5.0,
        search=20.0,  # a crowd of providers and sessions on one machine takes longer than one of each
        refused=3.0,
        compare=(0.05, 4.0),  # for the cheapest on a busy computer, too
        head_start=1.0,
        deploy=60.0,
        still=20.0,
        start=60.0,
        silent=3.5,
        silent_alone=1.5,
        shares_computer=True,
    ),
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

DEFAULT = LOCAL.name
"""The network of whoever names none."""

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


def token_of(name: str) -> str:
    """The coin of a network, by its name; of one that this version does not know, Golem's own."""
    return NETWORKS[name].token if name in NETWORKS else GOLEMS_COIN


def unknown(name: str) -> str:
    """What to say of a network that can't be chosen."""
    if name in RETIRED:
        return f"the network '{name}' is retired; use '{RETIRED[name]}' instead"
    return f"there is no network '{name}'; {meant(name, NETWORKS)}"
