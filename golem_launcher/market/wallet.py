"""The wallet of a node: balance, reservations, debts, payments, and getting funds. Blocking.

yagna signs and sends every payment itself; here it is only asked. Balances come from the chain, through yagna: without
the internet they are unknown, and everything else is still said.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import BudgetError, NodeError, NodeRefused, NodeUnreachable
from golem_launcher.market import local_settlement
from golem_launcher.node import probe
from golem_launcher.node.rest_client import BlockingRest
from golem_launcher.units import coins, duration

if TYPE_CHECKING:
    from golem_launcher.networks import Network
    from golem_launcher.node.node import Node

_SEND = {"bits": 2}
_STATUS_SECONDS = 10.0
"""yagna tries a chain's addresses one after another, ten seconds for one that is silent."""
_FUND_SECONDS = 300.0
"""Faucet and minting may wait two minutes each for the chain."""
_NO_CHAIN = "the chain can't be reached from the node."
_LOOK_AT_CONNECTION = "So balances are unknown. Look at its internet connection."
_LAST_PAYMENTS = 10
_CLOCK_SECONDS = 300
_TRANSACTION = re.compile(r"0x[0-9a-f]{64}")


@dataclass(frozen=True)
class Payment:
    """One payment that was sent."""

    at: str
    """ISO 8601, as the node says it."""
    to: str
    amount: Decimal
    transaction: str
    """Its hash, ``0x…``; empty when the node does not say."""
    url: str
    """Where it can be looked at; empty where there is no such place."""


@dataclass(frozen=True)
class Wallet:
    """A wallet on one network. Amounts in the network's token; ``None``: not known."""

    identity: str
    network: str
    token: str
    amount: Decimal | None
    gas: Decimal | None
    gas_coin: str
    reserved: Decimal
    """Set aside by allocations of sessions, and by what crashed programs left."""
    owed: Decimal | None
    """Accepted, and not yet paid."""
    payments: tuple[Payment, ...]
    url: str
    """Where the wallet can be looked at; empty where there is no such place."""
    problem: str = ""
    """Why the balances are not known, or that the clock is wrong, and what to do; empty when all is well."""

    @property
    def free(self) -> Decimal | None:
        """How much a new session could reserve: what is there, less what others have reserved."""
        return None if self.amount is None else max(self.amount - self.reserved, Decimal(0))


def open_account(node: Node, network: Network) -> str:
    """Prepare the node to pay on a network, and return its identity. Safe to repeat; moves no money."""
    identity = probe.identity(node)
    init = {"address": identity, "network": network.payment_network, "token": network.token, "mode": _SEND}
    BlockingRest(node).service("local/driver/erc20/Init", init)
    return identity


def look(node: Node, network: Network) -> Wallet:
    """The wallet as it is now. Raises ``NodeUnreachable`` and ``NodeRefused`` when the node itself fails."""
    network = local_settlement.as_it_is(network)
    identity = open_account(node, network)
    status, problem = _status(node, network, identity)
    gas = status.get("gas") or {}
    outgoing = status.get("outgoing") or {}
    accepted, confirmed = (_amount((outgoing.get(key) or {}).get("totalAmount")) for key in ("accepted", "confirmed"))
    return Wallet(
        identity=identity,
        network=network.name,
        token=network.token,
        amount=_amount(status.get("amount")),
        gas=_amount(gas.get("balance")),
        gas_coin=str(gas.get("currency_short_name") or network.gas),
        reserved=_reserved(node, network),
        owed=None if accepted is None or confirmed is None else max(accepted - confirmed, Decimal(0)),
        payments=_payments(node, network),
        url=network.address_url(identity),
        problem=problem,
    )


def check_fees(node: Node, network: Network) -> None:
    """See that the wallet can pay a fee, which yagna finds out only when a bill is due.

    Raises ``BudgetError``, also when the local network's chain does not answer. Elsewhere a balance that can't be known
    is no reason: the money is to be set aside next, and some nodes do that without asking the chain.
    """
    network = local_settlement.as_it_is(network)
    if not network.least_gas:
        return
    try:
        status, problem = _status(node, network, open_account(node, network))
    except NodeError:  # the next who asks the node says so
        return
    if problem and network.chain_is_here:
        raise BudgetError(problem, "Then try again.")
    gas = _amount((status.get("gas") or {}).get("balance"))
    if gas is not None and gas < network.least_gas:
        raise BudgetError(
            f"The wallet has {coins(gas)} {network.gas} for fees, and one payment may take {network.least_gas}: "
            "no bill could be paid.",
            f"Fill it: golem-launcher fund --network {network.name}",
        )


def fund(node: Node, network: Network) -> str:
    """Get play money from yagna's faucet, or make it on the local chain; returns what to tell people. May take minutes.

    Raises ``BudgetError``, ``LocalNetError``.
    """
    if network.chain_is_here:
        return local_settlement.mint(node)
    if network.money != "test":
        raise BudgetError(f"There is no faucet for '{network.name}'.", "See: golem-launcher fund --network hoodi")
    identity = open_account(node, network)
    body = {
        "address": identity,
        "network": network.payment_network,
        "token": network.token,
        "mint_only": not network.faucet,
    }
    try:
        return str(BlockingRest(node, seconds=_FUND_SECONDS).service("local/driver/erc20/Fund", body))
    except NodeRefused as error:
        if _out_of_reach(error.what):
            raise BudgetError(f"The faucet gave nothing: {_NO_CHAIN}", "Look at its internet connection.") from None
        remedy = "Look at your internet connection, and try again in a few minutes: test faucets are often busy."
        if not network.faucet:
            remedy = f"Minting needs some {network.gas} in {identity} for its fee. Or use the network 'hoodi'."
        raise BudgetError(f"The faucet gave nothing: {error.what}", remedy) from None


