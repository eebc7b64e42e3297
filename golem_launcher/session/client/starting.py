"""Starts a session: a directory of its own, and the supervisor that owns it from then on."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from golem_launcher import files, paths, processes
from golem_launcher.access.hub import hub_settings
from golem_launcher.errors import SessionError, SessionNameTaken, SessionNotFound
from golem_launcher.events import Stage
from golem_launcher.session.cleanup import name_reuse
from golem_launcher.session.on_disk.directory import SessionDirectory, create_session_directory, session_directory
from golem_launcher.session.on_disk.liveness import (
    SUPERVISOR_FILE,
    alive,
    claimed,
    living,
    state_of,
    supervisor_command,
)
from golem_launcher.session.on_disk.session_paths import BEGUN, sessions_locked
from golem_launcher.session.preparation import preflight
from golem_launcher.session.preparation.inputs import absolute
from golem_launcher.session.saving.saved_work import saves_into
from golem_launcher.session.supervision import becoming, fork_server, loaded_ahead
from golem_launcher.session.suspension import suspension

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from golem_launcher.access.hub.hub_settings import HubSettings
    from golem_launcher.request import LaunchRequest


def start(
    request: LaunchRequest,
    *,
    at_hub: HubSettings | None = None,
    environment: Mapping[str, str] | None = None,
    instead_of: datetime | None = None,
) -> SessionDirectory:
    """Start a session and return at once; its state tells how it goes on.

    ``at_hub``: of the hub whose server it is. ``environment``: its supervisor's, this process's if none is given.
    ``instead_of``: when the suspended session was created of whose budget it has the rest.

    The directory of an ended session of the same name is moved aside; a suspended one's address becomes the new one's,
    where that goes on in its workspace. Raises ``SessionNameTaken`` when the session of that name is alive, or is no
    longer the one that this is to be ``instead_of``, ``SessionError`` when the disk does not take the new one, and
    whatever :func:`golem_launcher.session.preparation.preflight.check` refuses; nothing was started then.
    """
    request = with_absolute_paths(request)
    _check_workspace(request)  # and again below: of two that are started at once, one comes too late
    preflight.check(request)
    try:
        with sessions_locked():
            _check_workspace(request)
            with _in_place(request, at_hub, instead_of) as directory:
                of_own = os.environ if environment is None else environment
                _begin_supervisor(directory, {**becoming.FRUGAL, **of_own, **paths.variables()})
            return directory
    except OSError as error:
        raise SessionError(
            f"The session '{request.name}' could not be started: {error.strerror or error}.",
            f"Check that {paths.home()} can be written to and has room.",
        ) from error


def _begin_supervisor(directory: SessionDirectory, environment: Mapping[str, str]) -> None:
    """Fork it where others run already, else have it be what this command began to load, or start it by its command.

    With a second one, see that others are forked.
    """
    name, log, cwd = directory.name, directory.supervisor_log, directory.path
    record = fork_server.fork(name, environment=environment, log=log, cwd=cwd)
    is_forked = record is not None
    record = record or loaded_ahead.take(name, environment=environment, log=log, cwd=cwd)
    record = record or processes.spawn_detached(supervisor_command(name), env=environment, log=log, cwd=cwd)
    files.write_json(directory.path / SUPERVISOR_FILE, record.to_json())
    if not is_forked and any(other.name != name for other in living()):
        with contextlib.suppress(OSError):  # this one runs
            fork_server.begin(environment)


@contextlib.contextmanager
def _in_place(
    request: LaunchRequest, at_hub: HubSettings | None, instead_of: datetime | None
) -> Iterator[SessionDirectory]:
    """The directory of a new session; what one of its name has left is moved aside, and what it inherits is there.

    It is whole before it has that place, so that who is killed meanwhile leaves a session that can be gone on with: the
    old one, or the new. Where no supervisor comes to run it, whatever the reason, all is as it was.
    """
    name_reuse.mend()  # of somebody who was killed
    if instead_of is not None:
        _check_suspended(request.name, instead_of)
    directory = SessionDirectory(paths.sessions_directory() / request.name)
    before = directory.path.exists()
    if before and alive(directory):
        raise SessionNameTaken(
            f"A session '{request.name}' is alive.",
            f"Choose another --name, or end it: golem-launcher stop {request.name}",
        )
    new = create_session_directory(request, paths.private_directory(paths.sessions_directory() / BEGUN))
    if before and (inherited := suspension.heritage(directory, request)) is not None:
        inherited.give(new)
    if at_hub is not None:
        hub_settings.write(new.path, at_hub)
    if before:
        name_reuse.make_room(directory)
    try:
        new.path.rename(directory.path)
        yield directory
    except BaseException:  # an interrupt too
        if not alive(directory):
            shutil.rmtree(directory.path, ignore_errors=True)
        raise
    finally:
        name_reuse.mend()


def _check_workspace(request: LaunchRequest) -> None:
    """Two sessions that save into one workspace would take turns in undoing each other's work."""
    if request.resume and request.save:
        check_unused(request.workspace, request.store)


