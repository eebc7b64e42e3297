"""What page, commands and Python do with sessions. Everything here blocks: call it from a thread where a loop runs.

Nobody here holds a session: its supervisor does. These functions start supervisors, talk to them, and close down
what dead ones left behind.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from golem_launcher import files, paths, peers, processes
from golem_launcher.access import hub_settings
from golem_launcher.errors import (
    LauncherError,
    SessionDamaged,
    SessionError,
    SessionKept,
    SessionNameTaken,
    SessionNotFound,
)
from golem_launcher.events import Stage
from golem_launcher.rental.payment.journal import FILE, Journal
from golem_launcher.request.another_machine import on_another_machine
from golem_launcher.session import caretaker, leftovers, parked, preflight, suspension, timeouts, trash
from golem_launcher.session.directory import (
    SessionDirectory,
    create_session_directory,
    session_directories,
    session_directory,
)
from golem_launcher.session.inputs import absolute
from golem_launcher.session.liveness import (
    SUPERVISOR_FILE,
    alive,
    claimed,
    control,
    state_of,
    strays,
    supervisor,
    supervisor_command,
)
from golem_launcher.session.saved_work import saves_into

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from golem_launcher.access.hub_settings import HubSettings
    from golem_launcher.session_state import ClusterState, MoveState, Saving, SessionState
    from golem_launcher.market.benchmark import Benchmark
    from golem_launcher.market.quote import Quote
    from golem_launcher.request import LaunchRequest
    from golem_launcher.session.suspension import Heritage

_POLL_SECONDS = 0.05
_START_LOCK_SECONDS = 20.0
_KILL_GRACE_SECONDS = 3.0
_RECALL_SECONDS = 10.0
_LOCK = ".lock"
_HOUR = 3600
FRUGAL = {"MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072"}
"""Has glibc give memory back after each chunk of a save: without it, threads hold on to three times as much."""


def start(
    request: LaunchRequest,
    *,
    at_hub: HubSettings | None = None,
    environment: Mapping[str, str] | None = None,
) -> SessionDirectory:
    """Start a session and return at once; its state tells how it goes on.

    ``at_hub``: of the hub whose server it is. ``environment``: its supervisor's, this process's if none is given.

    The directory of an ended session of the same name is moved aside; a suspended one's address becomes the new one's,
    where that goes on in its workspace. Raises ``SessionNameTaken`` when the session
    of that name is alive, ``SessionError`` when the disk does not take the new one, and whatever
    :func:`golem_launcher.session.preflight.check` refuses; nothing was started then.
    """
    request = settled(request)
    _check_workspace(request)  # and again below: of two that are started at once, one comes too late
    preflight.check(request)
    try:
        with files.locked(paths.sessions_directory() / _LOCK, deadline=_START_LOCK_SECONDS):
            _check_workspace(request)
            with _room_for(request) as inherited:
                directory = create_session_directory(request)
                if inherited is not None:
                    inherited.give(directory)
                if at_hub is not None:
                    hub_settings.write(directory.path, at_hub)
                record = processes.spawn_detached(
                    supervisor_command(request.name),
                    env={**FRUGAL, **(os.environ if environment is None else environment), **paths.variables()},
                    log=directory.supervisor_log,
                    cwd=directory.path,
                )
                files.write_json(directory.path / SUPERVISOR_FILE, record.to_json())
            return directory
    except OSError as error:
        raise SessionError(
            f"The session '{request.name}' could not be started: {error.strerror or error}.",
            f"Check that {paths.home()} can be written to and has room.",
        ) from error


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


def settled(request: LaunchRequest) -> LaunchRequest:
    """The request with absolute paths, as the supervisor works in a directory of its own."""
    settled = {
        "inputs": absolute(request.inputs),
        "outbound_permit": absolute(request.outbound_permit, field="outbound_permit"),
        "store": _absolute_store(request.store),
    }
    return request.model_copy(update=settled)


def saving_of(directory: SessionDirectory) -> Saving:
    """How the saves of a session stand. Raises ``SessionError`` when there are none, or it is not known of any."""
    saving = directory.state().saving
    if saving is not None and saving.generation is not None:
        return saving
    if directory.written_state() is None:
        raise SessionDamaged(
            f"The state of the session '{directory.name}' is damaged, so it is not known where it was saved.",
            "Look for it: golem-launcher workspaces",
        )
    raise SessionError(f"Nothing of the session '{directory.name}' is saved.")


def find(name: str, seconds: float = _RECALL_SECONDS) -> SessionDirectory:
    """The session ``name``, also when its directory was taken from under its supervisor, which makes it again then.

    Raises ``SessionNotFound``, and ``SessionError`` when that does not come within ``seconds``.
    """
    with contextlib.suppress(SessionNotFound):
        return session_directory(name)
    end = time.monotonic() + seconds
    while name in strays():
        if time.monotonic() > end:
            raise SessionError(
                f"The session '{name}' runs, but its directory is gone and can't be made again.",
                f"Check that {paths.sessions_directory()} can be written to. A signal ends it: "
                f"kill {strays()[name].pid}",
            )
        time.sleep(_POLL_SECONDS)
    return session_directory(name)


def recall(seconds: float = _RECALL_SECONDS) -> dict[str, processes.ProcessRecord]:
    """Wait until supervisors whose directories were deleted have made them again; those that have not, by name."""
    end = time.monotonic() + seconds
    while (left := strays()) and time.monotonic() < end:
        time.sleep(_POLL_SECONDS)
    return left


def damaged(directory: SessionDirectory) -> list[str]:
    """Which of a session's files can't be read; what is missing since it was only begun is not damaged."""
    found = []
    if directory.written_state() is None:
        found.append("state.json")
    try:
        directory.request()
    except SessionDamaged:
        found.append("request.json")
    if (directory.path / FILE).exists() and Journal.read(directory.path) is None:
        found.append(FILE)
    written = files.read_json(directory.path / SUPERVISOR_FILE)
    if (directory.path / SUPERVISOR_FILE).exists() and processes.ProcessRecord.from_json(written) is None:
        found.append(SUPERVISOR_FILE)
    return found


def stop(name: str, *, force: bool = False, seconds: float = timeouts.WAIT_FOR_END) -> SessionState:
    """End a session and wait for its end; its last state. ``force`` skips what takes time and kills what hangs.

    Stopping a session that has ended does nothing but mend its state, where that is damaged; a suspended one can't be
    woken up any more. Raises
    ``SessionNotFound``, ``SessionKept`` when it goes on because something is not saved, and ``SessionError`` when it
    does not end in time.
    """
    directory = find(name)
    death = leftovers.DIED
    while not _stays_over(directory):
        death = _end(directory, seconds, force=force)
    leftovers.close(directory, start_node=True, death=death)
    if directory.written_state() is None:
        directory.write_state(directory.state())
    return directory.state()


def _stays_over(directory: SessionDirectory) -> bool:
    """Whether no supervisor lives, and none is begun any more by a visit to its address."""
    with files.locked(paths.sessions_directory() / _LOCK, deadline=_START_LOCK_SECONDS):  # it is not half woken up
        over = not alive(directory)
        if over:
            suspension.give_up(directory)
        return over


def _end(directory: SessionDirectory, seconds: float, *, force: bool) -> leftovers.Death:
    """Have a living supervisor end; how it is told of the session where that was not over then."""
    if not force:
        _ask_for_end(directory, "stop", seconds)
        await_end(directory, seconds)
        return leftovers.DIED
    _ask_for_end(directory, "abort", timeouts.SILENCE, force=True)
    if _ends_by_itself(directory):
        return leftovers.DIED
    _kill(directory)
    if alive(directory):
        raise SessionError(f"The session '{directory.name}' can't be killed.", f"See {directory.supervisor_log}.")
    return leftovers.KILLED


def ask_to_stop(directory: SessionDirectory, seconds: float) -> None:
    """Ask a session to save and end, and don't wait for that. ``seconds``: for the supervisor to hear of it at most."""
    _ask_for_end(directory, "stop", seconds)


