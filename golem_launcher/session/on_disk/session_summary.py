"""What a list says of a session: a few words of its state, without the models (:mod:`golem_launcher.session_state`).

Loading those takes longer than all else of a list. Whatever is not as expected is read with them after all.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from golem_launcher import files
from golem_launcher.errors import SessionError, SupervisorSilent
from golem_launcher.session.on_disk import liveness, orphaned, parked_address
from golem_launcher.session.on_disk.session_paths import FILES, REQUEST

if TYPE_CHECKING:
    from golem_launcher.session.on_disk.session_paths import SessionPaths

OVER = frozenset({"ended", "failed", "suspended"})
MOVED = frozenset({"done", "failed"})
"""Where a move is over."""
STAGES = OVER | {
    "checking", "allocating", "negotiating", "deploying", "starting", "ready", "saving", "stopping", "recovering",
}  # fmt: skip


@dataclass(frozen=True)
class SessionSummary:
    """One session, as a line of a list shows it."""

    name: str
    stage: str
    network: str
    provider: str | None
    """The head's, cleaned."""
    machines: int
    """How many are its own at present."""
    cost: Decimal
    owed_at_most: bool
    deadline: datetime | None
    workspace: str | None
    """Where it saves."""
    trouble: str
    is_moving: bool
    """Whether it is about to go on at another machine."""
    is_damaged: bool

    @classmethod
    def of(cls, told: dict[str, Any]) -> SessionSummary:
        """A glance at a state as JSON, or at what ``client.describe`` returns.

        Raises ``LookupError``, ``TypeError``, ``ValueError`` or ``ArithmeticError`` for anything else.
        """
        if told["stage"] not in STAGES:
            raise ValueError(told["stage"])
        machines, saving, deadline, move = (told[name] for name in ("machines", "saving", "deadline", "move"))
        return cls(
            name=str(told["name"]),
            stage=told["stage"],
            network=str(told["network"]),
            provider=machines[0]["provider_name"] if machines else None,
            machines=sum(told["stage"] in OVER or machine["stage"] not in OVER for machine in machines),
            cost=Decimal(told["cost"]),
            owed_at_most=bool(told["owed_at_most"]),
            deadline=datetime.fromisoformat(deadline) if deadline is not None else None,
            workspace=saving["workspace"] if saving is not None else None,
            trouble=str(told["trouble"]),
            is_moving=move is not None and move["stage"] not in MOVED and told["stage"] not in OVER,
            is_damaged=bool(told.get("damaged")),
        )


def summary(place: SessionPaths) -> SessionSummary:
    """A session as it is now. Raises ``SessionNotFound`` when its directory is gone. Blocking."""
    try:
        if _all_readable(place):
            return SessionSummary.of(_state(place))
    except (LookupError, TypeError, ValueError, ArithmeticError, OSError):  # the models have words for it
        pass
    from golem_launcher.session.on_disk.directory import SessionDirectory  # noqa: PLC0415 - likewise
    from golem_launcher.session.on_disk.session_report import describe  # noqa: PLC0415 - see above

    return SessionSummary.of(describe(SessionDirectory(place.path)))


def _all_readable(place: SessionPaths) -> bool:
    """Whether each of its files holds a JSON object, as far as they are there."""
    there = [place.path / name for name in FILES if name == REQUEST or (place.path / name).exists()]
    return all(isinstance(files.read_json(file), dict) for file in there)


def _state(place: SessionPaths) -> Any:
    """What ``liveness.state_of`` says, as JSON."""
    trouble = ""
    lives = not place.is_settled and liveness.alive(place)
    if lives:
        try:
            state = liveness.control(place, "state")["state"]
            return {**state, "trouble": state["trouble"] or orphaned.words(place)}
        except SupervisorSilent:
            trouble = liveness.SILENT
        except SessionError:  # it begins, or ends
            pass
    written: Any = files.read_json(place.state_file)
    if not lives and written["stage"] == liveness.SUSPENDED and parked_address.is_squatted(place.path):
        trouble = liveness.SQUATTED.format(name=place.name)
    return {**written, "trouble": trouble or written["trouble"]}
