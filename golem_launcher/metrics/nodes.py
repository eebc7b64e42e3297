"""What the nodes (yagna) tell of themselves, asked when somebody asks here.

A few of their figures are passed on, under names of ours. Their labels are not: some name the nodes of strangers. So
figures that differ by them alone are added up.
"""

from __future__ import annotations

import contextlib
import http.client
import math
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from golem_launcher.errors import LauncherError
from golem_launcher.metrics.metric_definitions import finite
from golem_launcher.networks import NETWORKS
from golem_launcher.node.rest_client import BlockingRest
from golem_launcher.session.preparation import network_nodes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from concurrent.futures import Future

    from golem_launcher.node.node import Node

_PATH = "/metrics-api/v1/expose"
_SECONDS = 1.0
"""That a node which hangs may hold up a scrape."""
_LARGEST = 512 * 1024
_PATIENCE_SECONDS, _LATELY_SECONDS = 0.002, 60.0
"""How long a scrape waits for what they say, where they said something so long ago at most."""
_HOSTS = {"this computer": "local", "node": "golem"}
"""What the node of networks with a ``host`` is called here: that of this computer's network, and the user's own."""
FIGURES = {
    "market_proposals_requestor_generated": "Offers that it found for demands.",
    "market_proposals_requestor_countered": "Answers that it gave to providers.",
    "market_proposals_requestor_received": "Answers that providers gave.",
    "market_proposals_requestor_rejected_by_them": "Demands that providers refused.",
    "market_proposals_requestor_rejected_by_us": "Offers that were refused here.",
    "market_agreements_requestor_created": "Agreements that were drawn up.",
    "market_agreements_requestor_confirmed": "Agreements that were sent to providers.",
    "market_agreements_requestor_approved": "Agreements that providers signed.",
    "market_agreements_requestor_rejected": "Agreements that providers did not sign.",
    "market_agreements_requestor_cancelled": "Agreements that were taken back.",
    "market_agreements_requestor_terminated": "Agreements that were ended.",
    "payment_debit_notes_requestor_received": "Debit notes that came.",
    "payment_debit_notes_requestor_accepted": "Debit notes that were accepted.",
    "payment_invoices_requestor_received": "Invoices that came.",
    "payment_invoices_requestor_accepted": "Invoices that were accepted.",
    "payment_invoices_requestor_paid": "Invoices that were paid.",
    "payment_invoices_requestor_not_enough_funds": "Invoices that the wallet had too little for.",
    "net_connections_p2p": "Ways to other nodes that are direct.",
    "net_connections_relay": "Ways to other nodes through a relay.",
}
"""Of yagna's counters those that are passed on, by their names there; each counts since the node was started."""


@dataclass(frozen=True)
class NodeReading:
    """One node at a moment."""

    name: str
    """``local`` or ``golem``."""
    figures: Mapping[str, float] | None
    """By name, as in ``FIGURES``; ``None`` where it does not answer."""


class _Answers(NamedTuple):
    at: float
    """When they came, in the clock of ``time.monotonic``."""
    read: list[NodeReading]


class Nodes:
    """All nodes, asked again and again. For one thread at a time.

    yagna takes 30 ms to answer, more than all else of a scrape: what can't be had at once is told a scrape later.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="nodes")
        self._asked: Future[_Answers] | None = None
        self._said = _Answers(-math.inf, [])

    def ask(self) -> None:
        """Begin to ask, unless that goes on already."""
        self._wait(0.0)
        if self._asked is None:
            self._asked = self._pool.submit(_answers)

    def heard(self) -> list[NodeReading]:
        """What they say, or said lately. Blocking, for as long as they take where they said nothing lately."""
        is_lately = time.monotonic() - self._said.at < _LATELY_SECONDS
        self._wait(_PATIENCE_SECONDS if is_lately else None)
        return self._said.read

    def _wait(self, seconds: float | None) -> None:
        if self._asked is not None:
            with contextlib.suppress(TimeoutError):
                self._said, self._asked = self._asked.result(seconds), None


def _answers() -> _Answers:
    present = {name: node for host, name in _HOSTS.items() if (node := _present(host)) is not None}
    return _Answers(time.monotonic(), [NodeReading(name, _asked(node)) for name, node in present.items()])


def missing(found: Iterable[NodeReading], networks: Iterable[str]) -> list[NodeReading]:
    """Each node that is not there and should be, for sessions of these ``networks``."""
    needed = {_HOSTS[NETWORKS[name].host] for name in networks if name in NETWORKS}
    return [NodeReading(name, None) for name in sorted(needed - {node.name for node in found})]


def _present(host: str) -> Node | None:
    network = next(one for one in NETWORKS.values() if one.host == host)
    with contextlib.suppress(LauncherError, OSError):
        return network_nodes.present(network)
    return None


def _asked(node: Node) -> dict[str, float] | None:
    """What a node says; ``None`` where it says nothing, or what makes no sense."""
    try:
        answer = BlockingRest(node, seconds=_SECONDS).answer("GET", _PATH, most=_LARGEST)
        return _sums(answer.body) if answer.status == HTTPStatus.OK else None
    except (OSError, http.client.HTTPException, ValueError, LauncherError):
        return None


def _sums(body: bytes) -> dict[str, float]:
    """The figures in yagna's text; what may be the half of a line is left out. Raises ``ValueError``."""
    lines = body.decode().rpartition("\n")[0].splitlines()
    known = [line for line in lines if line.partition(" ")[0].partition("{")[0] in FIGURES]
    sums: defaultdict[str, float] = defaultdict(float)
    for family in text_string_to_metric_families("".join(f"{line}\n" for line in known)):
        for sample in family.samples:
            sums[sample.name] += finite(sample.value) or 0.0
    return sums
