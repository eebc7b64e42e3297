"""What happens in a session: its stages, and the events that page, commands and tests read."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from golem_launcher.units import counted, data_size, data_size_of, duration


class Stage(StrEnum):
    """Where a session is. The order is the order of a good run; ``FAILED`` ends a bad one."""

    CHECKING = "checking"
    ALLOCATING = "allocating"
    NEGOTIATING = "negotiating"
    DEPLOYING = "deploying"
    STARTING = "starting"
    READY = "ready"
    SAVING = "saving"
    STOPPING = "stopping"
    ENDED = "ended"
    SUSPENDED = "suspended"
    FAILED = "failed"
    RECOVERING = "recovering"

    @property
    def final(self) -> bool:
        """Whether nothing comes after it: who wakes up a suspended one starts a session that takes its place."""
        return self in {Stage.ENDED, Stage.SUSPENDED, Stage.FAILED}


STOPPED = "Stopped as asked."
"""What the reason of a session that somebody ended begins with; what was not saved follows."""


def now() -> datetime:
    """The time of an event: UTC, aware."""
    return datetime.now(UTC)


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True)

    at: datetime = Field(default_factory=now)

    @property
    def line(self) -> str:
        """What a log says of it; empty when it is no matter for a log."""
        return ""


def _of(machine: int) -> str:
    """What a line about another machine than the first begins with."""
    return "" if machine == 1 else f"Machine {machine}: "


class StageChanged(_Event):
    """The session entered ``stage``; ``reason`` says why when it is a bad end."""

    kind: Literal["stage"] = "stage"
    stage: Stage
    reason: str = ""

    @property
    def line(self) -> str:
        """What a log says of it."""
        return f"{self.stage.value}: {self.reason}" if self.reason else self.stage.value


class Message(_Event):
    """Something worth a line in the log, for a person."""

    kind: Literal["message"] = "message"
    level: Literal["info", "warning", "error"] = "info"
    text: str

    @property
    def line(self) -> str:
        """What a log says of it."""
        return self.text


class ProviderChosen(_Event):
    """An agreement with a provider is confirmed."""

    kind: Literal["provider"] = "provider"
    machine: int = 1
    """The number of the machine that it is for."""
    provider_id: str
    provider_name: str
    """Already cleaned: may be shown as text."""
    agreement_id: str

    @property
    def line(self) -> str:
        """What a log says of it."""
        return f"{_of(self.machine)}agreement with {self.provider_name}"


class Progress(_Event):
    """How far a longer piece of work is: ``done`` of ``total`` ``unit``; a total that is not known is 0."""

    kind: Literal["progress"] = "progress"
    what: str
    done: float
    total: float
    unit: str = ""
    rate: float = 0.0
    """``unit`` a second, of late; 0 when it is not known."""
    detail: str = ""
    """What is at hand where the total is not known, cleaned."""

    @property
    def over(self) -> bool:
        """Whether it is done."""
        return 0 < self.total <= self.done

    @property
    def share(self) -> float | None:
        """How far it is, of 1; ``None`` where that is not known."""
        return min(self.done / self.total, 1.0) if self.total else None

    @property
    def figures(self) -> str:
        """How far it is, for a person: 12.0 of 86.0 MiB (14 %), 1.2 MiB/s, 62 s left."""
        if not self.total:
            return self.detail
        share = f" ({100 * self.done / self.total:.0f} %)"
        if self.unit != "bytes":
            return f"{self.done:.0f} of {self.total:.0f} {self.unit}".rstrip() + share
        far = data_size_of(self.done, self.total) + share
        if self.rate <= 0:
            return far
        left = (self.total - self.done) / self.rate
        return f"{far}, {data_size(self.rate)}/s, {duration(left)} left"

    @property
    def words(self) -> str:
        """The same with what is done: Sending the image: 12.0 of 86.0 MiB (14 %)."""
        return f"{self.what}: {self.figures}" if self.figures else f"{self.what} …"


class CostChanged(_Event):
    """What the session costs so far, by our own reckoning and as billed, in the network's coin."""

    kind: Literal["cost"] = "cost"
    cost: Decimal
    billed: Decimal = Decimal(0)


class ProviderLost(_Event):
    """A provider was lost while the session was ready; the session goes on elsewhere, or ends."""

    kind: Literal["lost"] = "lost"
    machine: int = 1
    """The number of the machine that it was."""
    provider_name: str
    """Already cleaned."""
    reason: str

    @property
    def line(self) -> str:
        """What a log says of it."""
        return f"{_of(self.machine)}{self.provider_name} was lost: {self.reason}"


