"""The events that a runner reports while a job is done: of its session, of a machine, of one attempt at a task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal

    from golem_launcher.tasks.scheduler import Attempt, Worker


@dataclass(frozen=True)
class SessionStarted:
    """The session ``name`` looks for machines."""

    name: str


@dataclass(frozen=True)
class MachineReady:
    """A machine can be given tasks."""

    worker: Worker
    provider_name: str
    """Not cleaned."""
    per_hour: Decimal | None = None
    """What it costs at full load; in the network's coin."""


@dataclass(frozen=True)
class MachineLost:
    """A machine is gone, and what it worked at goes to others."""

    worker: Worker
    reason: str


@dataclass(frozen=True)
class MachineLetGo:
    """A machine was done without: there was nothing for it to do."""

    worker: Worker


@dataclass(frozen=True)
class SetupFailed:
    """What was to be done once at a machine, before its first task, failed."""

    worker: Worker
    reason: str


@dataclass(frozen=True)
class AttemptBegun:
    """A task is the next that a machine does, of those that it was given."""

    attempt: Attempt


@dataclass(frozen=True)
class AttemptPrinted:
    """A task that runs printed these bytes, which are a stranger's."""

    attempt: Attempt
    log: bytes


@dataclass(frozen=True)
class AttemptFailed:
    """An attempt failed; the task may be tried again."""

    attempt: Attempt
    reason: str


@dataclass(frozen=True)
class TaskDone:
    """A task is done by this attempt, and its result is kept."""

    attempt: Attempt
    seconds: float = 0.0
    """How long it ran, as the provider says."""


JobEvent = (
    SessionStarted
    | MachineReady
    | MachineLost
    | MachineLetGo
    | SetupFailed
    | AttemptBegun
    | AttemptPrinted
    | AttemptFailed
    | TaskDone
)
