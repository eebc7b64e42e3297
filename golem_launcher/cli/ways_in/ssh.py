"""The commands ``ssh`` and ``ssh-config``."""

from __future__ import annotations

import itertools
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from golem_launcher.cli.options.session import Name, Which  # noqa: TC001 - typer reads them
from golem_launcher.cli.terminal.command_io import Json, print_json, reports_errors
from golem_launcher.cli.ways_in.reachable import port_socket, reachable
from golem_launcher.errors import AccessError

if TYPE_CHECKING:
    from golem_launcher.access.ssh import SshServer


def add_commands(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.command("ssh", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})(
        reports_errors(ssh)
    )
    app.command("ssh-config")(reports_errors(ssh_config))


def ssh(
    name: Name,
    command: Annotated[list[str] | None, typer.Argument(help="What to run there; a shell when left out.")] = None,
    *,
    machine: Which = None,
) -> None:
    """Open a shell in a session by ssh, or run a command there.

    The session must have been started with a public key. The private one is looked for in ~/.ssh, whatever its name,
    and by ssh itself in an agent; another is named by -i.
    Its own options follow the name, after --machine when that is said there.

    Examples:
    golem-launcher ssh my-lab
    golem-launcher ssh my-lab nvidia-smi
    golem-launcher ssh my-lab --machine 2
    golem-launcher ssh my-lab -i ~/.ssh/my-key -L 6006:localhost:6006
    """
    from golem_launcher.access import ssh as access

    program = shutil.which("ssh")
    if program is None:
        raise AccessError("There is no ssh on this computer.", "Install OpenSSH's client.")
    after_name, words = _leading_machine(command or [])
    settings, _, number = _ssh_settings(name, after_name or machine)
    host = access.host_alias(name, number)
    words = _with_key(name, words)
    sys.stdout.flush()
    os.execv(program, [program, *access.arguments(settings), host, *words])  # noqa: S606


def _with_key(name: str, words: list[str]) -> list[str]:
    """Ssh's words with the key that the session takes, where ssh would not try that by itself; else who is let in."""
    from golem_launcher.access import user_ssh_keys
    from golem_launcher.session.on_disk.directory import session_directory

    public = session_directory(name).request().ssh_key
    if public is None:
        return words
    named = [Path(after).expanduser() for word, after in itertools.pairwise(words) if word == "-i"]
    found = user_ssh_keys.find(public)
    use = f"Use: golem-launcher ssh {name} -i {found.path}" if found is not None else "Name its file by -i FILE."
    if any(user_ssh_keys.is_other(public, path) for path in named):
        typer.echo(
            f"'{name}' lets in the key {user_ssh_keys.short(public)}, and {named[0]} is another. {use}", err=True
        )
    elif not named and found is None and not os.environ.get("SSH_AUTH_SOCK"):
        typer.echo(f"'{name}' lets in the key {user_ssh_keys.short(public)}, which is not in ~/.ssh. {use}", err=True)
    elif not named and found is not None and not found.usual:
        return ["-i", str(found.path), *words]
    return words


def _leading_machine(words: list[str]) -> tuple[str | None, list[str]]:
    """The machine that is named right after the session, as other commands have it, and what is left for ssh.

    ssh itself has no option that begins with two dashes.
    """
    match words:
        case ["--machine", which, *rest]:
            return which, rest
        case [first, *rest] if first.startswith("--machine="):
            return first.removeprefix("--machine="), rest
    return None, words


def ssh_config(
    name: Name,
    *,
    machine: Which = None,
    as_json: Json = False,
) -> None:
    """Print what goes into ~/.ssh/config, so that ssh, scp, sftp, rsync and VS Code know the session.

    With the lines in place: ssh golem-NAME, rsync -a data golem-NAME:, code --remote ssh-remote+golem-NAME.

    Examples:
    golem-launcher ssh-config my-lab >> ~/.ssh/config
    golem-launcher ssh-config my-lab --json
    """
    from golem_launcher.access import ssh as access

    settings, server, number = _ssh_settings(name, machine)
    if as_json:
        directory, _ = reachable(name, machine)
        first = directory.workload().first
        lines = access.lines(settings, name, server, port_socket(directory), endpoint=first, machine=number)
        print_json({"host": access.host_alias(name, number), "options": settings, **lines})
    else:
        typer.echo(access.config(name, settings, number), nl=False)


def _ssh_settings(name: str, machine: str | None) -> tuple[dict[str, str], SshServer, int]:
    import asyncio

    from golem_launcher.access import ssh as access

    directory, number = reachable(name, machine)
    server = asyncio.run(access.ask(port_socket(directory), number))
    return access.settings_for(directory.path, name, server, number), server, number
