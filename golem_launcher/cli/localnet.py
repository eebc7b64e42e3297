"""``golem-launcher localnet …``: a Golem network on this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from golem_launcher.cli.output import print_json, reports_errors, say
from golem_launcher.errors import LocalNetError, RequestError

app = typer.Typer(help="A whole Golem network on this machine.", no_args_is_help=True)


def add_commands(parent: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    parent.add_typer(app, name="localnet")


_Spec = Annotated[Optional[Path], typer.Option("--spec", help="TOML file that describes the network.")]  # noqa: UP045
_Chain = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--chain", help="What bills are paid on: anvil, or the address of an EVM node."),
]
_TELL_SECONDS = 5
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON value.")]


@app.command()
@reports_errors
def up(spec: _Spec = None, chain: _Chain = None, json: _Json = False) -> None:  # noqa: FBT002 - typer's way to a flag
    """Start the network, or mend it; nothing happens when it is up.

    Examples:
    golem-launcher localnet up --spec network.toml
    golem-launcher localnet up --chain anvil
    """
    from golem_launcher.localnet import network

    network.up(spec, chain=chain)
    _show(network.status(), as_json=json)


@app.command()
@reports_errors
def status(json: _Json = False) -> None:  # noqa: FBT002
    """Say how the network is.

    Example: golem-launcher localnet status --json
    """
    from golem_launcher.localnet import network

    _show(network.status(), as_json=json)


@app.command("install-chain")
@reports_errors
def install_chain() -> None:
    """Have npm install anvil, the node of a chain on this machine, into the launcher's home.

    Example: golem-launcher localnet install-chain
    """
    import concurrent.futures

    from golem_launcher.localnet.chain import program

    typer.echo(f"npm fetches anvil {program.VERSION} …", err=True)
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as thread:
        asked, seconds = thread.submit(program.install), 0
        while not concurrent.futures.wait([asked], timeout=_TELL_SECONDS).done:
            seconds += _TELL_SECONDS
            typer.echo(f"  {seconds} s …", err=True)
    say(f"anvil is in {asked.result()}.\nNow: golem-launcher localnet up --chain anvil")


@app.command()
@reports_errors
def down() -> None:
    """End the network and every process of it.

    Example: golem-launcher localnet down
    """
    from golem_launcher.localnet import network

    say("The local network is down." if network.down() else "The local network was not up.")


@app.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@reports_errors
def run(context: typer.Context, spec: _Spec = None) -> None:
    """Run a program on the network: localnet run -- COMMAND ARGUMENT…; starts the network when it is not up.

    The program gets YAGNA_APPKEY, YAGNA_API_URL, GSB_URL, the subnet and payment network of the local providers, a
    PATH with gftp, and a registry of images that answers here. Its exit code is this command's.

    Example: golem-launcher localnet run -- python hello.py
    """
    from golem_launcher.localnet import network

    if not context.args:
        raise RequestError(
            "No program was given to run.", "For example: golem-launcher localnet run -- python hello.py"
        )
    environment = {**os.environ, **network.up(spec).environment()}
    try:
        os.execvpe(context.args[0], context.args, environment)  # noqa: S606 - the program takes our place, signals too
    except OSError as error:
        raise LocalNetError(f"{context.args[0]} can't be run: {error.strerror}.") from None


def _show(state: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(state)
        return
    say(f"The local network is {state['stage']}.")
    if state.get("runtime"):
        say(state["runtime"])
    if state["stage"] == "ready":
        say(_settlement(state))
    for provider in state["providers"]:
        say(
            f"  {provider['name']:<20} {provider['state']:<5} {provider['threads']} threads, "
            f"{provider['memory_gib']:g} GiB, {provider['price_hour']} GLM/h + {provider['price_cpu_hour']} GLM/CPU h"
        )


def _settlement(state: dict[str, Any]) -> str:
    from golem_launcher.localnet.chain.token import Chain

    chain = Chain.from_json(state.get("chain"))
    if chain is None:
        return "Money: nothing is settled."
    return f"Money: {chain.words} ({chain.url}, token {chain.token})."
