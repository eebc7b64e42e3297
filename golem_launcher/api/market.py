"""The market and the wallet from Python: ``offers(…)``, ``quote(…)``, ``wallet()``."""

from __future__ import annotations

import html
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, overload

from golem_launcher.api.display import waited
from golem_launcher.api.parameters import given, takes_request
from golem_launcher.market import quote as quotes
from golem_launcher.market import scan
from golem_launcher.networks import DEFAULT, NETWORKS
from golem_launcher.session.preparation import network_nodes, offer_scan
from golem_launcher.units import coins

if TYPE_CHECKING:
    from golem_launcher.market.limit_advice import Advice
    from golem_launcher.market.quote import Quote
    from golem_launcher.market.scan import Offer
    from golem_launcher.market.wallet import Wallet

_HEAD = ("provider", "cores", "GiB", "disk", "GPU", "an hour", "in all")


class Offers(Sequence[scan.Offer]):
    """The machines that fit a request, in the order in which they are taken; in a notebook, a table."""

    def __init__(self, found: scan.ScannedOffers, token: str) -> None:
        self._found = found
        self.token = token
        """What amounts are in."""

    @property
    def others(self) -> tuple[Offer, ...]:
        """Machines that do not fit; each says ``why``."""
        return self._found.others

    @property
    def advice(self) -> tuple[Advice, ...]:
        """When nothing fits: which limits to loosen, and by how much."""
        return self._found.advice

    def __len__(self) -> int:
        return len(self._found.fitting)

    @overload
    def __getitem__(self, index: int) -> Offer: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Offer]: ...
    def __getitem__(self, index: int | slice) -> Offer | Sequence[Offer]:
        return self._found.fitting[index]

    def __repr__(self) -> str:
        if not self:
            return "\n".join([f"No machine fits; {len(self.others)} on offer.", *(one.text for one in self.advice)])
        rows = [_HEAD, *map(_row, self)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        return "\n".join([*lines, f"Amounts in {self.token}."])

    def _repr_html_(self) -> str:
        from golem_launcher.kernel.cards import PLAIN  # noqa: PLC0415 - it is asked for in notebooks alone

        if not self:
            return f'<pre class="{PLAIN}">{html.escape(repr(self))}</pre>'
        head = "".join(f"<th>{word}</th>" for word in _HEAD)
        body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in _row(one))}</tr>" for one in self)
        table = f'<table class="{PLAIN}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        return f"{table}<p>Amounts in {self.token}.</p>"


def _row(offer: Offer) -> tuple[str, ...]:
    machine = offer.machine
    gpu = f"{machine.gpus} x {machine.gpu_model}" if machine.gpus else "-"
    return (machine.name[:24], *machine.size_texts, gpu, coins(offer.per_hour), coins(offer.whole))


@takes_request
def offers(**fields: Any) -> Offers:
    """What is on offer now for a request: two seconds on this computer's network, eight on Golem's. Nothing is paid.

    {fields}

    Raises:
        RequestError: what is asked for can't be.
        LauncherError: the node can't be started, or does not answer.
    """
    request = given(fields)
    return Offers(waited("Collecting offers", partial(offer_scan.scan, request)), NETWORKS[request.network].token)


@takes_request
def quote(**fields: Any) -> Quote:
    """What a request would cost by the offers of now, and how long its budget lasts. Nothing is paid.

    {fields}

    Raises:
        RequestError: what is asked for can't be.
        LauncherError: the node can't be started, or does not answer.
    """
    request = given(fields)
    return quotes.quote(request, waited("Collecting offers", partial(offer_scan.scan, request)))


def wallet(network: str = DEFAULT) -> Wallet:
    """The wallet on a network: address, balance, what is reserved and owed. The node is started where it is ours.

    Raises ``RequestError`` for a network that there is not, and ``NodeError`` when the node fails.
    """
    request = given({"network": network})
    return waited("Asking the node", partial(_look, request.network))


def _look(name: str) -> Wallet:
    from golem_launcher.market import wallet as wallets  # noqa: PLC0415 - few need it

    return wallets.look(network_nodes.wallet_node(NETWORKS[name]), NETWORKS[name])
