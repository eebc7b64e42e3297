"""Problems that a running node reports: a newer release, no connection to the network, failed payments.

Blocking; every question is answered by the node alone and bounded in time.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import NodeRefused
from golem_launcher.node.rest_client import BlockingRest
from golem_launcher.untrusted_text import clean_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from golem_launcher.node.node import Node

_SECONDS = 5.0


@dataclass(frozen=True)
class Trouble:
    """Something that should be mended: what it is, and what to do."""

    name: str
    message: str
    remedy: str


def troubles(node: Node) -> list[Trouble]:
    """Everything that the node has to say. Raises ``NodeUnreachable`` when it is gone."""
    found = [*_release(_asked(node, "/version/get"))]
    with contextlib.suppress(NodeRefused):  # a node in a central network (the local one's) has no neighbours to tell
        found += _network(BlockingRest(node, seconds=_SECONDS).service("local/net/Status", {}))
    found += payments(_asked(node, "/payment-api/v1/payments/status"))
    return found


def payments(value: Any) -> list[Trouble]:
    """What the payment driver complains of: ``GET /payments/status``."""
    listed = value if isinstance(value, list) else []
    return [_payment_trouble(one) for one in listed if isinstance(one, dict)]


def _asked(node: Node, path: str) -> Any:
    try:
        return BlockingRest(node, seconds=_SECONDS).get(path)
    except NodeRefused:
        return None


def _release(value: Any) -> Iterator[Trouble]:
    pending = value.get("pending") if isinstance(value, dict) else None
    if isinstance(pending, dict) and pending.get("version"):
        newer = clean_line(str(pending["version"]), longest=40)
        yield Trouble(
            "release",
            f"There is a newer yagna, {newer}.",
            "A node of ours comes with the launcher: update that. One of your own: install it, and start it again.",
        )


def _network(value: Any) -> Iterator[Trouble]:
    if not isinstance(value, dict):
        return
    if value.get("sessions") == 0:
        yield Trouble(
            "neighbours",
            "The node is connected with nobody in the Golem network.",
            "Look at the internet connection; a firewall must let UDP out. New nodes may need a minute.",
        )
    elif not value.get("public_address"):
        yield Trouble(
            "nat",
            "The node is behind a router or firewall that lets nobody in: traffic goes through relays, and slower.",
            "It works as it is. For more speed, forward a UDP port to it (YA_NET_BIND_URL).",
        )


def _payment_trouble(value: dict[str, Any]) -> Trouble:
    kind = str(value.get("kind") or next(iter(value), ""))
    network = clean_line(str(value.get("network") or value.get("chain") or ""), longest=40)
    on = f" on {network}" if network else ""
    if kind not in _PAYMENTS:
        return Trouble("payments", f"The payment driver reports: {clean_line(kind, longest=80)}", "See its log.")
    said, remedy = _PAYMENTS[kind]
    return Trouble("payments", said.format(on=on), remedy)


_PAYMENTS = {
    "CantSign": (
        "The node can't sign payments{on}: its identity is locked or gone.",
        "Unlock it (yagna id unlock), or bring it back: golem-launcher identity restore FILE",
    ),
    "InsufficientGas": (
        "There is too little of the coin for fees{on}: bills wait unpaid.",
        "Fill it: golem-launcher fund --network NAME",
    ),
    "InsufficientToken": (
        "There is too little of the network's coin{on}: bills wait unpaid.",
        "Fill it: golem-launcher fund --network NAME",
    ),
    "RpcError": (
        "The chain{on} can't be reached from the node, so nothing is paid and balances are unknown.",
        "Look at the node's internet connection; it tries again by itself.",
    ),
    "TxStuck": (
        "A payment{on} has been waiting on the chain for long: its fee is too low at the moment.",
        "It goes through when fees fall.",
    ),
}
