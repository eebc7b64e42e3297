"""The commands ``tunnel``, ``share``, ``connect``, ``ssh``, ``ssh-config`` and ``gateway``."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from golem_launcher import own_modules
from golem_launcher.cli.command_io import Json, print_json, reports_errors, say
from golem_launcher.cli.completion import session_names
from golem_launcher.cli.machine_option import Which, number_of
from golem_launcher.errors import AccessError
from golem_launcher.events import Stage

if TYPE_CHECKING:
    from golem_launcher.access.ssh import SshServer
    from golem_launcher.session.on_disk.directory import SessionDirectory

Name = Annotated[
    str, typer.Argument(help="The session's name; see `golem-launcher list`.", autocompletion=session_names)
]
Port = Annotated[int, typer.Argument(min=1, max=65535, help="A port of the provider.")]


def add_commands(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.command("tunnel")(reports_errors(tunnel))
    app.command("share")(reports_errors(share))
    app.command("gateway")(reports_errors(gateway))
    app.command("connect")(reports_errors(connect))
    app.command("ssh", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})(
        reports_errors(ssh)
    )
    app.command("ssh-config")(reports_errors(ssh_config))


def tunnel(
    name: Annotated[
        str,
        typer.Argument(
            help="The session's name, or the address of a hub's server it runs on.", autocompletion=session_names
        ),
    ],
    *,
    port: Annotated[int, typer.Option(min=0, max=65535, help="On this computer; 0 takes a free one.")] = 8888,
    remote_port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="In the provider, like a TensorBoard's; the workload's if not given."),
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option(help="An endpoint of the workload's, by its name; the first if not given.")
    ] = None,
    machine: Which = None,
    session: Annotated[str | None, typer.Option(help="With a hub's address: the session's name there.")] = None,
    listen: Annotated[
        str | None, typer.Option(help="LETS OTHER MACHINES IN: an address or name of this computer to listen on (TLS).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Lead a port of this computer to the session's provider, until Ctrl-C.

    It listens on a loopback address of the session's own. A port other than JupyterLab's is for your programs alone:
    those of other users of this computer are turned away.

    Examples:
    golem-launcher tunnel my-lab
    golem-launcher tunnel my-lab --port 6006 --remote-port 6006
    golem-launcher tunnel my-lab --machine 2 --port 8889
    golem-launcher tunnel https://hub.example.org/user/me/ --session my-lab
    """
    import asyncio

    from golem_launcher.access import tunnels

    if "://" not in name:
        directory, number = reachable(name, machine)
        way = tunnels.through_port_socket(directory, number)
        if number != 1:
            name = f"{name}.{number}"  # an address of its own, as no session's name has a dot
    elif machine is not None:
        raise AccessError("From a hub's server leads a way to the first machine alone.", "Leave out --machine.")
    elif session is None:
        raise AccessError("A hub's server may have several sessions.", "Name one with --session.")
    else:
        way, name = tunnels.through_hub(name, session, _hub_token()), session
    asked = tunnels.RequestedTunnel(port=port, remote_port=remote_port, endpoint=endpoint, listen=listen)

    def ready(opened: tunnels.Opened) -> None:
        if as_json:
            print_json({"name": name, **opened.to_json()})
        else:
            say(opened.sentence(name))
        sys.stdout.flush()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(tunnels.open_until_told(way, name, asked, ready))


def _hub_token() -> str:
    """The token for a hub's server: from the environment, or typed; never an argument, which others could see."""
    found = os.environ.get("JUPYTERHUB_API_TOKEN") or os.environ.get("JUPYTER_TOKEN")
    return found or str(typer.prompt("Token of the hub's server", hide_input=True))