def leftovers(node: Node, network: Network) -> list[dict[str, Any]]:
    """The allocations on a network that are not released, as the node lists them."""
    found = BlockingRest(node).get("/payment-api/v1/allocations")
    listed = found if isinstance(found, list) else []
    return [one for one in listed if isinstance(one, dict) and one.get("paymentPlatform") == network.platform]


def release(node: Node, network: Network, *, keep: set[str]) -> int:
    """Give back what allocations on a network have set aside, but for those to ``keep``; how many they were."""
    ids = {str(one.get("allocationId")) for one in leftovers(node, network)} - keep
    for allocation_id in ids:
        BlockingRest(node).delete(f"/payment-api/v1/allocations/{allocation_id}")
    return len(ids)


def _status(node: Node, network: Network, identity: str) -> tuple[dict[str, Any], str]:
    if not network.settles:
        return {}, "On 'local' nothing is settled, so there is no balance."
    body = {
        "address": identity,
        "driver": "erc20",
        "network": network.payment_network,
        "token": network.token,
        "after_timestamp": 0,
    }
    try:
        status = BlockingRest(node, seconds=_STATUS_SECONDS).service("local/payment/GetStatus", body)
    except NodeUnreachable:
        probe.identity(node)  # the node is there, so it is the chain that it waits for
        return {}, f"The node has had no answer from the chain for {_STATUS_SECONDS:.0f} s. {_LOOK_AT_CONNECTION}"
    except NodeRefused as error:
        if network.chain_is_here:
            return {}, "The chain on this machine does not answer: start its node, or the local network, again."
        return {}, said_plainly(error.what)
    if not isinstance(status, dict):
        return {}, "The node's answer makes no sense."
    return status, "" if network.chain_is_here else _clock_problem(status.get("block_datetime"))


def _clock_problem(newest_block: Any, now: datetime | None = None) -> str:
    """What is wrong with this computer's clock by that of the chain, whose blocks come every few seconds."""
    try:
        at = datetime.fromisoformat(str(newest_block))
        off = ((now or datetime.now(UTC)) - at).total_seconds()
    except (ValueError, TypeError):
        return ""
    if abs(off) <= _CLOCK_SECONDS:
        return ""
    side = "ahead of" if off > 0 else "behind"
    return (
        f"This computer's clock is {duration(abs(off))} {side} the chain's newest block. Set it, unless the "
        "chain stands still: offers and agreements expire by it."
    )


def said_plainly(text: str) -> str:
    """A payment problem of the node's, in words, with what to do."""
    if _out_of_reach(text):
        return f"{_NO_CHAIN.capitalize()} {_LOOK_AT_CONNECTION}"
    return f"The node can't tell the balance: {text[:200]}"


def _out_of_reach(text: str) -> bool:
    """Whether the node's words mean that no address of the chain answers."""
    lower = text.lower()
    return any(word in lower for word in ("unreachable", "rpc", "dns", "connect"))


def _reserved(node: Node, network: Network) -> Decimal:
    amounts = (_amount(one.get("remainingAmount")) for one in leftovers(node, network))
    return sum((amount for amount in amounts if amount is not None), Decimal(0))


def _payments(node: Node, network: Network) -> tuple[Payment, ...]:
    try:  # all networks' at once: yagna 0.17's own choice by network finds none
        found = BlockingRest(node).get("/payment-api/v1/payments", timeout=0)
    except NodeRefused:
        return ()
    identity = probe.identity(node).lower()
    sent = [
        _payment(one, network)
        for one in (found if isinstance(found, list) else [])
        if isinstance(one, dict)
        and one.get("paymentPlatform") == network.platform
        and str(one.get("payerId", "")).lower() == identity
    ]
    return tuple(sorted(sent, key=lambda payment: payment.at, reverse=True)[:_LAST_PAYMENTS])


def _payment(value: dict[str, Any], network: Network) -> Payment:
    transaction = transaction_of(value.get("details"))
    return Payment(
        at=str(value.get("timestamp", "")),
        to=str(value.get("payeeId", "")),
        amount=_amount(value.get("amount")) or Decimal(0),
        transaction=transaction,
        url=network.transaction_url(transaction) if transaction else "",
    )


def transaction_of(details: Any) -> str:
    """The hash of a transaction in a payment's confirmation, which is base64 of its bytes or of its text."""
    try:
        data = base64.b64decode(str(details), validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if len(data) == 32:  # noqa: PLR2004
        return f"0x{data.hex()}"
    text = data.decode(errors="replace").lower()
    return text if _TRANSACTION.fullmatch(text) else ""


def _amount(value: Any) -> Decimal | None:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None
