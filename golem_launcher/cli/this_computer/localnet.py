"""``golem-launcher localnet …``: runs a Golem network on this machine."""

from __future__ import annotations

import collections
import itertools
import os
import signal
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from golem_launcher.cli.terminal.command_io import Json, print_json, reports_errors, say
from golem_launcher.cli.terminal.table import show_table
from golem_launcher.errors import LocalNetError, RequestError
from golem_launcher.networks import LOCAL

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


@app.command()
@reports_errors
def up(spec: _Spec = None, chain: _Chain = None, json: Json = False) -> None:  # noqa: FBT002 - typer's way to a flag
    """Start the network, or mend it. One that is up is tried: a provider is rented for a moment.

    Examples:
    golem-launcher localnet up --spec network.toml
    golem-launcher localnet up --chain anvil
    """
    from golem_launcher.localnet import health, network

    was_up = network.status()["stage"] == "ready"
    running = network.up(spec, chain=chain)
    tried = health.check(running) if was_up else ""
    _show(network.status(), as_json=json)
    if tried and not json:
        say(tried)


@app.command()
@reports_errors
def status(json: Json = False) -> None:  # noqa: FBT002
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

    from golem_launcher.localnet.chain import anvil_program

    typer.echo(f"npm fetches anvil {anvil_program.VERSION} …", err=True)
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as thread:
        asked, seconds = thread.submit(anvil_program.install), 0
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
    PATH with gftp, and a registry of images that answers here. Its exit code is this command's. Images that had to be
    replaced are named at the end.

    Example: golem-launcher localnet run -- python hello.py
    """
    from golem_launcher.localnet import network

    if not context.args:
        raise RequestError(
            "No program was given to run.", "For example: golem-launcher localnet run -- python hello.py"
        )
    environment = {**os.environ, **network.up(spec).environment()}
    if _own_python_path(context.args):
        typer.echo(
            "The program's own PYTHONPATH hides the registry of this network from yapapi and golem-core: name python "
            "without a directory, or add to the PYTHONPATH that is there. See docs/localnet.md",
            err=True,
        )
    before = _replaced(network.status())
    try:
        status = _in_foreground(context.args, environment)
    except OSError as error:
        raise LocalNetError(f"{context.args[0]} can't be run: {error.strerror}.") from None
    for name, count in sorted((_replaced(network.status()) - before).items()):
        times = "" if count == 1 else f" ({count} times)"
        typer.echo(
            f"The image {name} is not described here, and the base image stood in for it{times}. How to describe "
            "images: docs/localnet.md",
            err=True,
        )
    if status < 0:  # end as the program did
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    raise typer.Exit(status)


def _own_python_path(command: list[str]) -> bool:
    """Whether a command of ``env`` gives a PYTHONPATH to a program that is not looked for on the PATH."""
    if Path(command[0]).name != "env":
        return False
    rest = itertools.dropwhile(lambda word: "=" in word or word.startswith("-"), command[1:])
    return any(word.startswith("PYTHONPATH=") for word in command) and "/" in next(rest, "")


def _replaced(state: dict[str, Any]) -> collections.Counter[str]:
    return collections.Counter(state.get("replaced_images", ()))


def _in_foreground(command: list[str], environment: dict[str, str]) -> int:
    """Run a program as if it were us: signals reach it. Its exit code, or minus a signal. ``OSError``."""
    import subprocess

    passed_on = {signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2}
    signal.pthread_sigmask(signal.SIG_BLOCK, passed_on)  # until there is somebody to pass them on to
    try:
        child = subprocess.Popen(command, env=environment, preexec_fn=_default_signals)  # noqa: PLW1509 - no thread yet
        for number in passed_on:
            signal.signal(number, lambda received, _: child.send_signal(received))
        for number in (signal.SIGINT, signal.SIGQUIT):  # a terminal sends them to the program as well
            signal.signal(number, signal.SIG_IGN)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, passed_on)
    return child.wait()


def _default_signals() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _show(state: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(state)
        return
    say(f"The local network is {state['stage']}.")
    if state.get("runtime"):
        say(state["runtime"])
    if state["stage"] == "ready":
        say(_settlement(state))
    if state["stage"] == "failed":
        say(f"{state['what']} {state['remedy']}".strip())
    for less in state.get("capped", ()):
        say(less)
    rows = [
        (
            one["name"], one["state"], f"{one['threads']}", f"{one['memory_gib']:g}",
            f"{one['price_hour']}", f"{one['price_cpu_hour']}",
        )
        for one in state["providers"]
    ]  # fmt: skip
    if rows:
        head = ("PROVIDER", "STATE", "THREADS", "GiB", f"{LOCAL.token}/H", f"{LOCAL.token}/CPU H")
        show_table(head, rows, give_way=("PROVIDER",), right=head[2:])


def _settlement(state: dict[str, Any]) -> str:
    from golem_launcher.localnet.chain.token import Chain

    chain = Chain.from_json(state.get("chain"))
    if chain is None:
        return "Money: nothing is settled."
    return f"Money: {chain.words} ({chain.url}, token {chain.token})."
