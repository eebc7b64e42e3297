"""Deploys or finds the token that a local network pays with, and fills wallets. Blocking.

The node must hold an unlocked account with coins, as development nodes do (anvil, hardhat, geth --dev): it pays for
making the token and for what wallets are given. The token is our own (``token.sol``); whoever asks gets some.
"""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from golem_launcher import files
from golem_launcher.errors import LocalNetError
from golem_launcher.localnet.chain import rpc

CHAIN_ID = 560048
"""The id of the chain whose name it takes, hoodi: yagna's providers look payments up by it, whatever is configured."""
UNIT = Decimal(10) ** 18
"""Smallest parts of a coin, and of the token."""

_RECORD = "token.json"
_BYTECODE = Path(__file__).with_name("token.hex")
# The first four bytes of the Keccak hash of each function's signature.
_MINT = "0x40c10f19"  # mint(address,uint256)
_BALANCE = "0x70a08231"  # balanceOf(address)
_MOST_GAS = hex(3_000_000)
_GIFT_OF_COINS = Decimal(1)
_KEY_BYTES = 5


@dataclass(frozen=True)
class Chain:
    """A chain with our token on it."""

    url: str
    """Its node's JSON-RPC address."""
    chain_id: int
    token: str
    """The token's address."""
    key: str
    """A name of this very chain, made when its token was: a chain that began anew has another one."""
    bank: str
    """The node's own account, which pays."""

    @property
    def words(self) -> str:
        """What is paid with, and where."""
        address = urlsplit(self.url)
        here = address.hostname in {"127.0.0.1", "::1", "localhost"}
        return f"test tokens on {'a chain on this machine' if here else f'the chain at {address.netloc}'}"

    def to_json(self) -> dict[str, Any]:
        """A JSON value for ``state.json``."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Any) -> Chain | None:
        """Read back what :meth:`to_json` wrote; ``None`` for anything else."""
        try:
            words = {name: str(value[name]) for name in ("url", "token", "key", "bank")}
            return cls(chain_id=int(value["chain_id"]), **words)
        except (KeyError, TypeError, ValueError):
            return None


def check_url(url: str) -> str:
    """The address of a node, as it is; ``ValueError`` in words when it can't be one."""
    address = urlsplit(url)
    if address.scheme not in {"http", "https"} or not address.hostname:
        raise ValueError("give 'anvil' or the http address of an EVM node, like http://127.0.0.1:8545")
    if address.username or address.password:
        raise ValueError("an address with a password in it would be written to files; give one without")
    return url


def open_chain(url: str, directory: Path) -> Chain:
    """The chain of a node; its token is made when it is not there, as on a chain that began anew.

    What token it was is remembered in ``directory``. Raises ``LocalNetError``.
    """
    chain_id = rpc.number(url, "eth_chainId")
    if chain_id != CHAIN_ID:
        raise LocalNetError(
            f"The chain at {url} has the id {chain_id}; the payment driver's two sides agree on {CHAIN_ID} alone.",
            f"Start its node with that id, like: anvil --chain-id {CHAIN_ID}",
        )
    accounts = rpc.call(url, "eth_accounts")
    if not isinstance(accounts, list) or not accounts:
        raise LocalNetError(
            "The chain's node holds no unlocked account, so nothing can be made or given there.",
            "Use a development node: anvil, hardhat node, geth --dev.",
        )
    known = files.read_json(directory / _RECORD)
    words = known if isinstance(known, dict) else {}
    chain = Chain(url, chain_id, str(words.get("token")), str(words.get("key")), str(accounts[0]))
    if not words or not _is_there(chain):
        chain = _begin(chain)
        files.write_json(directory / _RECORD, {"token": chain.token, "key": chain.key})
    return chain


def balances(chain: Chain, address: str) -> tuple[Decimal, Decimal]:
    """What is in a wallet: of the token, and coins for fees."""
    coins = rpc.number(chain.url, "eth_getBalance", address, "latest")
    return Decimal(_tokens(chain, address)) / UNIT, Decimal(coins) / UNIT


def give(chain: Chain, address: str, *, tokens: Decimal, coins: Decimal = _GIFT_OF_COINS) -> str:
    """Make ``tokens`` for a wallet, and fill it up to ``coins`` for fees; the hash of the making."""
    missing = coins - balances(chain, address)[1]
    if missing > 0:
        rpc.send(chain.url, {"from": chain.bank, "to": address, "value": hex(int(missing * UNIT))})
    return _mint(chain, address, int(tokens * UNIT))


def _begin(chain: Chain) -> Chain:
    """Make the token, and mark it with the name of the chain: the smallest part of it for a wallet of that name."""
    code = "0x" + _BYTECODE.read_text().strip()
    receipt = rpc.send(chain.url, {"from": chain.bank, "data": code, "gas": _MOST_GAS})
    begun = replace(chain, token=str(receipt["contractAddress"]), key=secrets.token_hex(_KEY_BYTES))
    _mint(begun, begun.key, 1)
    return begun


def _is_there(chain: Chain) -> bool:
    """Whether this is the chain that it is named: another one may have a token at the same address."""
    code = rpc.call(chain.url, "eth_getCode", chain.token, "latest")
    return code not in {"0x", None} and _tokens(chain, chain.key) == 1


def _mint(chain: Chain, address: str, parts: int) -> str:
    data = _MINT + _word(int(address, 16)) + _word(parts)
    receipt = rpc.send(chain.url, {"from": chain.bank, "to": chain.token, "data": data, "gas": _MOST_GAS})
    return str(receipt["transactionHash"])


def _tokens(chain: Chain, address: str) -> int:
    """What a wallet has of the token, in its smallest parts."""
    return rpc.number(chain.url, "eth_call", {"to": chain.token, "data": _BALANCE + _word(int(address, 16))}, "latest")


def _word(value: int) -> str:
    return f"{value:064x}"
