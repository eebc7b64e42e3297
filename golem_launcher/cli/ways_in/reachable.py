"""The session that a way in leads to: its directory, its machine, its port socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from golem_launcher.cli.options.session import number_of
from golem_launcher.errors import AccessError
from golem_launcher.events import Stage

if TYPE_CHECKING:
    from pathlib import Path

    from golem_launcher.session.on_disk.directory import SessionDirectory


def reachable(name: str, machine: str | None = None) -> tuple[SessionDirectory, int]:
    """The session's directory, and the machine's number. Raises ``LauncherError`` when there is no way to it now."""
    from golem_launcher.session.on_disk.directory import session_directory

    directory = session_directory(name)
    state = directory.state()
    if state.started_at is None or not port_socket(directory).exists():
        raise AccessError(
            f"There is no way into '{name}': the session is {state.stage.value}.",
            f"Go on with it: golem-launcher start --resume {name}" if state.stage.final else "Wait until it is ready.",
        )
    number = number_of(state, machine)
    if number != 1 and state.machines[number - 1].stage is not Stage.READY:
        stage = state.machines[number - 1].stage.value
        raise AccessError(f"There is no way to machine {number} of '{name}': it is {stage}.", "Wait until it is ready.")
    return directory, number


def port_socket(directory: SessionDirectory) -> Path:
    """The unix socket of its supervisor that leads to every port of its machines; not there while none runs."""
    from golem_launcher.access.sockets.port_socket import port_socket_path

    return port_socket_path(directory.path)
