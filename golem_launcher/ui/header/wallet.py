"""The wallet in the header and as a card. Refreshed while somebody looks; starts nothing.

The chain behind a wallet may take its time or never answer, so all of it runs in threads of its own: nothing else on
the page waits for it.
"""

from __future__ import annotations

import asyncio
import functools
import re
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import LauncherError, NodeError
from golem_launcher.market import funding
from golem_launcher.market.funding import needed_words
from golem_launcher.market.local_settlement import as_it_is
from golem_launcher.networks import LOCAL, NETWORKS
from golem_launcher.ui.common.deferred_imports import loaded
from golem_launcher.units import coins, coins_at_a_glance
from golem_launcher.untrusted_text import clean_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from golem_launcher.market.wallet import Payment, Wallet
    from golem_launcher.networks import Network

_LONGEST_SENTENCE = 400


class WalletPanel:
    """Tells ``tell`` what the page shows of the wallet that the form's request would be paid from."""

    def __init__(self, tell: Callable[[dict[str, Any]], None]) -> None:
        self._tell = tell
        self._network = LOCAL
        self._budget = Decimal(0)
        self._shown: Wallet | None = None
        self._backed_up = False
        self._trouble = ""
        self._looking: set[str] = set()
        self._asking: set[str] = set()
        self._said: dict[str, str] = {}
        """What the faucet of each network said last."""
        self._threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="wallet")

    def close(self) -> None:
        """Wait for nothing any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def consider(self, network: str, budget: Decimal) -> bool:
        """Another request was typed; whether it is for another wallet, which is then to be looked up."""
        other = network != self._network.name
        self._budget = budget
        if other:
            self._network, self._shown, self._trouble = NETWORKS[network], None, ""
        self._show()
        return other

    async def look(self) -> None:
        """Look the wallet up. Takes seconds; not twice at a time."""
        network = self._network
        if network.name in self._looking:
            return
        self._looking.add(network.name)
        try:
            found, trouble, backed_up = await self._run(_look, network)
            seen = await self._run(as_it_is, network)
        finally:
            self._looking.discard(network.name)
        if network.name == self._network.name:
            self._network, self._shown, self._trouble, self._backed_up = seen, found, trouble, backed_up
            self._show()

    async def fund(self) -> None:
        """Ask the faucet of a test network for play money. Takes minutes. Raises ``LauncherError``."""
        network = self._network
        if network.name in self._asking:
            return
        self._asking.add(network.name)
        self._said.pop(network.name, None)
        self._show()
        try:
            said = await self._run(_fund, network)
            who = "" if network.chain_is_here else "The faucet says: "
            self._said[network.name] = who + clean_line(said, longest=_LONGEST_SENTENCE)
        finally:
            self._asking.discard(network.name)
            self._show()
        await self.look()

    async def key_file(self) -> dict[str, str]:
        """The back-up of the identity: ``name`` and ``text`` of a file that nobody else may see."""
        identity, text = await self._run(_back_up, self._network)
        self._backed_up = self._backed_up or (self._shown is not None and self._shown.identity == identity)
        self._show()
        return {"name": f"golem-identity-{identity[:10]}.json", "text": text}

    async def _run(self, work: Callable[[Network], Any], network: Network) -> Any:
        await loaded()
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, network)

    def _show(self) -> None:
        name = self._network.name
        if self._shown is None:
            self._tell({"network": name, "words": self._trouble, "bad": bool(self._trouble)})
            return
        view = wallet_view(self._shown, self._network, self._budget, backed_up=self._backed_up)
        self._tell({**view, "busy": name in self._asking, "said": self._said.get(name, "")})


def wallet_view(found: Wallet, network: Network, budget: Decimal, *, backed_up: bool) -> dict[str, Any]:
    """A wallet as the page's script takes it, for a request that may cost ``budget``."""
    real = network.is_real_money
    empty = network.settles and (found.amount == 0 or found.gas == 0)
    lacking = funding.missing(budget, found.free) if network.settles else Decimal(0)
    return {
        "network": network.name,
        "settles": network.settles,
        "words": _words(found, network),
        "bad": network.settles and (empty or found.amount is None),
        "urgent": empty or (real and not backed_up),
        "identity": found.identity,
        "url": found.url,
        "rows": _rows(found, network),
        "problem": found.problem,
        "payments": [_payment(payment, network) for payment in found.payments],
        "need": _need(network, budget, lacking) if network.settles else "",
        "lacking": lacking > 0,
        "fund": "Get play money" if network.money == "test" else "",
        "asking": funding.asking_words(network),
        "buy": network.onboarding_url(found.identity),
        "code": _code(found.identity) if real else {},
        "back_up": {"done": backed_up, "first": funding.FIRST_BACK_UP, "safe": funding.KEEP_SAFE} if real else {},
    }


