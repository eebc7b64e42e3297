"""Commands about identity and money: ``%status``, ``%fund``, ``%budget``."""

from __future__ import annotations

import asyncio
import contextlib
import io
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from golem_launcher.errors import LauncherError, RequestError
from golem_launcher.kernel import cards
from golem_launcher.kernel.commands.command import Command
from golem_launcher.kernel.output import Shown
from golem_launcher.networks import NETWORKS, RETIRED
from golem_launcher.units import coins

if TYPE_CHECKING:
    from datetime import datetime

    from golem_launcher.kernel.cell_parser import CommandCall
    from golem_launcher.kernel.notebook_session import Notebook
    from golem_launcher.kernel.output import Output
    from golem_launcher.market.wallet import Wallet
    from golem_launcher.networks import Network

_TELL_SECONDS = 1.0
_NETWORK_AND_AMOUNT = 2
_NETWORK_NAMES = [*NETWORKS, *RETIRED]


async def _status(notebook: Notebook, _call: CommandCall, output: Output) -> None:
    place = output.place()
    await place.show(cards.progress("Asking the node …"))
    living = await asyncio.to_thread(_living_sessions)
    networks = [notebook.network, *(network for _, network, _ in living)]
    looks = await asyncio.gather(
        *(asyncio.to_thread(_look, NETWORKS[name]) for name in dict.fromkeys(networks) if name in NETWORKS)
    )
    rows: list[tuple[str, str]] = []
    for name, wallet, problem in looks:
        rows += _wallet_rows(name, wallet, problem)
    budget = parse_budget(notebook)
    rows.append(("next budget", f"up to {coins(budget)} {notebook.token} on {notebook.network}"))
    connection = notebook.connection
    if connection is None or connection.over:
        title, notes = "Not connected", ["Connect: %connect. All commands: %help"]
    else:
        state = await connection.state()
        title, notes = f"Connected to {state.head.provider_name or 'a provider'}", []
        rows += cards.session_rows(state, NETWORKS[state.network].token)
        rows += cards.machine_rows(await asyncio.to_thread(connection.directory.request), state)
        rows += [("allocation", state.allocation_id or "")]
    own = connection.name if connection is not None else ""
    notes += [_other_session(name, ends_at) for name, _, ends_at in living if name != own]
    await place.show(cards.table(title, rows, notes))


def _other_session(name: str, ends_at: datetime | None) -> str:
    """What is said of a session that runs besides; ``ends_at``: its notebook's Jupyter was killed."""
    if ends_at is None:
        return f"The session '{name}' runs as well: %attach {name}"
    at = f"{ends_at.astimezone():%H:%M:%S %Z}"
    return f"Session '{name}', whose Jupyter was killed, is saved and ended at {at}. To go on: %attach {name}"


def _living_sessions() -> list[tuple[str, str, datetime | None]]:
    """Names and networks of the sessions that run, and when those end whose notebook's Jupyter was killed."""
    from golem_launcher.session.on_disk import liveness, orphaned

    return [(one.name, one.state().network, orphaned.until(one)) for one in liveness.living()]


def _look(network: Network) -> tuple[str, Wallet | None, str]:
    """A network's wallet, where its node runs; nothing is started for that."""
    from golem_launcher.market import wallet as wallets
    from golem_launcher.session.preparation import network_nodes

    with contextlib.suppress(LauncherError):
        node = network_nodes.present(network)
        if node is None:
            return network.name, None, "its node does not run; %connect and %fund start it"
        return network.name, wallets.look(node, network), ""
    return network.name, None, "its node does not answer; see: golem-launcher doctor"


def _wallet_rows(name: str, wallet: Wallet | None, problem: str) -> list[tuple[str, str]]:
    if wallet is None:
        return [(f"on {name}", problem)]
    fees = f", {coins(wallet.gas)} {wallet.gas_coin} for fees" if wallet.gas_coin else ""
    balance = wallet.problem or f"{coins(wallet.amount)} {wallet.token}{fees}"
    return [
        ("identity", wallet.identity),
        (f"on {name}", balance),
        ("reserved", f"{coins(wallet.reserved)} {wallet.token}"),
    ]


