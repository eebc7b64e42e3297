"""The commands ``tunnel``, ``share``, ``gateway`` and ``connect``."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Annotated

import typer

from golem_launcher import own_modules
from golem_launcher.cli.options.completion import session_names
from golem_launcher.cli.options.session import Name, Which  # noqa: TC001 - typer reads them
from golem_launcher.cli.terminal.command_io import Json, print_json, reports_errors, say
from golem_launcher.cli.ways_in.reachable import port_socket, reachable
from golem_launcher.errors import AccessError

Port = Annotated[int, typer.Argument(min=1, max=65535, help="A port of the provider.")]


def add_commands(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.command("tunnel")(reports_errors(tunnel))
    app.command("share")(reports_errors(share))
    app.command("gateway")(reports_errors(gateway))
    app.command("connect")(reports_errors(connect))


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
        join(str(port_socket(directory)), number, port, sys.stdin.fileno(), sys.stdout.fileno())
    except OSError as error:
        raise AccessError(
            f"There is no connection to port {port} of '{name}' any more, or never was.",
            "Is there a program that listens on it?",
        ) from error
    sys.stdout.flush()
    os._exit(0)  # a thread may wait for input for ever