def _ask_for_end(directory: SessionDirectory, command: str, seconds: float, **arguments: Any) -> None:
    """Have the supervisor hear it, also one that was started a moment ago and does not listen yet."""
    end = time.monotonic() + seconds
    while alive(directory):
        try:
            control(directory, command, **arguments)
        except SessionError as error:
            if isinstance(error.__cause__, OSError) and time.monotonic() < end:
                time.sleep(_POLL_SECONDS)
                continue
        return


def await_end(directory: SessionDirectory, seconds: float = timeouts.WAIT_FOR_END) -> None:
    """Wait for the end that was asked for. Raises ``SessionKept`` when the session goes on all the same.

    That is when something of it can't be saved; the error says what, and what can be done. Raises ``SessionError``
    when the end does not come in time.
    """
    end = time.monotonic() + seconds
    while alive(directory):
        if kept := directory.state().kept:
            raise SessionKept(kept)
        if time.monotonic() > end:
            raise SessionError(
                f"The session '{directory.name}' did not end within {seconds:.0f} s.",
                f"golem-launcher stop {directory.name} --force",
            )
        time.sleep(_POLL_SECONDS)


def extend(name: str, *, hours: Decimal | str = "0", budget: Decimal | str = "0") -> SessionState:
    """Give a session ``hours`` and ``budget`` (in the network's coin) more; its new state.

    Raises ``SessionError`` when it can't be.
    """
    directory = _running(name)
    control(directory, "extend", deadline=timeouts.WAIT_FOR_EXTEND, hours=str(hours), budget=str(budget))
    return directory.state()


