"""The commands ``wallet``, ``fund`` and ``identity``."""

from __future__ import annotations

import io
from dataclasses import asdict
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from golem_launcher.cli.options.completion import network_names
from golem_launcher.cli.terminal.command_io import Json, print_json, reports_errors, say, waiting_for
from golem_launcher.errors import LauncherError, RequestError
from golem_launcher.networks import DEFAULT, NETWORKS, Network, unknown
from golem_launcher.units import coins, counted, with_coin

if TYPE_CHECKING:
    from golem_launcher.node.node import Node

_NetworkName = Annotated[
    str, typer.Option("--network", help="Which one; see: golem-launcher networks", autocompletion=network_names)
]

identity_app = typer.Typer(help="The identity that owns the wallet: back it up, bring it back.", no_args_is_help=True)


def add_commands(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    for command in (wallet, fund):
        app.command(command.__name__)(reports_errors(command))
    app.add_typer(identity_app, name="identity")


def wallet(
    *,
    network: _NetworkName = DEFAULT,
    release: Annotated[
        bool, typer.Option("--release", help="Give back what is reserved and belongs to no session that runs.")
    ] = False,
    json: Json = False,
) -> None:
    """Show the wallet: identity, balance, fees, what is reserved and owed, and the last payments.

    Examples:
    golem-launcher wallet --network polygon
    golem-launcher wallet --network polygon --release
    """
    from golem_launcher.market import wallet as wallets

    known = _network(network)
    node = _node(known)
    if release:
        count = wallets.release(node, known, keep=_in_use())
        typer.echo(f"Given back: {counted(count, 'reservation')}.", err=True)
    with waiting_for("The node asks the chain"):
        found = wallets.look(node, known)
    if json:
        print_json({**asdict(found), "free": found.free})
        return
    say(f"address:   {found.identity}  {found.url}".rstrip())
    if found.amount is None and not known.settles:
        say("balance:   none is needed: nothing is paid on this network")
    else:
        say(f"balance:   {with_coin(found.amount, found.token)}")
        if found.gas_coin:
            say(f"for fees:  {with_coin(found.gas, found.gas_coin)}")
    say(f"reserved:  {coins(found.reserved)} {found.token}")
    say(f"owed:      {with_coin(found.owed, found.token)}")
    for payment in found.payments:
        where = payment.url or payment.transaction
        say(f"paid:      {payment.at[:19]}  {coins(payment.amount)} to {payment.to}  {where}".rstrip())
    if found.problem:
        say(found.problem)


def fund(
    *,
    network: _NetworkName = "hoodi",
    hours: Annotated[float, typer.Option(help="How long a session is to be paid for.")] = 1.0,
    price: Annotated[float, typer.Option(help="What it may cost an hour.")] = 1.0,
    json: Json = False,
) -> None:
    """Fill the wallet: by the faucet on test networks; on real ones, see where to send how much.

    Examples:
    golem-launcher fund --network hoodi
    golem-launcher fund --network polygon --hours 10 --price 0.2
    golem-launcher fund --network local   (test tokens, after: golem-launcher localnet up --chain anvil)
    """
    known = _network(network)
    node = _node(known)
    if known.chain_is_here:
        _mint(node, known, as_json=json)
    elif known.is_real_money:
        _show_address(node, known, amount=hours * price, as_json=json)
    else:
        _ask_faucet(node, known, as_json=json)


@identity_app.command()
@reports_errors
def backup(file: Annotated[Path, typer.Argument(help="The file to write; it must not be there yet.")]) -> None:
    """Write the identity of your node to a file. Do this before you send real money to it.

    Example: golem-launcher identity backup golem-identity.json
    """
    import os

    from golem_launcher.market import funding
    from golem_launcher.market import identity_backup as identities
    from golem_launcher.node import manager, probe

    if file.exists():  # before a node is started for it
        raise LauncherError(f"{file} is there already.", "Give a name that is not there yet.")
    with waiting_for("The node starts"):
        node = manager.ensure_wallet_node()
    identity, keystore = probe.identity(node), identities.key_file(node)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as target:
            target.write(keystore)
            target.flush()
            os.fsync(target.fileno())
    except OSError as error:
        raise LauncherError(f"{file} can't be written: {error.strerror}.", "Look at its directory.") from None
    funding.note_back_up(identity)
    say(f"The identity is in {file}.\n{funding.KEEP_SAFE}")


@identity_app.command()
@reports_errors
def restore(
    file: Annotated[Path, typer.Argument(help="A file that `identity backup` or `yagna id export` wrote.")],
) -> None:
    """Make the identity in a file that of our own node, which is started anew.

    Example: golem-launcher identity restore golem-identity.json
    """
    from golem_launcher.market import identity_backup as identities
    from golem_launcher.node import manager

    if manager.named_node() is not None:
        raise RequestError("The node in use is not one of ours.", "There, use: yagna id create --from-keystore FILE")
    try:
        keystore = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"{file} can't be read: {getattr(error, 'strerror', None) or 'it is no text'}.") from None
    identities.address(keystore)  # before a node is started for it
    busy = _on_our_node()
    if busy:
        raise LauncherError(
            f"Sessions run on the node: {', '.join(busy)}.", "Stop them first: golem-launcher stop NAME"
        )
    with waiting_for("The node starts"):
        identity = identities.restore(manager.ensure_wallet_node(), keystore)
        manager.stop_node()
        manager.ensure_wallet_node()
    say(f"The node is {identity} now. The identity it had before is still in it, and comes back with its own backup.")


