"""The chain that a local network is paid on: found by its node's address, given a token, its wallets filled. Blocking.

The node must hold an unlocked account with coins, as development nodes do (anvil, hardhat, geth --dev): it pays for
making the token and for what wallets are given. The token is our own (``token.sol``); whoever asks gets some.
"""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass
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
    bank, first = str(accounts[0]), _first_block(url)
    known = files.read_json(directory / _RECORD)
    if not (isinstance(known, dict) and known.get("first_block") == first and _is_there(url, known.get("token"))):
        known = {"first_block": first, "token": _deploy(url, bank), "key": secrets.token_hex(5)}
        files.write_json(directory / _RECORD, known)
    return Chain(url, chain_id, str(known["token"]), str(known["key"]), bank)


def balances(chain: Chain, address: str) -> tuple[Decimal, Decimal]:
    """What is in a wallet: of the token, and coins for fees."""
    question = {"to": chain.token, "data": _BALANCE + _word(int(address, 16))}
    tokens = rpc.number(chain.url, "eth_call", question, "latest")
    coins = rpc.number(chain.url, "eth_getBalance", address, "latest")
    return Decimal(tokens) / UNIT, Decimal(coins) / UNIT


def give(chain: Chain, address: str, *, tokens: Decimal, coins: Decimal = _GIFT_OF_COINS) -> str:
    """Make ``tokens`` for a wallet, and fill it up to ``coins`` for fees; the hash of the making."""
    missing = coins - balances(chain, address)[1]
    if missing > 0:
        rpc.send(chain.url, {"from": chain.bank, "to": address, "value": hex(int(missing * UNIT))})
    data = _MINT + _word(int(address, 16)) + _word(int(tokens * UNIT))
    transaction = {"from": chain.bank, "to": chain.token, "data": data, "gas": _MOST_GAS}
    return str(rpc.send(chain.url, transaction)["transactionHash"])


def _first_block(url: str) -> str:
    """The hash of the chain's first block, which tells it from others."""
    block = rpc.call(url, "eth_getBlockByNumber", "0x0", False)
    return str(block.get("hash")) if isinstance(block, dict) else ""


def _is_there(url: str, token: Any) -> bool:
    return isinstance(token, str) and rpc.call(url, "eth_getCode", token, "latest") not in {"0x", None}


def _deploy(url: str, bank: str) -> str:
    code = "0x" + _BYTECODE.read_text().strip()
    return str(rpc.send(url, {"from": bank, "data": code, "gas": _MOST_GAS})["contractAddress"])


def _word(value: int) -> str:
    return f"{value:064x}"