async def _fund(notebook: Notebook, call: CommandCall, output: Output) -> None:
    from golem_launcher.kernel.notebook_session import chosen_network
    from golem_launcher.market import funding
    from golem_launcher.market import wallet as wallets
    from golem_launcher.session.preparation import network_nodes

    name, said = chosen_network(call.words or notebook.network)
    if said:
        await output.say(said, error=True)
    network = NETWORKS[name]
    place = output.place()
    await place.show(cards.progress("The node starts …"))
    node = await asyncio.to_thread(network_nodes.wallet_node, network)
    if network.is_real_money:
        identity = await asyncio.to_thread(wallets.open_account, node, network)
        await place.show(_address(network, identity, parse_budget(notebook)))
        return
    asking = asyncio.ensure_future(asyncio.to_thread(wallets.fund, node, network))
    began = asyncio.get_running_loop().time()
    while not asking.done():
        seconds = asyncio.get_running_loop().time() - began
        await place.show(cards.progress(f"{funding.asking_words(network)} … {seconds:.0f} s"))
        await asyncio.wait({asking}, timeout=_TELL_SECONDS)
    await place.show(cards.progress(asking.result()))


def _address(network: Network, identity: str, amount: Decimal) -> Shown:
    """Where to send real money, and how much."""
    from golem_launcher.market import funding

    code, drawn = funding.address_code(identity), io.StringIO()
    code.terminal(drawn, compact=True)
    shown = cards.table(
        f"Send {funding.needed_words(network, amount)}, to:",
        [("address", identity), ("or buy there", network.onboarding_url(identity))],
        [f"This is real money. {funding.FIRST_BACK_UP} In a terminal: golem-launcher identity backup FILE"],
    )
    picture = code.svg_inline(scale=4, light="white")
    return Shown(f"{shown.text}\n{drawn.getvalue()}", f"{shown.html}{picture}")


async def _budget(notebook: Notebook, call: CommandCall, output: Output) -> None:
    words = call.words.split()
    before = parse_budget(notebook), notebook.network
    if words:
        if len(words) != _NETWORK_AND_AMOUNT:
            raise RequestError("A budget is a network and an amount.", "Like: %budget hoodi 1")
        await choose(notebook, read_budget(*words), output)
    budget, network = parse_budget(notebook), NETWORKS[notebook.network]
    rows = [("before", f"up to {coins(before[0])} on {before[1]}" if words else "")]
    _, wallet, _ = await asyncio.to_thread(_look, network)
    if wallet is not None:
        rows.append(("reserved now", f"{coins(wallet.reserved)} {wallet.token}"))
        if wallet.free is not None:
            rows.append(("free", f"{coins(wallet.free)} {wallet.token}"))
    await output.show(
        cards.table(
            f"The next session may cost up to {coins(budget)} {network.token} on {network.title}.",
            rows,
            ["It is reserved when the session starts, and what is left comes back at its end. Then: %connect"],
        )
    )


def parse_budget(notebook: Notebook) -> Decimal:
    """The chosen budget."""
    return Decimal(str(notebook.choices.get("budget", 1)))


@dataclass(frozen=True)
class Budget:
    """A network, and the most that a session may cost there."""

    network: str
    amount: Decimal | None
    """``None``: as chosen before."""
    said: str
    """What there is to say of the network that was named."""


def read_budget(name: str, amount: str | None) -> Budget:
    """A budget as it is typed. Raises ``RequestError``."""
    from golem_launcher.kernel.notebook_session import chosen_network
    from golem_launcher.request import parse_request

    network, said = chosen_network(name)
    if amount is None:
        return Budget(network, None, said)
    try:
        budget = Decimal(amount)
    except InvalidOperation:
        raise RequestError(f"'{amount}' is no amount.", f"Like: {network} 1") from None
    parse_request({"network": network, "budget": budget})
    return Budget(network, budget, said)


async def choose(notebook: Notebook, budget: Budget, output: Output) -> None:
    """Choose network and budget of the next session."""
    notebook.choose({"network": budget.network, **({} if budget.amount is None else {"budget": budget.amount})})
    if budget.said:
        await output.say(budget.said, error=True)


def _networks(_notebook: Notebook, before: str) -> list[str]:
    return _NETWORK_NAMES if " " not in before.strip() else []


COMMANDS = (
    Command("status", "", "Says who you are, what the wallet has, and all about the provider.", _status, ("%status",)),
    Command(
        "fund",
        "NETWORK",
        "Fills the wallet: by the faucet of a test network; on real ones it shows where to send how much.",
        _fund,
        ("%fund hoodi", "%fund polygon"),
        completions=_networks,
    ),
    Command(
        "budget",
        "NETWORK AMOUNT",
        "Chooses the network, and the most that the next session may ever cost.",
        _budget,
        ("%budget local 1", "%budget hoodi 1", "%budget polygon 0.5"),
        completions=_networks,
    ),
)