def _words(found: Wallet, network: Network) -> str:
    """The wallet in one line, for the header; nothing where nothing is paid."""
    if found.amount is None or found.gas is None:
        return (found.problem or "The balance is not known.") if network.settles else ""
    words = f"{coins_at_a_glance(found.amount)} {found.token}, {coins_at_a_glance(found.gas)} {found.gas_coin} for fees"
    return f"{words}, {coins_at_a_glance(found.reserved)} {found.token} reserved" if found.reserved else words


def _rows(found: Wallet, network: Network) -> list[dict[str, str]]:
    """What is in it, each with a hint for newcomers."""
    rows = []
    if found.amount is not None:
        free = coins(found.free)
        rows.append(_row("Balance", f"{coins(found.amount)} {found.token}", f"{free} free for new sessions"))
    if found.gas is not None:
        hint = f"Every payment costs a little {found.gas_coin}, the coin of the chain (“gas”)."
        rows.append(_row("For fees", f"{coins(found.gas)} {found.gas_coin}", hint))
    hint = "Set aside for sessions: their budgets, until they end."
    rows.append(_row("Reserved", f"{coins(found.reserved)} {found.token}", hint))
    if found.owed is not None:
        rows.append(_row("Owed", f"{coins(found.owed)} {found.token}", "Accepted bills that are being paid."))
    elif not network.settles:
        rows.append(_row("Owed", "nothing", "Bills are made and checked here; nothing is settled."))
    return rows


def _row(name: str, value: str, hint: str) -> dict[str, str]:
    return {"name": name, "value": value, "hint": hint}


def _payment(payment: Payment, network: Network) -> dict[str, str]:
    return {
        "at": clean_line(payment.at, longest=40),
        "to": clean_line(payment.to, longest=60),
        "amount": f"{coins(payment.amount)} {network.token}",
        "url": payment.url,
        "transaction": payment.transaction,
    }


def _need(network: Network, budget: Decimal, lacking: Decimal) -> str:
    needed = f"The form's request needs {needed_words(network, budget)}."
    return f"{needed} {coins(lacking)} {network.token} of that is missing." if lacking else needed


@functools.lru_cache(maxsize=4)
def _code(address: str) -> dict[str, Any]:
    """The QR code as the path of a picture ``size`` units wide: a line through each run of dark fields."""
    rows = ["".join("1" if dark else " " for dark in row) for row in funding.address_code(address).matrix]
    runs = [(line, run) for line, row in enumerate(rows) for run in re.finditer("1+", row)]
    return {"size": len(rows), "path": "".join(f"M{run.start()} {line}.5h{len(run[0])}" for line, run in runs)}


def _look(network: Network) -> tuple[Wallet | None, str, bool]:
    """The wallet, or none and why, and whether its identity is backed up. Takes seconds. Starts nothing."""
    from golem_launcher.market import wallet  # noqa: PLC0415 - not needed to show the page
    from golem_launcher.session.preparation import network_nodes  # noqa: PLC0415

    try:
        node = network_nodes.present(network)
        if node is None:
            return None, "", False
        found = wallet.look(node, network)
    except NodeError as error:
        return None, clean_line(str(error), longest=_LONGEST_SENTENCE), False
    return found, "", funding.backed_up(found.identity)


def _fund(network: Network) -> str:
    from golem_launcher.market import wallet  # noqa: PLC0415
    from golem_launcher.session.preparation import network_nodes  # noqa: PLC0415

    return wallet.fund(network_nodes.wallet_node(network), network)


def _back_up(network: Network) -> tuple[str, str]:
    from golem_launcher.market import identity_backup as identities  # noqa: PLC0415
    from golem_launcher.node import probe  # noqa: PLC0415
    from golem_launcher.session.preparation import network_nodes  # noqa: PLC0415

    node = network_nodes.present(network)
    if node is None:
        raise LauncherError("Your node does not run.", "Start it first: the button is at the top of the page.")
    identity, text = probe.identity(node), identities.key_file(node)
    funding.note_back_up(identity)
    return identity, text