class EndsSoon(_Event):
    """The session ends within ``minutes``: its time is over then, or its money used up."""

    kind: Literal["ends_soon"] = "ends_soon"
    minutes: int
    why: Literal["time", "money"]
    at_stake: int = 0
    """How many files are not saved, and would be lost."""

    @property
    def line(self) -> str:
        """What a log says of it."""
        ends = "time is over" if self.why == "time" else "money is used up"
        return f"the {ends} in less than {counted(self.minutes, 'minute')}; extend it to go on{self.lost}"

    @property
    def lost(self) -> str:
        """What the end would lose, to be added to a sentence."""
        if not self.at_stake:
            return ""
        return f". {counted(self.at_stake, 'file is', 'files are')} not saved, and would be lost"


class Idle(_Event):
    """Nothing has happened in the session for so many ``seconds``; it is ended in ``seconds_left``."""

    kind: Literal["idle"] = "idle"
    seconds: int
    seconds_left: int
    becomes: str = "saved and stopped"
    """What is done with it then."""

    @property
    def line(self) -> str:
        """What a log says of it."""
        return (
            f"Nothing has happened here for {duration(self.seconds)}: it is {self.becomes} in "
            f"{duration(self.seconds_left)}, unless it is used, or kept."
        )


class GpuHandedBack(_Event):
    """The session goes on at a machine without a GPU, because nobody used it."""

    kind: Literal["gpu"] = "gpu"
    text: str
    """Where and for what; shown as it is."""

    @property
    def line(self) -> str:
        """What a log says of it."""
        return self.text


class NotSaved(_Event):
    """Nothing could be saved for longer than a few intervals: what is newer lies at the provider alone."""

    kind: Literal["not_saved"] = "not_saved"
    seconds: int
    """Since the newest save, when this was noticed."""
    reason: str

    @property
    def line(self) -> str:
        """What a log says of it."""
        return (
            f"Nothing was saved for {self.seconds} s: {self.reason}. What is newer lies at the provider alone; "
            "download what matters."
        )


class LeftOut(_Event):
    """There are files that can't be saved, while all others are."""

    kind: Literal["left_out"] = "left_out"
    text: str
    """Which and why; shown as it is."""

    @property
    def line(self) -> str:
        """What a log says of it."""
        return self.text


class LabAsks(_Event):
    """A page of the Lab asks for what only the user may say yes to: more time, another machine, the session's end."""

    kind: Literal["asks"] = "asks"
    what: Literal["extend", "end", "move", "gpu"]
    hours: int = 0
    """How many more, where more time is asked for."""

    @property
    def line(self) -> str:
        """What is asked for, as a sentence."""
        return f"The Lab asks for {self.words}."

    @property
    def words(self) -> str:
        """What is asked for, in a few words."""
        if self.what == "extend":
            return f"{counted(self.hours, 'hour')} more"
        return {"end": "the session's end", "move": "another machine", "gpu": "a machine with a GPU"}[self.what]

    @property
    def changes(self) -> dict[str, int]:
        """Where another machine is asked for: in what it differs, by field of a request."""
        return {"gpus": 1} if self.what == "gpu" else {}

    def yes(self, name: str) -> str:
        """The command that does it for the session ``name``."""
        if self.what == "extend":
            return f"golem-launcher extend {name} --hours {self.hours}"
        gpu = " --gpus 1" if self.what == "gpu" else ""
        return f"golem-launcher {'stop' if self.what == 'end' else 'move'} {name}{gpu}"


class Usage(BaseModel):
    """What the session uses of its provider's machine at a moment: figures of the agent's, each named with its unit."""

    model_config = ConfigDict(frozen=True)

    cpu_percent: float = 0.0
    """Of one core: two busy cores are 200."""
    memory_bytes: int = 0
    disk_bytes: int = 0
    gpu_percent: float | None = None
    gpu_memory_bytes: int | None = None


class Used(_Event):
    """What the session's first machine uses by now: every few seconds at first, then each half minute."""

    kind: Literal["used"] = "used"
    usage: Usage
    save_age: float | None = None
    """Seconds since the newest save; ``None`` where there is none."""


Event = Annotated[
    StageChanged
    | Message
    | ProviderChosen
    | Progress
    | CostChanged
    | ProviderLost
    | EndsSoon
    | Idle
    | GpuHandedBack
    | NotSaved
    | LeftOut
    | LabAsks
    | Used,
    Field(discriminator="kind"),
]

EVENT: TypeAdapter[Event] = TypeAdapter(Event)
"""Parses one line of ``events.jsonl`` (``EVENT.validate_json(line)``)."""