def share(
    name: Name,
    *,
    off: Annotated[bool, typer.Option("--off", help="Revoke the link: it opens nothing any more.")] = False,
    as_json: Json = False,
) -> None:
    """Let others see a session's notebooks, by a link with which they can do nothing else.

    They see notebooks with their outputs, texts in Markdown and pictures, as they change, and run, change or read
    nothing beyond that. The link goes on when the session moves, and ends with it. It leads to this computer: from
    another one it is reached through ssh, see docs/ways-in.md.

    Examples:
    golem-launcher share my-lab
    golem-launcher share my-lab --off
    """
    from golem_launcher.session import client

    if off:
        was = client.unshare(name)
        if as_json:
            print_json({"name": name, "view_only_url": None, "revoked": was})
        else:
            say(f"The view-only link of '{name}' is revoked." if was else f"'{name}' has no view-only link.")
        return
    url = client.share(name)
    if as_json:
        print_json({"name": name, "view_only_url": url})
        return
    say(url)
    typer.echo(
        f"Whoever has this link sees the notebooks, texts and pictures of '{name}', and can do nothing else. "
        f"Revoke it: golem-launcher share {name} --off",
        err=True,
    )


def gateway(
    name: Name,
    *,
    run: Annotated[bool, typer.Option("--run", help="Start it, with the arguments after --.")] = False,
    arguments: Annotated[list[str] | None, typer.Argument(help="For JupyterLab.")] = None,
    as_json: Json = False,
) -> None:
    """Use a session's kernels from Jupyter's programs on this computer: their files here, their computing there.

    Prints an address at which they need no token. It is for programs of your own user alone, browsers excepted, and
    lasts as long as the session.

    Examples:
    golem-launcher gateway my-lab
    golem-launcher gateway my-lab --run -- --port 9999
    JUPYTER_GATEWAY_URL=$(golem-launcher gateway my-lab --json | jq -r .url) python my-notebooks.py
    """
    from golem_launcher.session.on_disk import liveness

    address = str(liveness.control(reachable(name)[0], "gateway")["address"])
    if run:
        sys.stdout.flush()
        os.execv(sys.executable, own_modules.command("jupyterlab", "--gateway-url", address, *(arguments or [])))  # noqa: S606
    if as_json:
        print_json({"name": name, "url": address})
    else:
        say(f"jupyter lab --gateway-url {address}")


def connect(name: Name, port: Port, *, machine: Which = None) -> None:
    """Join standard input and output to a port of the session's provider, as ssh's ProxyCommand wants it.

    Examples:
    golem-launcher connect my-lab 5432
    golem-launcher connect my-lab 5432 --machine 2
    ssh -o ProxyCommand='golem-launcher connect my-lab %p' …
    """
    from golem_launcher.access.ssh_proxy_command import join

    directory, number = reachable(name, machine)
    try:
        join(str(_port_socket(directory)), number, port, sys.stdin.fileno(), sys.stdout.fileno())
    except OSError as error:
        raise AccessError(
            f"There is no connection to port {port} of '{name}' any more, or never was.",
            "Is there a program that listens on it?",
        ) from error
    sys.stdout.flush()
    os._exit(0)  # a thread may wait for input for ever


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
        lines = access.lines(settings, name, server, _port_socket(directory), endpoint=first, machine=number)
        print_json({"host": access.host_alias(name, number), "options": settings, **lines})
    else:
        typer.echo(access.config(name, settings, number), nl=False)


def _ssh_settings(name: str, machine: str | None) -> tuple[dict[str, str], SshServer, int]:
    import asyncio

    from golem_launcher.access import ssh as access

    directory, number = reachable(name, machine)
    server = asyncio.run(access.ask(_port_socket(directory), number))
    return access.settings_for(directory.path, name, server, number), server, number


def _port_socket(directory: SessionDirectory) -> Path:
    from golem_launcher.access.sockets.port_socket import port_socket_path

    return port_socket_path(directory.path)


def reachable(name: str, machine: str | None = None) -> tuple[SessionDirectory, int]:
    """The session's directory, and the machine's number. Raises ``LauncherError`` when there is no way to it now."""
    from golem_launcher.session.on_disk.directory import session_directory

    directory = session_directory(name)
    state = directory.state()
    if state.started_at is None or not _port_socket(directory).exists():
        raise AccessError(
            f"There is no way into '{name}': the session is {state.stage.value}.",
            f"Go on with it: golem-launcher start --resume {name}" if state.stage.final else "Wait until it is ready.",
        )
    number = number_of(state, machine)
    if number != 1 and state.machines[number - 1].stage is not Stage.READY:
        stage = state.machines[number - 1].stage.value
        raise AccessError(f"There is no way to machine {number} of '{name}': it is {stage}.", "Wait until it is ready.")
    return directory, number