def quote_of_move(name: str, changes: dict[str, Any]) -> Quote:
    """What another machine would cost a session for the rest of its time; the present provider's is none of them.

    ``changes`` are as for :func:`move`. Raises ``LauncherError``.
    """
    from golem_launcher.market.quote import quote  # noqa: PLC0415 - most commands need none
    from golem_launcher.session import market_look  # noqa: PLC0415 - likewise

    directory = _running(name)
    state = directory.state()
    wanted = on_another_machine(directory.request(), changes)
    left = (state.deadline - datetime.now(UTC)).total_seconds() / _HOUR if state.deadline else float(wanted.hours)
    present = (state.head.provider_id,) if state.head.provider_id else ()
    of_now = {
        "hours": Decimal(str(round(max(left, 0.0), 6))),
        "budget": max(state.budget - state.cost, Decimal(0)),
        "deny": (*wanted.deny, *present),
    }
    wanted = wanted.model_copy(update=of_now)
    return quote(wanted, market_look.look(wanted))


def move(name: str, changes: dict[str, Any], *, now: bool = False) -> int:
    """Have a session go on at another machine: its request with ``changes``, untyped values by field.

    ``now``: whatever runs at the present one. Which of its moves it is: the session's state tells how that goes on.
    Raises ``LauncherError``, and all goes on as before.
    """
    directory = _running(name)
    on_another_machine(directory.request(), changes)  # what is wrong is said by this side, too
    number: int = control(directory, "move", deadline=timeouts.ANSWER, changes=changes, now=now)["number"]
    return number


def borrow(name: str, changes: dict[str, Any], seconds: float) -> int | None:
    """Have a session at a machine with a GPU, as ``changes`` of its request say, for so long after the last such call.

    Which of its moves leads there, as of :func:`move`; ``None`` where it is there. Raises ``LauncherError``.
    """
    directory = _running(name)
    on_another_machine(directory.request(), changes)  # what is wrong is said by this side, too
    answer = control(directory, "borrow", deadline=timeouts.ANSWER, changes=changes, seconds=seconds)
    return None if answer["number"] is None else int(answer["number"])


def keep(name: str) -> float | None:
    """Have a session go on as if it had just been used; after how many seconds without use it is ended.

    ``None`` where it is not ended for that. Raises ``SessionError`` when it can't be.
    """
    seconds: float | None = control(_running(name), "keep")["idle_seconds"]
    return seconds


def benchmark(name: str) -> Benchmark:
    """Measure the machine of a session, which takes half a minute. Raises ``SessionError`` when it can't be."""
    from golem_launcher.market.benchmark import Benchmark  # noqa: PLC0415 - most commands need none

    answer = control(_running(name), "benchmark", deadline=timeouts.WAIT_FOR_BENCHMARK)
    return Benchmark.model_validate(answer["benchmark"])


def await_move(name: str, number: int, told: Callable[[MoveState], None] = lambda _: None) -> SessionState:
    """Wait for the end of a move that :func:`move` began: the session's state at the other machine.

    ``told`` is told how far it is, again and again. Raises ``SessionError`` when the session did not move.
    """
    directory = session_directory(name)
    while True:
        state = followed(directory)
        if state.move is not None and state.move.number == number:
            if state.move.stage == "failed":
                raise SessionError(f"'{name}' did not move, and goes on where it is. {state.move.reason}")
            if state.move.stage == "done" and state.stage is Stage.READY:
                return state
            told(state.move)
        if state.stage.final:
            raise SessionError(f"'{name}' ended before it could move. {state.reason}")
        time.sleep(_POLL_SECONDS)


def cluster(name: str, workers: int | None = None) -> ClusterState:
    """Have a session's Dask cluster be so many ``workers``, or see how it stands. Raises ``LauncherError``."""
    arguments = {} if workers is None else {"workers": workers}
    from golem_launcher.session_state import ClusterState  # noqa: PLC0415 - most commands need none

    told = control(_running(name), "cluster", deadline=timeouts.ANSWER, **arguments)
    return ClusterState.model_validate(told["cluster"])


