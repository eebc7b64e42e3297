"""The commands ``node …``, ``doctor``, ``version`` and ``down``."""

from __future__ import annotations

import contextlib
import functools
import sys
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from golem_launcher.cli.terminal.command_io import Json, print_json, reports_errors, say, waiting_for
from golem_launcher.errors import LauncherError, LocalNetError, RequestError, ServiceError, SessionError
from golem_launcher.networks import LOCAL
from golem_launcher.units import coins

if TYPE_CHECKING:
    from collections.abc import Callable

    from golem_launcher.node.doctor_check import Check
    from golem_launcher.node.node import Node
    from golem_launcher.session.on_disk.directory import SessionDirectory

node_app = typer.Typer(help="Your yagna: the one that YAGNA_APPKEY names, else one of ours.", no_args_is_help=True)

_LOCAL = "local network"
_CLOCK_SECONDS = 4.0
_PAGE_SECONDS = 10.0
_CERTIFICATE_DATES = ("certificate has expired", "certificate is not yet valid")


def add_commands(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    for command in (doctor_command, version, down):
        app.command(command.__name__.removesuffix("_command"))(reports_errors(command))
    app.add_typer(node_app, name="node")


@node_app.command()
@reports_errors
def start(json: Json = False) -> None:  # noqa: FBT002 - typer's way to a flag
    """Find the node, or start it. Nothing happens when it runs.

    Example: golem-launcher node start --json
    """
    from golem_launcher.node import manager

    with waiting_for("The node starts"):
        manager.ensure_node()
    _show_node(as_json=json)


@node_app.command()
@reports_errors
def status(json: Json = False) -> None:  # noqa: FBT002
    """Say which node is used and whether it answers; exit code 1 when it should and does not.

    Example: golem-launcher node status
    """
    _show_node(as_json=json)


@node_app.command()
@reports_errors
def stop(json: Json = False) -> None:  # noqa: FBT002
    """Stop our own node. One that YAGNA_APPKEY names is left alone.

    Example: golem-launcher node stop
    """
    from golem_launcher.node import manager

    stopped = manager.stop_node()
    if json:
        print_json({"stopped": stopped is not None})
    elif stopped is not None:
        say(f"The node (process {stopped.record.pid}) is stopped.")
    else:
        say("Our own node was not running.")


@node_app.command()
@reports_errors
def use(
    url: Annotated[str, typer.Argument(help="The address of its REST service, like https://node.example.org")],
) -> None:
    """Use a node elsewhere from now on. Its key is asked for (or read from standard input), and never shown.

    Example: golem-launcher node use https://node.example.org
    """
    from golem_launcher.node import manager

    typed = sys.stdin.isatty()  # a prompt would warn that others may see what a pipe brings
    key = (typer.prompt("App-key", hide_input=True, err=True) if typed else sys.stdin.readline()).strip()
    if not key:
        raise RequestError("No app-key was given.", "yagna app-key list, over there, shows those that it knows.")
    identity = manager.remember_node(url, key)
    say(f"From now on the node {identity} is used. Back to one of ours: golem-launcher node forget")


@node_app.command()
@reports_errors
def forget() -> None:
    """Use a node of our own again.

    Example: golem-launcher node forget
    """
    from golem_launcher.node import manager

    forgotten = manager.forget_node()
    say("The node elsewhere is forgotten." if forgotten else "No node elsewhere was in use.")


def doctor_command(json: Json = False) -> None:  # noqa: FBT002
    """Look at everything the launcher needs, and say what to mend first.

    Example: golem-launcher doctor
    """
    from golem_launcher.node import clock_check, doctor
    from golem_launcher.node.doctor_check import Verdict

    signs = {Verdict.OK: "ok  ", Verdict.WARN: "warn", Verdict.FAIL: "FAIL"}
    checks = []
    from golem_launcher.session.client import damaged_sessions

    looks = (
        (_LOCAL, _local_network),
        (damaged_sessions.NAME, damaged_sessions.check),
        (clock_check.NAME, _clock_outside),
    )
    for check in (*doctor.examine(), *(doctor.guarded(name, look) for name, look in looks)):
        checks.append(check)
        if not json:
            say(f"{signs[check.verdict]}  {check.name:<14} {check.message}")
            if check.remedy:
                say(f"{'':<21}{check.remedy}")
    worst = next((check for check in checks if check.verdict is Verdict.FAIL), None)
    if json:
        print_json({"ok": worst is None, "checks": [asdict(check) for check in checks]})
    if worst is not None:
        raise LauncherError(f"Mend first: {worst.name}. {worst.message}", worst.remedy)


def version(json: Json = False) -> None:  # noqa: FBT002
    """Print the versions of the launcher and of what it stands on.

    Example: golem-launcher version --json
    """
    from golem_launcher.node import doctor

    found = doctor.versions()
    if json:
        print_json(found)
        return
    for name, number in found.items():
        say(f"{name:<9} {number or '(does not run)'}")


def down(
    json: Json = False,  # noqa: FBT002
    *,
    force: Annotated[bool, typer.Option("--force", help="End sessions at once, without a last save.")] = False,
) -> None:
    """Stop everything of ours: sessions, the page, the local network, the node. What does not run is passed over.

    Suspended sessions stay so; their links lead nowhere until the launcher runs again (its page, or `list`). When a
    session has something that can't be saved, it goes on, and so does what it needs; --force ends it. Nothing is
    stopped while a user of a hub on this computer has a server that runs.

    Example: golem-launcher down
    """
    from golem_launcher.errors import SessionNotEnded

    failures: list[LauncherError] = []
    stopped: list[str] = []
    parts: dict[str, Callable[[list[str]], None]] = {
        **({} if force else {"The servers of a hub's users are looked for": _keep_servers}),
        "Sessions end" if force else "Sessions are saved, and end": functools.partial(_stop_sessions, force=force),
        "The page ends": _stop_pages,
        "The local network ends": _stop_network,
        "The node ends": _stop_node,
    }
    for words, part in parts.items():
        if not any(isinstance(failure, SessionNotEnded) for failure in failures):  # it needs the others
            with waiting_for(words):
                _stop(part, stopped, failures)
    suspended = _suspended()
    if json:
        told = {"stopped": stopped, "suspended": suspended, "failures": [str(error) for error in failures]}
        print_json(told)
    else:
        for name in stopped:
            say(f"Stopped: {name}")
        if not stopped and not failures:
            say("Nothing of ours was running.")
        if suspended:
            say(
                f"Suspended: {', '.join(suspended)}. Nobody answers at their links now. They do again once the page is "
                "served, or after: golem-launcher list"
            )
    if failures:
        raise LauncherError("Not everything could be stopped. " + " ".join(map(str, failures)))


def _stop(part: Callable[[list[str]], None], stopped: list[str], failures: list[LauncherError]) -> None:
    try:
        part(stopped)
    except LauncherError as error:  # the other parts must stop all the same
        failures.append(error)


def _keep_servers(_: list[str]) -> None:
    """A hub's users have their servers on this node: nothing is stopped while one runs."""
    from golem_launcher import paths
    from golem_launcher.errors import SessionNotEnded
    from golem_launcher.hub_spawner import users
    from golem_launcher.session.on_disk import liveness

    for user in users.known():
        with paths.home_of(user.home):
            if any(liveness.living()):
                raise SessionNotEnded(
                    f"A server of the hub's user '{user.name}' runs, and needs the node.",
                    "Stop all servers on the hub's admin page first; --force stops the node under them.",
                )


def _stop_sessions(stopped: list[str], *, force: bool) -> None:
    """End every living session, and whoever wakes suspended ones up; what dead ones left is closed down too."""
    from golem_launcher.errors import SessionNotEnded
    from golem_launcher.session import timeouts
    from golem_launcher.session.cleanup import housekeeping
    from golem_launcher.session.on_disk import liveness, parked_address
    from golem_launcher.session.supervision import fork_server

    for name, process in housekeeping.recall().items():
        if process.stop(grace=timeouts.WAIT_FOR_END):
            stopped.append(f"session {name}")
    housekeeping.end_caretaker()
    ended: set[str] = set()
    kept: dict[str, str] = {}
    while living := [each for each in liveness.living() if each.name not in kept]:
        kept |= _end_sessions(living, force=force)
        ended |= {directory.name for directory in living} - set(kept)
        housekeeping.end_caretaker()  # one that was suspended just now began another one, which may have woken it up
    fork_server.end()
    stopped += [f"session {name}" for name in sorted(ended)]
    parked_address.leave_ended()
    stopped += [f"what session {name} left" for name in housekeeping.close_dead() if name not in {*ended, *kept}]
    if kept:
        raise SessionNotEnded(" ".join(kept.values()))


def _end_sessions(living: list[SessionDirectory], *, force: bool) -> dict[str, str]:
    """Ask all at once to end, then wait for each; why some go on, by their names."""
    from golem_launcher.errors import SessionNotEnded
    from golem_launcher.session import client
    from golem_launcher.session.on_disk import liveness

    for directory in living:
        with contextlib.suppress(SessionError):  # it is asked again, and killed in the end, just below
            liveness.control(directory, "abort" if force else "stop", **({"force": True} if force else {}))
    kept = {}
    for directory in living:
        try:
            if not force:
                client.await_end(directory)
        except SessionNotEnded as error:
            kept[directory.name] = f"'{directory.name}': {error}"
            continue
        except SessionError:
            pass
        if liveness.alive(directory):
            client.stop(directory.name, force=True)
    return kept


def _suspended() -> list[str]:
    """The sessions that their users may come back to, at links where nobody answers now."""
    from golem_launcher import paths
    from golem_launcher.session.on_disk import parked_address

    return sorted(path.name for path, what in parked_address.everywhere(paths.sessions_directory()) if what.suspended)


def _stop_pages(stopped: list[str]) -> None:
    """Before the network, which a page may bring up again."""
    from golem_launcher.ui.server import run_directory

    for port, process in run_directory.running().items():
        if process.stop(grace=_PAGE_SECONDS):
            stopped.append(f"the page (port {port})")


def _stop_network(stopped: list[str]) -> None:
    from golem_launcher.localnet import network

    if network.down():
        stopped.append("the local network")


def _stop_node(stopped: list[str]) -> None:
    from golem_launcher.node import manager

    node = manager.stop_node()
    if node is not None:
        stopped.append(f"the node (process {node.record.pid})")


def _local_network() -> Check:
    from golem_launcher.localnet import network
    from golem_launcher.node.doctor_check import Check, Verdict

    stage = network.status()["stage"]
    if stage == "broken":
        return Check(_LOCAL, Verdict.WARN, "A part of the local network is gone.", "Run: golem-launcher localnet up")
    if stage != "ready":
        return Check(_LOCAL, Verdict.OK, f"The local network is {stage}.")
    from golem_launcher.localnet import health

    running = network.up()
    try:
        tried = health.check(running)
    except LocalNetError as error:
        return Check(_LOCAL, Verdict.FAIL, error.what, error.remedy)
    if running.chain is None:
        return Check(_LOCAL, Verdict.OK, f"The local network is ready; nothing is settled there. {tried}")
    from golem_launcher.market import wallet

    wallet.check_fees(running.node, LOCAL)
    found = wallet.look(running.node, LOCAL)
    if found.problem:
        return Check(_LOCAL, Verdict.FAIL, found.problem, "See: golem-launcher localnet status")
    has = f"the wallet has {coins(found.amount)} {found.token} and {coins(found.gas)} {found.gas_coin} for fees"
    return Check(_LOCAL, Verdict.OK, f"The local network is ready, it pays {running.chain.words}; {has}.")


def _clock_outside() -> Check:
    """Whether somebody on the internet has the same time."""
    import asyncio

    from golem_launcher.market import golem_web_services
    from golem_launcher.node import clock_check
    from golem_launcher.node.doctor_check import Check, Verdict

    service = replace(golem_web_services.REGISTRY, seconds=_CLOCK_SECONDS)
    try:
        ahead = asyncio.run(golem_web_services.clock_ahead(service))
    except ServiceError as error:
        if any(words in error.what for words in _CERTIFICATE_DATES):
            said = f"To this computer's clock, {service.name} has a certificate of another time."
            return Check(clock_check.NAME, Verdict.WARN, said, "Look at the date; if it is right, try again later.")
        return Check(clock_check.NAME, Verdict.OK, "Nobody on the internet could be asked for the time.")
    if ahead is None:
        return Check(clock_check.NAME, Verdict.OK, f"{service.name} does not say the time.")
    return clock_check.compared(ahead, "the internet's")


def _show_node(*, as_json: bool) -> None:
    from golem_launcher.node import manager, probe

    named, own = manager.named_node(), None
    if named is None:
        own = manager.own_node()
    node: Node | None = named if named is not None else own.node if own is not None else None
    identity = probe.identity(node) if node is not None else None
    if as_json:
        value: dict[str, Any] = {"running": node is not None, "ours": named is None, "identity": identity}
        if node is not None:
            value |= {"api_url": node.api_url, "gsb_url": node.gsb_url}
        if own is not None:
            value |= {"pid": own.record.pid, "data_dir": str(own.data_dir), "log": str(own.log)}
        print_json(value)
    elif node is None:
        say("Our own node is not running; it starts when it is needed.")
    elif own is None:
        say(f"Your node {identity} answers at {node.api_url}.")
    else:
        say(f"Our own node {identity} answers at {node.api_url} (process {own.record.pid}). Its log: {own.log}")
