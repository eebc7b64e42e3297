"""Starts a session and waits until it is ready. Whatever breaks the waiting off ends what was begun."""

from __future__ import annotations

import contextlib
import time
from functools import partial
from typing import TYPE_CHECKING

from golem_launcher.api.blocking_calls import GivenUp, in_thread, result
from golem_launcher.errors import LauncherError, SessionError
from golem_launcher.events import Stage
from golem_launcher.session import client
from golem_launcher.session.client import waking

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from golem_launcher.api.blocking_calls import Pause
    from golem_launcher.request import LaunchRequest
    from golem_launcher.session.on_disk.directory import SessionDirectory
    from golem_launcher.session_state import SessionState

    Tell = Callable[[str], None]

_LONGEST_START_SECONDS = 3600.0
_LOOK_SECONDS = 0.05


def begin(request: LaunchRequest, pause: Pause, show: Callable[[SessionState], None], tell: Tell) -> SessionDirectory:
    """Start what is asked for, and return when it is ready; ``show`` is given each state on the way.

    What is set in the ``request`` is what is asked for, where it goes on with a suspended session: the rest is as in
    that, whose place it takes.
    Interrupted (``KeyboardInterrupt``, ``GivenUp``), it ends the session, says so by ``tell`` and raises the interrupt.
    Raises ``SessionError`` when the session fails, and whatever :func:`golem_launcher.session.client.start` refuses.
    """
    starting: Future[SessionDirectory] | None = None
    try:
        requested = result(in_thread(waking.going_on, request), pause)
        request = requested.request
        starting = in_thread(partial(client.start, instead_of=requested.instead_of), request)
        directory = result(starting, pause)
        _wait(directory, pause, show)
    except (KeyboardInterrupt, GivenUp):
        _end(request.name, starting, tell)
        raise
    return directory


def _wait(directory: SessionDirectory, pause: Pause, show: Callable[[SessionState], None]) -> None:
    """Raises ``SessionError`` when it fails, and when it is not ready for an hour; it goes on then."""
    end = time.monotonic() + _LONGEST_START_SECONDS
    while client.wait_for(directory, lambda state: state.stage is Stage.READY, 0.0) is None:
        state = directory.state()
        show(state)
        if state.stage.final:
            raise SessionError(f"The session '{directory.name}' failed. {state.reason}".rstrip())
        if time.monotonic() > end:
            raise SessionError(
                f"The session '{directory.name}' is not ready yet, and goes on.", how_to_end(directory.name)
            )
        pause(_LOOK_SECONDS)
    show(directory.state())


def _end(name: str, starting: Future[SessionDirectory] | None, tell: Tell) -> None:
    """End a session that was begun. Interrupted once more, or refused, it says what still runs."""
    if starting is None:
        return
    tell(f"Interrupted: the session '{name}' is ended …")
    try:
        with contextlib.suppress(LauncherError):
            starting.result()  # seconds: it may be in the middle of it
            client.stop(name, force=True)
            tell(f"The session '{name}' was ended.")
            return
    except KeyboardInterrupt:
        pass
    if starting.done() and starting.exception() is not None:
        tell("Nothing was started.")
    else:
        tell(f"The session '{name}' may still run, and cost money. {how_to_end(name)}")


def how_to_end(name: str) -> str:
    """What a person types for that."""
    return f"End it: golem_launcher.attach('{name}').stop(force=True), or golem-launcher stop {name} --force"