def save(name: str) -> dict[str, Any]:
    """Save a session's workspace now: ``workspace``, ``generation``, ``saved_at``, ``files``, ``bytes``, ``unsaved``.

    ``unsaved`` says in words what open documents could not be saved first, empty when all were. ``left_out`` is a list
    of what could not be saved (``path``, ``reason``), ``at_stake`` how much of it an end would lose. An empty
    workspace, of which nothing was ever saved, has no ``generation``. Raises ``SessionError`` with the reason when that
    does not work.
    """
    return control(_running(name), "save", deadline=timeouts.WAIT_FOR_SAVE)


def _running(name: str) -> SessionDirectory:
    directory = session_directory(name)
    if not alive(directory):
        stage = directory.state().stage.value
        again = f"golem-launcher wake {name}" if stage == Stage.SUSPENDED else "Start it again."
        raise SessionError(f"The session '{name}' does not run: it is {stage}.", again)
    return directory


def remove(name: str) -> str:
    """Take a session that is over off the list; the word that :func:`bring_back` takes.

    Its files are kept for a while, among the last that were removed or replaced. Raises ``SessionError`` while the
    session lives, and ``SessionNotFound``.
    """
    with files.locked(paths.sessions_directory() / _LOCK, deadline=_START_LOCK_SECONDS):
        directory = session_directory(name)
        if alive(directory):
            raise SessionError(f"The session '{name}' is alive.", f"End it first: golem-launcher stop {name}")
        return trash.put(directory)


def remove_past() -> list[str]:
    """:func:`remove` all sessions that are over, but for suspended ones.

    Their words, the newest first, as far as they can be brought back.
    """
    with files.locked(paths.sessions_directory() / _LOCK, deadline=_START_LOCK_SECONDS):
        removed = []
        for directory in reversed(list(session_directories())):
            if not directory.state().stage.final or suspension.is_suspended(directory) or alive(directory):
                continue
            with contextlib.suppress(LauncherError, OSError):  # it stays on the list; the others count
                removed.append(trash.put(directory))
        kept = {directory.path.name for directory in trash.kept()}
    return [word for word in reversed(removed) if word in kept]


def bring_back(removed: str) -> SessionDirectory:
    """Undo :func:`remove`. Raises ``SessionNameTaken`` when there is another of that name by now."""
    with files.locked(paths.sessions_directory() / _LOCK, deadline=_START_LOCK_SECONDS):
        return trash.bring_back(removed)


def followed(directory: SessionDirectory) -> SessionState:
    """The state of a session that somebody waits for.

    Raises ``SessionError`` when its supervisor died before its end.
    """
    living = alive(directory)  # before its state is read: it may end between the two
    state = directory.state()
    if not living and not state.stage.final:
        raise _died(directory)
    return state


def _died(directory: SessionDirectory) -> SessionError:
    return SessionError(
        f"The supervisor of '{directory.name}' died.",
        f"See {directory.supervisor_log}; golem-launcher stop {directory.name} closes down what it left.",
    )


def wait_for(
    directory: SessionDirectory, predicate: Callable[[SessionState], bool], deadline: float
) -> SessionState | None:
    """Wait until ``predicate`` is true of the state, at most ``deadline`` seconds; ``None`` when it never was.

    Raises ``SessionError`` when the supervisor dies meanwhile.
    """
    end = time.monotonic() + deadline
    while True:
        living = alive(directory)
        state = directory.state()
        if predicate(state):
            return state
        if not living and not state.stage.final:
            raise _died(directory)
        if time.monotonic() > end or state.stage.final:
            return None
        time.sleep(_POLL_SECONDS)


def _ends_by_itself(directory: SessionDirectory) -> bool:
    """Wait for a forced end. Who still answers is at it, however busy the computer is; who is silent hangs."""
    heard = time.monotonic()
    end = heard + timeouts.CLOSING
    while alive(directory):
        with contextlib.suppress(SessionError):
            control(directory, "state")
            heard = time.monotonic()
        if time.monotonic() > min(end, heard + timeouts.SILENCE):
            return False
        time.sleep(_POLL_SECONDS)
    return True


def tidy() -> list[str]:
    """Have all as it is to be between commands: :func:`close_dead`, and a caretaker where addresses are parked.

    Called by every command and page that shows or starts sessions: this computer may have been started since.
    """
    with contextlib.suppress(OSError):
        caretaker.begin(os.environ)
    return close_dead()