def _check_suspended(name: str, created_at: datetime) -> None:
    """Of two that wake up one session, the second would have what was left of its budget before the first."""
    with contextlib.suppress(SessionNotFound):
        directory = session_directory(name)
        if suspension.is_suspended(directory) and directory.state().created_at == created_at:
            return
    raise SessionNameTaken(
        f"The session '{name}' was woken up or ended meanwhile, so it is not known what is left of its budget.",
        f"See: golem-launcher show {name}",
    )


def check_unused(workspace: str, store: str | None) -> None:
    """Raise ``SessionError`` when a living session saves into this workspace."""
    name = claimed(store).get(workspace)
    if name is not None:
        raise SessionError(
            f"The session '{name}' is saving into the workspace '{workspace}'.",
            f"End it first: golem-launcher stop {name}",
        )


def check_name(request: LaunchRequest) -> None:
    """Refuse the name of a session that is over, still listed, and by whose name its saved work is found.

    For whoever types names, before :func:`start`: programs may use theirs again and again. Raises ``SessionNameTaken``
    unless the new session goes on in the same workspace.
    """
    try:
        directory = session_directory(request.name)
        workspace = saves_into(directory)
    except SessionNotFound:
        return
    if workspace is None or alive(directory) or (request.resume and request.workspace == workspace):
        return
    name = request.name
    raise SessionNameTaken(
        f"The session '{name}' is over, and its name leads to its files.",
        f"Go on with them: golem-launcher start --resume {name}. For a new session choose another --name, or take that "
        f"one off the list: golem-launcher remove {name}",
    )


def ending_before(request: LaunchRequest) -> SessionDirectory | None:
    """The session that is just ending and saves the files that this request goes on with; ``None`` if none is.

    Called before a kernel starts a session: that of a notebook that was closed a moment ago may still be saving.
    """
    if not request.resume or not request.save:
        return None
    name = claimed(with_absolute_paths(request).store).get(request.workspace)
    with contextlib.suppress(SessionNotFound):
        directory = session_directory(name) if name is not None else None
        if directory is not None and state_of(directory).stage in {Stage.SAVING, Stage.STOPPING}:
            return directory
    return None


def with_absolute_paths(request: LaunchRequest) -> LaunchRequest:
    """The request with absolute paths, as the supervisor works in a directory of its own."""
    found = {
        "inputs": absolute(request.inputs),
        "outbound_permit": absolute(request.outbound_permit, field="outbound_permit"),
        "store": _absolute_store(request.store),
    }
    return request.model_copy(update=found)


def _absolute_store(store: str | None) -> str | None:
    if store is None or "://" in store:
        return store
    return os.path.abspath(Path(store).expanduser())  # noqa: PTH100 - a link stays a link
