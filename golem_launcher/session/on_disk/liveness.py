"""Which sessions have a supervisor that lives, what it answers, and which workspaces are theirs. Everything blocks.

Whoever looks at sessions from outside asks here: commands, pages, and a supervisor about the others. The models of what
a session tells are loaded where they are needed: who only asks whether one lives has an answer sooner.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from golem_launcher import files, own_modules, paths, processes
from golem_launcher.errors import SessionDamaged, SessionError, SupervisorSilent
from golem_launcher.session import timeouts
from golem_launcher.session.on_disk import orphaned, parked_address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from golem_launcher.session.on_disk.directory import SessionDirectory
    from golem_launcher.session.on_disk.session_paths import SessionPaths
    from golem_launcher.session_state import SessionState

SUPERVISOR_FILE = "supervisor.json"
"""In a session's directory: the process that owns it."""
FORK_SERVER = "golem_launcher.session.supervision.fork_server"
"""The program that forks supervisors; what it forked keeps its command."""
LOADED_AHEAD = "golem_launcher.session.supervision.loaded_ahead"
"""The program that becomes the supervisor of the session that a command starts; it keeps its command."""
SUSPENDED = "suspended"
"""The stage, where its class is not loaded."""
SILENT = "Its supervisor on this computer does not answer."
SQUATTED = (
    "Another program has its address, so don't open its bookmark. By another address it goes on: "
    "golem-launcher wake {name}"
)


def alive(directory: SessionPaths) -> bool:
    """Whether the session's supervisor lives, by its process. Blocking, for a moment."""
    record = supervisor(directory)
    return record is not None and record.alive()


def living() -> Iterator[SessionDirectory]:
    """The sessions whose supervisors live, the newest first. What is settled is not looked at."""
    from golem_launcher.session.on_disk.directory import unsettled_directories  # noqa: PLC0415 - see above

    return filter(alive, unsettled_directories())


def state_of(directory: SessionDirectory) -> SessionState:
    """The state of a session as its supervisor tells it, whatever its file says; the file's where none answers.

    A supervisor that lives and does not answer is told as its ``trouble``, as is one that ends unless somebody goes on
    with it, and that another program has the address of a suspended one. Raises as ``SessionDirectory.state`` does.
    """
    from pydantic import ValidationError  # noqa: PLC0415 - see above

    from golem_launcher.session_state import SessionState  # noqa: PLC0415 - likewise

    if not alive(directory):
        state = directory.state()
        is_squatted = state.stage == SUSPENDED and parked_address.is_squatted(directory.path)
        return state.model_copy(update={"trouble": SQUATTED.format(name=state.name)}) if is_squatted else state
    try:
        state = SessionState.model_validate(control(directory, "state").get("state"))
    except SupervisorSilent:
        return directory.state().model_copy(update={"trouble": SILENT})
    except (SessionError, ValidationError):  # it begins, or ends
        return directory.state()
    return state if state.trouble else state.model_copy(update={"trouble": orphaned.words(directory)})


def control(
    directory: SessionPaths, command: str, *, deadline: float = timeouts.ANSWER, **arguments: Any
) -> dict[str, Any]:
    """Send one command to the supervisor and wait ``deadline`` seconds for its answer.

    Raises ``SessionError``, with the supervisor's own words when it refused, ``SupervisorSilent`` when it says nothing.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(deadline)
            connection.connect(str(directory.control_socket))
            connection.sendall(json.dumps({"command": command, "arguments": arguments}, default=str).encode() + b"\n")
            with connection.makefile("rb") as answers:
                answer = dict(json.loads(answers.readline()))
    except TimeoutError:
        raise SupervisorSilent(
            f"The supervisor of '{directory.name}' did not answer within {deadline:.0f} s.", "Try again in a moment."
        ) from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "its answer broke off"
        raise SessionError(f"The supervisor of '{directory.name}' does not answer: {why}.") from error
    if not answer.pop("ok", False):
        raise SessionError(str(answer.get("what")), str(answer.get("remedy", "")))
    return answer


def strays() -> dict[str, processes.ProcessRecord]:
    """Supervisors whose directories are gone, by the names of their sessions."""
    above = paths.sessions_directory()
    return {name: record for name, record in _supervisors().items() if not (above / name / SUPERVISOR_FILE).exists()}


def claimed(store: str | None) -> dict[str, str]:
    """The workspaces of a store into which living sessions save, or are about to, and the names of those sessions."""
    found = {}
    place = place_of(store)
    for directory in living():
        state = state_of(directory)
        if state.stage.final:
            continue
        # In the state once its store was opened, a second or so after its start.
        workspace = None if state.saving is None else state.saving.workspace
        with contextlib.suppress(SessionDamaged):  # then it may be in any store
            request = directory.request()
            if not request.save or place_of(request.store) != place:
                continue
            workspace = workspace or request.workspace
        if workspace is not None:
            found[workspace] = directory.name
    return found


def supervisor(directory: SessionPaths) -> processes.ProcessRecord | None:
    """Its process; looked for among all where what was written down of it can't be read."""
    record = processes.ProcessRecord.from_json(files.read_json(directory.path / SUPERVISOR_FILE))
    return record or _supervisors().get(directory.name)


def _supervisors() -> dict[str, processes.ProcessRecord]:
    """All that run, by the names of their sessions; the slow way, for where what was written down is lost."""
    _, *arguments, _ = supervisor_command("")
    of_others = [own_modules.command(module)[1:] for module in (FORK_SERVER, LOADED_AHEAD)]
    home = (paths.HOME_VARIABLE, str(paths.home()))
    return processes.ProcessRecord.named(arguments, home, or_of=of_others)


def supervisor_command(name: str) -> list[str]:
    """What runs the supervisor of the session ``name``."""
    return own_modules.command("golem_launcher.session.supervision.supervisor", name)


def place_of(store: str | None) -> str:
    """Where a store lies, however its address is written."""
    address = str(paths.home() / "workspaces") if store is None else store.removeprefix("file://")
    return address.rstrip("/") if "://" in address else os.path.realpath(Path(address).expanduser())