def _on_our_node() -> list[str]:
    """The sessions that live on a node of the user's: all but those of the local network."""
    from golem_launcher.session.on_disk import liveness

    networks = {one.name: NETWORKS.get(liveness.state_of(one).network) for one in liveness.living()}
    return sorted(name for name, network in networks.items() if network is None or network.host == "node")


def _in_use() -> set[str]:
    """The allocations of sessions that run, or that will be closed down by themselves."""
    from golem_launcher.rental.payment.journal import Journal
    from golem_launcher.session.on_disk import liveness
    from golem_launcher.session.on_disk.directory import unsettled_directories

    found = list(unsettled_directories())
    journals = [Journal.read(directory.path) for directory in found]
    kept = {one.entries.allocation_id for one in journals if one is not None and one.entries.owes}
    kept |= {liveness.state_of(directory).allocation_id for directory in found if liveness.alive(directory)}
    return {allocation_id for allocation_id in kept if allocation_id is not None}


def _show_address(node: Node, network: Network, *, amount: float, as_json: bool) -> None:
    from decimal import Decimal

    from golem_launcher.market import funding
    from golem_launcher.market import wallet as wallets

    identity = wallets.open_account(node, network)
    needed = round(Decimal(amount), 4)
    url = network.onboarding_url(identity)
    if as_json:
        print_json(
            {
                "address": identity,
                "needed": coins(needed),
                "token": network.token,
                "gas": network.gas,
                "url": url,
            }
        )
        return
    code = io.StringIO()
    funding.address_code(identity).terminal(code, compact=True)
    say(
        f"THIS IS REAL MONEY. {funding.FIRST_BACK_UP}\n  golem-launcher identity backup FILE\n"
        f"For this you need {funding.needed_words(network, needed)}:\n"
        f"{identity}"
    )
    typer.echo(code.getvalue())
    say(
        f"Buy or send it there, or use Golem's own page: {url}\n"
        f"Then look: golem-launcher wallet --network {network.name}"
    )


def _mint(node: Node, network: Network, *, as_json: bool) -> None:
    from golem_launcher.market import wallet as wallets

    said = wallets.fund(node, network)
    if as_json:
        print_json({"said": said})
    else:
        say(f"{said}\nLook: golem-launcher wallet")


def _ask_faucet(node: Node, network: Network, *, as_json: bool) -> None:
    from golem_launcher.market import funding
    from golem_launcher.market import wallet as wallets

    typer.echo(f"{funding.asking_words(network)} …", err=True)
    with waiting_for("  the chain has not confirmed it yet", every=15):
        said = wallets.fund(node, network)
    if as_json:
        print_json({"said": said})
    else:
        say(f"{said}\nLook: golem-launcher wallet --network {network.name}".strip())


def _network(name: str) -> Network:
    if name not in NETWORKS:
        raise RequestError(f"Network: {unknown(name)}.", field="network")
    return NETWORKS[name]


def _node(network: Network) -> Node:
    from golem_launcher.session.preparation import network_nodes

    with waiting_for("The node starts"):
        return network_nodes.wallet_node(network)