def end_caretaker() -> None:
    """Have nobody answer at parked addresses, nor wake a session up there, until :func:`tidy`; none is half begun."""
    with files.locked(paths.sessions_directory() / _LOCK, deadline=_START_LOCK_SECONDS):
        caretaker.end()


def close_dead() -> list[str]:
    """Close down what dead supervisors left, as far as their nodes run; the names of the sessions concerned.

    Starts nothing.
    """
    with files.locked(paths.sessions_directory() / _LOCK, deadline=_START_LOCK_SECONDS):  # none is half started now
        dead = [directory for directory in session_directories() if not alive(directory)]
        dead += [directory for directory in trash.kept() if leftovers.owes(directory)]
    closed = []
    for directory in dead:
        with contextlib.suppress(SessionNotFound, OSError):  # removed meanwhile, or can't be written: the others count
            if leftovers.close(directory, start_node=False):
                closed.append(directory.state().name)
    return closed


def link(directory: SessionDirectory, state: SessionState) -> str | None:
    """The link that opens a session's workload, with its token, for its user to see; ``None`` while there is none.

    Of a suspended one only while the caretaker is at its address: another user's program could have taken that since,
    and would be told the token.
    """
    url = directory.url_in(state)
    if url is None or state.stage is not Stage.SUSPENDED:
        return url
    parts = urlsplit(url)
    return url if peers.listens((str(parts.hostname), parts.port or 0)) else None


def describe(directory: SessionDirectory) -> dict[str, Any]:
    """A session as one JSON object: its state and, while it is ready, the link."""
    state = state_of(directory)
    value = state.model_dump(mode="json")
    value["url"] = link(directory, state)
    value["token"] = directory.token() if value["url"] else None
    value["provider"] = state.head.provider_name
    value["alive"] = alive(directory)
    value["damaged"] = damaged(directory)
    value["left_out"] = directory.left_out()
    value["gpu_differences"] = list(state.head.gpu_differences)
    value["workspace"] = state.saving.workspace if state.saving is not None else None
    return value


@contextlib.contextmanager
def _room_for(request: LaunchRequest) -> Iterator[Heritage | None]:
    """Move the directory aside that a session of this name has left; what the new one has of it that is made meanwhile.

    Where no supervisor comes to run that, whatever the reason, all is as it was: a suspended one can be woken up.
    """
    path = paths.sessions_directory() / request.name
    if not path.exists():
        yield None
        return
    directory = SessionDirectory(path)
    if alive(directory):
        raise SessionNameTaken(
            f"A session '{request.name}' is alive.",
            f"Choose another --name, or end it: golem-launcher stop {request.name}",
        )
    inherited = suspension.heritage(directory, request)
    aside = trash.put(directory)
    try:
        yield inherited
    except BaseException:  # an interrupt too
        if not alive(directory):
            shutil.rmtree(path, ignore_errors=True)
            trash.bring_back(aside)
        raise
    with contextlib.suppress(OSError):  # the new one runs
        parked.leave(trash.kept_as(aside).path)  # brought back, it is no longer suspended


def ending_before(request: LaunchRequest) -> SessionDirectory | None:
    """The session that is just ending and saves the files that this request goes on with; ``None`` if none is.

    Called before a kernel starts a session: that of a notebook that was closed a moment ago may still be saving.
    """
    if not request.resume or not request.save:
        return None
    name = claimed(settled(request).store).get(request.workspace)
    with contextlib.suppress(SessionNotFound):
        directory = session_directory(name) if name is not None else None
        if directory is not None and state_of(directory).stage in {Stage.SAVING, Stage.STOPPING}:
            return directory
    return None


def _check_workspace(request: LaunchRequest) -> None:
    """Two sessions that save into one workspace would take turns in undoing each other's work."""
    if request.resume and request.save:
        check_unused(request.workspace, request.store)


def check_unused(workspace: str, store: str | None) -> None:
    """Raise ``SessionError`` when a living session saves into this workspace."""
    name = claimed(store).get(workspace)
    if name is not None:
        raise SessionError(
            f"The session '{name}' is saving into the workspace '{workspace}'.",
            f"End it first: golem-launcher stop {name}",
        )


def _absolute_store(store: str | None) -> str | None:
    if store is None or "://" in store:
        return store
    return os.path.abspath(Path(store).expanduser())  # noqa: PTH100 - a link stays a link


def _kill(directory: SessionDirectory) -> None:
    record = supervisor(directory)
    if record is not None:
        record.stop(grace=_KILL_GRACE_SECONDS)
