"""What a session is asked for while it runs: its supervisor does it, or says why not."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import SessionError
from golem_launcher.events import Stage
from golem_launcher.request.another_machine import on_another_machine
from golem_launcher.session import timeouts
from golem_launcher.session.client.finding import followed
from golem_launcher.session.on_disk import parked_address, view_only_link
from golem_launcher.session.on_disk.directory import session_directory
from golem_launcher.session.on_disk.liveness import alive, control
from golem_launcher.session.on_disk.session_paths import sessions_locked
from golem_launcher.session.suspension.suspension import is_suspended

if TYPE_CHECKING:
    from collections.abc import Callable

    from golem_launcher.market.benchmark import Benchmark
    from golem_launcher.market.quote import Quote
    from golem_launcher.session.on_disk.directory import SessionDirectory
    from golem_launcher.session_state import ClusterState, MoveState, SessionState

_HOUR = 3600


def save(name: str) -> dict[str, Any]:
    """Save a session's workspace now: ``workspace``, ``generation``, ``saved_at``, ``files``, ``bytes``, ``unsaved``.

    ``unsaved`` says in words what open documents could not be saved first, empty when all were. ``left_out`` is a list
    of what could not be saved (``path``, ``reason``), ``at_stake`` how much of it an end would lose. An empty
    workspace, of which nothing was ever saved, has no ``generation``. Raises ``SessionError`` with the reason when that
    does not work.
    """
    return control(_running(name), "save", deadline=timeouts.WAIT_FOR_SAVE)


def extend(name: str, *, hours: Decimal | str = "0", budget: Decimal | str = "0") -> SessionState:
    """Give a session ``hours`` and ``budget`` (in the network's coin) more; its new state.

    Raises ``SessionError`` when it can't be.
    """
    directory = _running(name)
    control(directory, "extend", deadline=timeouts.WAIT_FOR_EXTEND, hours=str(hours), budget=str(budget))
    return directory.state()


def keep_running(name: str) -> float | None:
    """Have a session go on as if it had just been used; after how many seconds without use it is ended.

    ``None`` where it is not ended for that. Raises ``SessionError`` when it can't be.
    """
    seconds: float | None = control(_running(name), "keep-running")["idle_seconds"]
    return seconds


def share(name: str) -> str:
    """The view-only link of a session, made where it has none; its viewers see notebooks and can change nothing.

    A suspended session has the one that it had. Raises ``SessionError`` when there can be none.
    """
    directory = session_directory(name)
    link = view_only_link.of(directory.path) if is_suspended(directory) else None
    if link is None:
        return str(control(_running(name), "share")["url"])
    if not alive(directory) and not parked_address.answers_viewers(directory.path):
        raise SessionError(
            f"Nobody of ours is at the address of the view-only link of '{name}', so it is not given: another program "
            "may be there, and would be told it.",
            f"Try again in a moment; woken up it has another address where that is so: golem-launcher wake {name}",
        )
    return link.url


def unshare(name: str) -> bool:
    """Revoke the view-only link of a session, whatever became of that; whether there was one.

    Raises ``SessionError`` where its supervisor can't be told: its viewers are refused anyhow.
    """
    directory = session_directory(name)
    with sessions_locked():  # nobody is waking it up, who would take the link along
        link = view_only_link.of(directory.path)
        view_only_link.remove(directory.path)
    if link is not None and alive(directory):
        control(directory, "unshare")
    return link is not None


def quote_of_move(name: str, changes: dict[str, Any]) -> Quote:
    """What another machine would cost a session for the rest of its time; the present provider's is none of them.

    ``changes`` are as for :func:`move`. Raises ``LauncherError``.
    """
    from golem_launcher.market.quote import quote  # noqa: PLC0415 - most commands need none
    from golem_launcher.session.preparation import offer_scan  # noqa: PLC0415 - likewise

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
    return quote(wanted, offer_scan.scan(wanted))


def move(name: str, changes: dict[str, Any], *, now: bool = False) -> int:
    """Have a session go on at another machine: its request with ``changes``, untyped values by field.

    ``now``: whatever runs at the present one. Which of its moves it is: the session's state tells how that goes on.
    Raises ``LauncherError``, and all goes on as before.
    """
    directory = _running(name)
    on_another_machine(directory.request(), changes)  # what is wrong is said by this side, too
    number: int = control(directory, "move", deadline=timeouts.ANSWER, changes=changes, now=now)["number"]
    return number


def await_move(name: str, number: int, told: Callable[[MoveState], None] = lambda _: None) -> SessionState:
    """Wait for the end of a move that :func:`move` began: the session's state at the other machine.

    ``told`` is told how far it is, again and again. Raises ``SessionError`` when the session did not move.
    """
    directory = session_directory(name)
    while True:
        state = followed(directory)
        if has_moved(state, number):
            return state
        if state.move is not None and state.move.number == number:
            told(state.move)
        time.sleep(timeouts.POLL)


def has_moved(state: SessionState, number: int) -> bool:
    """Whether a session is where its move ``number`` led, or where one led that began since; for whoever waits.

    A session may move on before anybody saw that it arrived. Raises ``SessionError`` when it did not move, or is over.
    """
    if state.stage.final:
        raise SessionError(f"'{state.name}' ended before it could move. {state.reason}")
    move = state.move
    if move is None or move.number < number:
        return False
    if move.number == number and move.stage == "failed":
        raise SessionError(f"'{state.name}' did not move, and goes on where it is. {move.reason}")
    return move.over and state.stage is Stage.READY


def borrow(name: str, changes: dict[str, Any], seconds: float) -> int | None:
    """Have a session at a machine with a GPU, as ``changes`` of its request say, for so long after the last such call.

    Which of its moves leads there, as of :func:`move`; ``None`` where it is there. Raises ``LauncherError``.
    """
    directory = _running(name)
    on_another_machine(directory.request(), changes)  # what is wrong is said by this side, too
    answer = control(directory, "borrow", deadline=timeouts.ANSWER, changes=changes, seconds=seconds)
    return None if answer["number"] is None else int(answer["number"])


def benchmark(name: str) -> Benchmark:
    """Measure the machine of a session, which takes half a minute. Raises ``SessionError`` when it can't be."""
    from golem_launcher.market.benchmark import Benchmark  # noqa: PLC0415 - most commands need none

    answer = control(_running(name), "benchmark", deadline=timeouts.WAIT_FOR_BENCHMARK)
    return Benchmark.model_validate(answer["benchmark"])


def cluster(name: str, workers: int | None = None) -> ClusterState:
    """Have a session's Dask cluster be so many ``workers``, or see how it stands. Raises ``LauncherError``."""
    arguments = {} if workers is None else {"workers": workers}
    from golem_launcher.session_state import ClusterState  # noqa: PLC0415 - most commands need none

    told = control(_running(name), "cluster", deadline=timeouts.ANSWER, **arguments)
    return ClusterState.model_validate(told["cluster"])


def _running(name: str) -> SessionDirectory:
    directory = session_directory(name)
    if not alive(directory):
        stage = directory.state().stage.value
        again = f"golem-launcher wake {name}" if stage == Stage.SUSPENDED else "Start it again."
        raise SessionError(f"The session '{name}' does not run: it is {stage}.", again)
    return directory
