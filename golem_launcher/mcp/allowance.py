"""What an assistant may spend on one network, kept on disk: a server that is started anew has no new money.

Blocking. A session counts as its whole budget while it may still cost something, and as its cost once it has ended.
"""

from __future__ import annotations

import contextlib
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from golem_launcher import files, paths
from golem_launcher.errors import BudgetError, SessionNameTaken, SessionNotFound
from golem_launcher.networks import token_of
from golem_launcher.session import client
from golem_launcher.session.cleanup import leftovers
from golem_launcher.session.cleanup.session_history import all_sessions
from golem_launcher.session.on_disk.bill import Bill
from golem_launcher.session.on_disk.directory import session_directory
from golem_launcher.session.on_disk.liveness import alive
from golem_launcher.units import coins, counted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from golem_launcher.request import LaunchRequest
    from golem_launcher.session.on_disk.directory import SessionDirectory

_LOCK_SECONDS = 20.0


@dataclass(frozen=True)
class Caps:
    """What the user allows."""

    budget: Decimal
    """For all sessions together that assistants ever started with this allowance, in the network's coin."""
    sessions: int
    """How many may run at a time."""
    hours: Decimal
    """For how long a session may be asked for."""


@dataclass(frozen=True)
class _Entry:
    name: str
    created_at: str
    """Which of the sessions of that name; empty while it is being started."""
    budget: str
    asked_at: str
    """When it was asked for: no session that was there before is this one."""
    cost: str = ""
    """What it cost in the end; empty while that is open."""


@dataclass(frozen=True)
class AllowanceBalance:
    """How a allowance stands."""

    cap: Decimal
    spent: Decimal
    """By sessions that have ended."""
    reserved: Decimal
    """The budgets of the others."""
    running: int

    @property
    def left(self) -> Decimal:
        """What the next session may cost at most."""
        return max(self.cap - self.spent - self.reserved, Decimal(0))


class Allowance:
    """The allowance of one network."""

    def __init__(self, network: str, caps: Caps) -> None:
        self.network = network
        self.caps = caps

    def start(self, request: LaunchRequest) -> SessionDirectory:
        """Start a session that the caps allow. Raises ``BudgetError`` for any other; nothing was started then.

        Raises ``SessionNameTaken`` for the name of a session of the user's, over or not: it would be moved aside.
        """
        with self._entries() as entries:
            _check_name(request.name, entries)
            self._check(request, _account(entries, self.caps.budget))
            entry = _Entry(request.name, "", str(request.budget), asked_at=datetime.now(UTC).isoformat())
            self._write([*entries, entry])  # first: what is written down can't be lost, what is started can't be missed
            try:
                directory = client.start(request)
            except BaseException:
                started = _directory(entry)
                if started is not None and alive(started):  # it could not be finished, and may cost all the same
                    entries.append(entry)
                self._write(entries)
                raise
            entries.append(replace(entry, created_at=directory.state().created_at.isoformat()))
            return directory

    def account(self) -> AllowanceBalance:
        """How it stands now."""
        with self._entries() as entries:
            return _account(entries, self.caps.budget)

    def session(self, name: str) -> SessionDirectory:
        """A session that an assistant started. Raises ``SessionNotFound`` for any other."""
        with self._entries() as entries:
            found = next((directory for one in entries if one.name == name and (directory := _directory(one))), None)
        if found is None:
            raise SessionNotFound(f"No assistant started a session '{name}' here.", "Ask for the list of sessions.")
        return found

    def sessions(self) -> list[SessionDirectory]:
        """All that assistants started and that are still there."""
        with self._entries() as entries:
            return [directory for one in entries if (directory := _directory(one))]

    def forget(self) -> None:
        """Begin anew: what assistants spent so far counts no more. Those of their sessions that run go on counting."""
        with self._entries() as entries:
            entries[:] = [one for one in entries if not one.cost]

    def _check(self, request: LaunchRequest, account: AllowanceBalance) -> None:
        token = token_of(self.network)
        if account.running >= self.caps.sessions:
            running = counted(account.running, "session runs", "sessions run")
            raise BudgetError(
                f"{running}, and the user allows {self.caps.sessions} at a time.", "Stop one, or ask the user."
            )
        if request.budget > account.left:
            raise BudgetError(
                f"The user allows {coins(account.cap)} {token} in all: {coins(account.spent)} are spent and "
                f"{coins(account.reserved)} set aside for sessions that run, so {coins(account.left)} are left.",
                "Ask for a smaller budget, or ask the user.",
            )
        if request.hours > self.caps.hours:
            raise BudgetError(f"The user allows sessions of {self.caps.hours:f} hours at most.", "Ask for less time.")

    @contextlib.contextmanager
    def _entries(self) -> Iterator[list[_Entry]]:
        """The entries, settled as far as their sessions have ended; what the block makes of them is kept."""
        path = self._path()
        with files.locked(path.with_suffix(".lock"), deadline=_LOCK_SECONDS):
            before = _read(path)
            entries = list(map(_settled, before))
            yield entries
            if entries != before:
                self._write(entries)

    def _write(self, entries: list[_Entry]) -> None:
        files.write_json(self._path(), list(map(asdict, entries)))

    def _path(self) -> Path:
        return paths.private_directory(paths.home() / "mcp") / f"{self.network}.json"


