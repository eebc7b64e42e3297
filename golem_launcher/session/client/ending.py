"""Ends a session, and waits for that."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import SessionError, SessionNotEnded
from golem_launcher.session import timeouts
from golem_launcher.session.cleanup import leftovers, reaper
from golem_launcher.session.client.finding import find
from golem_launcher.session.on_disk.liveness import alive, control, supervisor
from golem_launcher.session.on_disk.session_paths import sessions_locked
from golem_launcher.session.suspension import suspension

if TYPE_CHECKING:
    from golem_launcher.session.on_disk.directory import SessionDirectory
    from golem_launcher.session_state import SessionState

_KILL_GRACE_SECONDS = 3.0


def stop(name: str, *, force: bool = False, seconds: float = timeouts.WAIT_FOR_END, why: str = "") -> SessionState:
    """End a session and wait for its end; its last state. ``force`` skips what takes time and kills what hangs.

    ``why``: what the session says of its end, in a sentence, where it is not its user who asks.

    Stopping a session that has ended does nothing but mend its state, where that is damaged; a suspended one can't be
    woken up any more. Raises ``SessionNotFound``, ``SessionNotEnded`` when it goes on because something is not saved,
    and ``SessionError`` when it does not end in time.
    """
    directory = find(name)
    death = leftovers.DIED
    while not _stays_over(directory):
        death = _end(directory, seconds, force=force, why=why)
    leftovers.close(directory, start_node=True, death=death)
    reaper.begin(directory)
    if directory.written_state() is None and not leftovers.owes(directory):  # else that is told until it is closed
        directory.write_state(directory.state().model_copy(update={"trouble": ""}))
    return directory.state()


def _stays_over(directory: SessionDirectory) -> bool:
    """Whether no supervisor lives, and none is begun any more by a visit to its address."""
    with sessions_locked():  # it is not half woken up
        over = not alive(directory)
        if over:
            suspension.give_up(directory)
        return over


def _end(directory: SessionDirectory, seconds: float, *, force: bool, why: str) -> leftovers.Death:
    """Have a living supervisor end; how it is told of the session where that was not over then."""
    if not force:
        _ask_for_end(directory, "stop", seconds, why=why)
        await_end(directory, seconds)
        return leftovers.DIED
    _ask_for_end(directory, "abort", timeouts.SILENCE, force=True)
    if _ends_by_itself(directory):
        return leftovers.DIED
    _kill(directory)
    if alive(directory):
        raise SessionError(f"The session '{directory.name}' can't be killed.", f"See {directory.supervisor_log}.")
    return leftovers.KILLED


def _ask_for_end(directory: SessionDirectory, command: str, seconds: float, **arguments: Any) -> None:
    """Have the supervisor hear it, also one that was started a moment ago and does not listen yet."""
    end = time.monotonic() + seconds
    while alive(directory):
        try:
            control(directory, command, **arguments)
        except SessionError as error:
            if isinstance(error.__cause__, OSError) and time.monotonic() < end:
                time.sleep(timeouts.POLL)
                continue
        return


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
        time.sleep(timeouts.POLL)
    return True


def _kill(directory: SessionDirectory) -> None:
    record = supervisor(directory)
    reaper.end(directory)  # it would tell of a crash
    if record is not None:
        record.stop(grace=_KILL_GRACE_SECONDS)


def ask_to_stop(directory: SessionDirectory, seconds: float) -> None:
    """Ask a session to save and end, and don't wait for that. ``seconds``: for the supervisor to hear of it at most."""
    _ask_for_end(directory, "stop", seconds)


def await_end(directory: SessionDirectory, seconds: float = timeouts.WAIT_FOR_END) -> None:
    """Wait for the end that was asked for. Raises ``SessionNotEnded`` when the session goes on all the same.

    That is when something of it can't be saved; the error says what, and what can be done. Raises ``SessionError``
    when the end does not come in time.
    """
    end = time.monotonic() + seconds
    while alive(directory):
        if why := directory.state().not_ended:
            raise SessionNotEnded(why)
        if time.monotonic() > end:
            raise SessionError(
                f"The session '{directory.name}' did not end within {seconds:.0f} s.",
                f"golem-launcher stop {directory.name} --force",
            )
        time.sleep(timeouts.POLL)
