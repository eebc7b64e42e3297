"""ssh into a session: a host key of our own for each provider, pinned; the settings for OpenSSH's programs.

The provider is told the host key's private half, because it has to show it. So the key proves that ssh speaks with the
machine the session was given to, and with no other; it proves nothing of that machine's honesty.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from golem_launcher import files, own_modules
from golem_launcher.access.sockets.port_socket import open_port, port_socket_path
from golem_launcher.agent.tcp_carrier_protocol import STATUS_PORT
from golem_launcher.errors import AccessError
from golem_launcher.untrusted_json import json_value
from golem_launcher.waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from golem_launcher.workload.base import Endpoint

LARGEST_STATUS = 4096
KNOWN_HOSTS = "known_hosts"
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9._-]{0,31}")
_FIRST_PORT, _LAST_PORT = 1, 65535
_STATUS_SECONDS = 10.0


def known_hosts(directory: Path, machine: int) -> Path:
    """Where the public host key of one of a session's machines is kept."""
    return directory / (KNOWN_HOSTS if machine == 1 else f"{KNOWN_HOSTS}.{machine}")


def new_host_key(directory: Path, name: str, machine: int = 1) -> str:
    """A fresh host key for the provider that is to be a machine of the session ``name``, in OpenSSH's form.

    Its public half replaces what that machine's ``known_hosts`` held before.
    """
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    line = f"{host_alias(name, machine)} {public.decode()}\n"
    files.write_atomic(known_hosts(directory, machine), line.encode())
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    ).decode()


def host_alias(name: str, machine: int = 1) -> str:
    """The host by which ssh knows a machine of the session ``name``."""
    return f"golem-{name}" if machine == 1 else f"golem-{name}.{machine}"  # no session's name has a dot


@dataclass(frozen=True)
class SshServer:
    """The ssh server at a machine, by what its agent says of it."""

    user: str
    port: int

    @staticmethod
    def told(data: bytes) -> SshServer:
        """Read what an agent says, a stranger. Raises ``AccessError`` when there is no server."""
        try:
            value = json_value(data)
            kind, user, port = value["ssh"], value["user"], value["port"]
        except (ValueError, KeyError, TypeError):
            raise AccessError("The provider does not tell whether it has an ssh server.") from None
        if kind == "starting":
            raise AccessError("The ssh server is starting.", "Try again in a moment.")
        if not isinstance(kind, str) or kind not in {"sshd", "python"}:
            raise AccessError(
                "There is no ssh server in this session.",
                "Start it with --ssh-key and an image that has OpenSSH or Python's asyncssh; its log says more.",
            )
        if not isinstance(user, str) or not _USER.fullmatch(user):
            raise AccessError("The provider tells a user name that can't be one.")
        if isinstance(port, bool) or not isinstance(port, int) or not _FIRST_PORT <= port <= _LAST_PORT:
            raise AccessError("The provider tells a port that can't be one.")
        return SshServer(user, port)


async def ask(socket_path: Path, machine: int = 1) -> SshServer:
    """The ssh server of a machine behind a session's port socket, as its agent tells. Raises ``AccessError``."""
    try:
        return SshServer.told(await wait_for(_read_status(socket_path, machine), _STATUS_SECONDS))
    except (TimeoutError, OSError):
        raise AccessError("The provider does not answer.", "Try again in a moment.") from None


async def _read_status(socket_path: Path, machine: int) -> bytes:
    reader, writer = await open_port(socket_path, STATUS_PORT, machine)
    try:
        return await reader.read(LARGEST_STATUS)
    finally:
        writer.close()


def settings_for(directory: Path, name: str, server: SshServer, machine: int = 1) -> dict[str, str]:
    """Ssh's options for a machine of the session ``name`` with this ``directory``, by way of the launcher."""
    proxy = our_proxy(port_socket_path(directory), server.port, machine)
    return options(directory, name, server, proxy=proxy, machine=machine)


def options(directory: Path, name: str, server: SshServer, *, proxy: str, machine: int = 1) -> dict[str, str]:
    """Ssh's options for a machine of the session ``name``, by the names of its configuration file."""
    return {
        "HostName": host_alias(name, machine),
        "User": server.user,
        "Port": str(server.port),
        "ProxyCommand": proxy,
        "HostKeyAlias": host_alias(name, machine),
        "UserKnownHostsFile": _quoted(str(known_hosts(directory, machine))),
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "CheckHostIP": "no",
        "PasswordAuthentication": "no",
        "ForwardAgent": "no",
        "ForwardX11": "no",
        "ServerAliveInterval": "30",
        "ServerAliveCountMax": "4",
    }


def config(name: str, settings: dict[str, str], machine: int = 1) -> str:
    """A section of ``~/.ssh/config``."""
    return f"Host {host_alias(name, machine)}\n" + "".join(f"    {key} {value}\n" for key, value in settings.items())


def lines(
    settings: dict[str, str],
    name: str,
    server: SshServer,
    socket_path: Path,
    *,
    endpoint: Endpoint | None,
    machine: int = 1,
) -> dict[str, str]:
    """Working lines for a terminal, by the launcher and by websocat: ``endpoint`` on the same port of this computer.

    Where what runs there listens nowhere, they open a shell.
    """
    forward = ["ssh", "-N", "-L", f"{endpoint.port}:localhost:{endpoint.port}"] if endpoint is not None else ["ssh"]
    by_websocat = {**settings, "ProxyCommand": websocat_proxy(socket_path, server.port, machine)}
    host = host_alias(name, machine)
    return {
        "command": shlex.join([*forward, *arguments(settings), host]),
        "websocat": shlex.join([*forward, *arguments(by_websocat), host]),
    }


def arguments(settings: dict[str, str]) -> list[str]:
    """These settings as arguments of ``ssh``."""
    return [part for key, value in settings.items() for part in ("-o", f"{key}={value}")]


def our_proxy(socket_path: Path, port: int, machine: int = 1) -> str:
    """A ``ProxyCommand`` by the launcher itself. It names no secret."""
    return _percent(
        shlex.join(
            own_modules.command("golem_launcher.access.ssh_proxy_command", str(socket_path), str(machine), str(port))
        )
    )


def websocat_proxy(socket_path: Path, port: int, machine: int = 1) -> str:
    """A ``ProxyCommand`` by websocat, straight to the session's port socket."""
    pipe = f"(echo {machine} {port}; exec cat) | websocat -b - unix:{shlex.quote(str(socket_path))}"
    return _percent(shlex.join(["sh", "-c", pipe]))


def _percent(command: str) -> str:
    """Ssh replaces what follows a per cent sign."""
    return command.replace("%", "%%")


def _quoted(path: str) -> str:
    return f'"{_percent(path)}"' if " " in path else _percent(path)