def _read(path: Path) -> list[_Entry]:
    """Raises ``BudgetError`` for a file that is there and makes no sense: nobody knows then what was spent."""
    if not path.exists():
        return []
    value: Any = files.read_json(path)
    try:
        found = [_Entry(**one) for one in value]
        for one in found:
            Decimal(one.budget), Decimal(one.cost or 0), datetime.fromisoformat(one.asked_at)
    except (TypeError, ValueError, ArithmeticError):
        raise BudgetError(
            f"What assistants spent can't be read ({path}).", "Remove that file to let them begin anew."
        ) from None
    return found


def _directory(entry: _Entry) -> SessionDirectory | None:
    """The session, unless it was removed, or another has its name by now."""
    with contextlib.suppress(SessionNotFound):
        directory = session_directory(entry.name)
        return directory if _is_its(entry, directory.state().created_at) else None
    return None


def _check_name(name: str, entries: list[_Entry]) -> None:
    if any(one.name == name and _directory(one) for one in entries):
        return  # an assistant's own
    with contextlib.suppress(SessionNotFound):
        session_directory(name)
        raise SessionNameTaken(f"The user has a session '{name}'.", "Choose another name.")


def _settled(entry: _Entry) -> _Entry:
    """With its cost, once it has ended and is closed down, and with its budget as it was extended before that.

    One that is off the list counts as what it cost; where nobody knows that, as its budget.
    """
    if entry.cost:
        return entry
    found = next((one for created_at, one in all_sessions().of_name(entry.name) if _is_its(entry, created_at)), None)
    if found is None:
        return replace(entry, cost=entry.budget)
    if isinstance(found, Bill):
        return replace(entry, cost=str(found.cost))
    state = found.state()
    if leftovers.cost_is_known(found, state):
        return replace(entry, cost=str(state.cost))
    return replace(entry, budget=str(max(state.budget, Decimal(entry.budget))))


def _is_its(entry: _Entry, created_at: datetime) -> bool:
    """Whether a session of the entry's name, created then, is the entry's."""
    if entry.created_at:
        return entry.created_at == created_at.isoformat()
    return datetime.fromisoformat(entry.asked_at) <= created_at


def _account(entries: list[_Entry], cap: Decimal) -> AllowanceBalance:
    open_ones = [one for one in entries if not one.cost]
    return AllowanceBalance(
        cap=cap,
        spent=sum((Decimal(one.cost) for one in entries if one.cost), Decimal(0)),
        reserved=sum((Decimal(one.budget) for one in open_ones), Decimal(0)),
        running=len(open_ones),
    )
