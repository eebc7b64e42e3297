"""What a session tells about itself: its stages, its state, and the events that page, commands and tests read."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from golem_launcher.gpus import Gpu, OfferedGpu, differences
from golem_launcher.units import counted, data_size, data_size_of, duration

_MOST_NAMES = 8
"""That are named in a line."""


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


class Saving(BaseModel):
    """How the saving of a workspace stands."""

    model_config = ConfigDict(frozen=True)

    workspace: str
    store: str = ""
    """Where it is kept, without credentials; empty is this computer."""
    generation: int | None = None
    """The newest whole one."""
    saved_at: datetime | None = None
    interval: float = 0.0
    """Seconds between saves at present."""
    files: int = 0
    bytes: int = 0
    seconds: float = 0.0
    """How long the newest generation took, from the first look at what had changed."""
    new_bytes: int = 0
    """What the newest generation added to the store; the rest of it was there already."""
    kept_bytes: int = 0
    """What all generations of the workspace take in the store, about."""
    left_out: int = 0
    """How much is there and not saved, or not as it is now; all of it is in ``left_out.json`` beside the state."""
    at_stake: int = 0
    """How much of that would be lost at an end: all but links that lead out of the workspace."""
    problem: str = ""
    """Why the last save failed, or what is odd about it (a mass deletion); empty when all is well."""


class MachineState(BaseModel):
    """One machine of a session. Its number stays while providers come and go; the first is the head."""

    model_config = ConfigDict(frozen=True)

    number: int = 1
    stage: Stage = Stage.NEGOTIATING
    """Where it is: from ``negotiating`` to ``ready``, ``recovering`` in between, and the session's at the end."""
    provider_id: str | None = None
    provider_name: str | None = None
    """Cleaned, as all that is told of a provider."""
    agreement_id: str | None = None
    wallet: str = ""
    """Who is paid for it, as its provider's offer says; empty where it does not."""
    activity_id: str | None = None
    ip: str | None = None
    """Its address in the session's private network."""
    price_per_hour: Decimal | None = None
    """At full load, in the network's coin."""
    usage: Usage | None = None
    gpus: tuple[Gpu, ...] | None = None
    """Its GPUs at present, as they say themselves; ``None`` where nothing is known: there is no ``nvidia-smi``."""
    gpus_offered: tuple[OfferedGpu, ...] = ()
    """Those of its provider's offer."""
    trouble: str = ""
    """What is the matter with it, in a sentence; empty when all is well."""
    lost: int = 0
    """How many providers were lost in its place."""

    @property
    def name(self) -> str:
        """What it is called where there are several: its number and its provider."""
        return f"{self.number} ({self.provider_name})" if self.provider_name else str(self.number)

    @property
    def gpu_differences(self) -> tuple[str, ...]:
        """In what its GPUs are not as they were offered, a sentence each; nothing where nobody can tell."""
        return () if self.gpus is None or not self.gpus_offered else differences(self.gpus_offered, self.gpus)

    @property
    def gpu_lines(self) -> tuple[str, ...]:
        """What there is to say of its GPUs, a line each."""
        if self.gpus is None:
            return ()
        lines = [part for gpu in self.gpus for part in (gpu.words, gpu.programs and f"used by {gpu.programs}")]
        same = "as offered" if self.gpus and self.gpus_offered and not self.gpu_differences else ""
        return tuple(filter(None, (*lines, same, *self.gpu_differences)))


class ClusterState(BaseModel):
    """The Dask cluster beside a session's notebooks."""

    model_config = ConfigDict(frozen=True)

    workers: int = 0
    """How many it is to have at present."""
    most: int = 0
    """How many the user allows."""
    asked: int | None = None
    """How many the notebook asked for last; ``None`` when it did not, or the user spoke since."""


class NewcomerState(BaseModel):
    """A machine beside the head that is to take its place: soon, or when that is lost."""

    model_config = ConfigDict(frozen=True)

    provider_id: str | None = None
    provider_name: str | None = None
    """Cleaned."""
    agreement_id: str | None = None
    wallet: str = ""
    """Who is paid for it; empty where its offer does not say."""
    price_per_hour: Decimal | None = None
    """At full load, in the network's coin: it is paid beside the head's."""
    progress: Progress | None = None
    """What it waits for at present, where it is known how far that is."""


class MoveState(NewcomerState):
    """How far a move of the session's head to another machine is; the last one's, when it is over."""

    number: int = 1
    """Of the moves of this session, which one."""
    stage: Literal["searching", "preparing", "waiting", "switching", "done", "failed"] = "searching"
    """``waiting``: the machine is ready, and a cell runs at the old one; ``switching``: nobody can work meanwhile."""
    reason: str = ""
    """Why it failed, in a sentence; empty otherwise."""

    @property
    def over(self) -> bool:
        """Whether nothing of it is under way."""
        return self.stage in {"done", "failed"}

    @property
    def words(self) -> str:
        """How far it is, in a sentence."""
        where = self.provider_name or "another machine"
        far = f" {self.progress.words}." if self.progress is not None and self.stage == "preparing" else ""
        return {
            "searching": "Another machine is looked for, to go on there; all goes on here meanwhile.",
            "preparing": f"{where} is made ready, to go on there; all goes on here meanwhile.{far}",
            "waiting": f"{where} is ready, and takes over as soon as no cell runs.",
            "switching": f"The session goes over to {where}.",
            "done": f"The session went on at {where}.",
            "failed": f"The session did not move, and goes on where it is: {self.reason}",
        }[self.stage]


class StandbyState(NewcomerState):
    """The machine that stands by with all that is saved, to take over when the head is lost."""

    stage: Literal["searching", "preparing", "ready"] = "searching"
    generation: int | None = None
    """The newest save that it has; ``None`` before there is any."""
    saved_at: datetime | None = None
    """When that was saved."""
    reason: str = ""
    """Why there is none at present, in a sentence; empty where that is not known, or there is one."""

    def words(self, behind: float | None) -> str:
        """How it stands, in a line; ``behind``: so many seconds behind the head."""
        where = self.provider_name or "another machine"
        if self.stage == "searching":
            return f"none at present. {self.reason}" if self.reason else "none yet, a machine is looked for"
        if self.stage == "preparing":
            far = f": {self.progress.words}" if self.progress is not None else ""
            return f"{where} is made ready{far}"
        return f"{where}, nothing is saved yet" if behind is None else f"{where}, {duration(behind)} behind"


class KeptVariables(BaseModel):
    """What is kept of the variables of one notebook. Its provider's words, cleaned; of many names some."""

    model_config = ConfigDict(frozen=True)

    notebook: str
    """Its path in the workspace."""
    names: tuple[tuple[str, int], ...] = ()
    """The largest: name and bytes."""
    count: int = 0
    """How many are kept."""
    bytes: int = 0
    lost: tuple[tuple[str, str], ...] = ()
    """Some that can't be kept: name and why."""
    lost_count: int = 0
    left_out: tuple[str, ...] = ()
    """Those that the user does not want to be kept."""

    @property
    def words(self) -> str:
        """All of it, in a line."""
        sizes = [f"{name} {data_size(size)}" if size else name for name, size in self.names[:_MOST_NAMES]]
        more = self.count - len(sizes)
        named = f" ({', '.join(sizes)}{f' and {more:,} more' if more > 0 else ''})" if sizes else ""
        parts = [f"{self.notebook}: {counted(self.count, 'variable')} kept, {data_size(self.bytes)}{named}"]
        lost = [f"{name} ({why})" for name, why in self.lost[:_MOST_NAMES]]
        more = self.lost_count - len(lost)
        if lost:
            parts.append(f"not kept: {', '.join(lost)}{f' and {more:,} more' if more > 0 else ''}")
        if self.left_out:
            parts.append(f"left out: {', '.join(self.left_out)}")
        return "; ".join(parts)


class ProvidersSeen(BaseModel):
    """How the providers were judged whose offers a session saw when it looked for one last: how many of each kind."""

    model_config = ConfigDict(frozen=True)

    suitable: int = 0
    too_dear: int = 0
    unfit: int = 0
    """What they offer is less than what was asked for, or other."""
    unwanted: int = 0
    """The user's ``allow`` and ``deny`` leave them out."""
    set_aside: int = 0
    """They failed, refused to sign, or billed too much in this session."""


class SessionState(BaseModel):
    """All there is to know about a session at a moment: the content of ``state.json``. Holds no secret."""

    model_config = ConfigDict(frozen=True)

    name: str
    network: str
    workload: str = "lab"
    """What its machines run, as the request has it."""
    stage: Stage = Stage.CHECKING
    reason: str = ""
    """Why it failed or ended, with what to do; for the user."""
    stages: tuple[tuple[Stage, datetime], ...] = ()
    """The stages entered so far and when."""
    created_at: datetime = Field(default_factory=now)
    started_at: datetime | None = None
    """When the workload first answered."""
    ready_since_boot: float | None = None
    """When the workload first answered, in seconds since this computer was started: for durations, whatever is set."""
    ran_seconds: float | None = None
    """For how long it then ran, once it has ended."""
    ended_at: datetime | None = None
    deadline: datetime | None = None
    extendable_until: datetime | None = None
    """The latest deadline that the agreement with the present provider has room for."""
    money_ends_at: datetime | None = None
    """When the budget is used up if the session goes on to cost what it cost lately."""
    budget: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)
    owed_at_most: bool = False
    """Whether it has ended without an invoice that was to come: the cost is the most that is owed."""
    allocation_id: str | None = None
    providers_seen: ProvidersSeen | None = None
    """Of the last search; ``None`` before the first is over."""
    machines: tuple[MachineState, ...] = ()
    """By number, without gaps; none before the first agreement."""
    address: str | None = None
    """Origin of the workload on this side (``http://127.x.y.z:port``), without the token; none before it answers, or
    where there is nothing for a browser. A suspended session keeps it."""
    base_url: str = "/"
    """The path below which the workload answers; behind a hub that by which the hub's server leads to ``hub_port``."""
    hub_port: int | None = None
    """Where the hub's server reaches JupyterLab, once the user has said yes to that (see docs/ways-in.md)."""
    gate_port: int | None = None
    """Where the proxy of the hub that started this session reaches JupyterLab (see docs/hub.md)."""
    trouble: str = ""
    """What is the matter with a session that is ready, in a sentence; empty when all is well."""
    unsaved: int = 0
    """How many documents that are open in browsers have changes that are not in their files; so their pages say."""
    stalled: str = ""
    """What to tell while the newest save is older than it should be; empty while it is not."""
    kept: str = ""
    """Why it was not ended though somebody asked for it, and until when it is kept; empty otherwise."""
    asked: LabAsks | None = None
    """What the Lab asks for, until the user says yes or no to it or it has waited for too long."""
    idle: str = ""
    """What to tell while nothing has happened for so long that it is about to be stopped, or would be; else empty."""
    idle_ends_at: datetime | None = None
    """When it is stopped for that; ``None`` while it is not about to be."""
    saving: Saving | None = None
    """``None`` when nothing is saved."""
    cluster: ClusterState | None = None
    """``None`` where there is none."""
    variables: tuple[KeptVariables, ...] = ()
    """What is kept of its notebooks' variables, as its agent told last; of each notebook that has any."""
    move: MoveState | None = None
    """Of the head to another machine; ``None`` where none was asked for."""
    standby: StandbyState | None = None
    """``None`` where none was asked for, and once the session ends."""
    progress: Progress | None = None
    """What the session waits for at present, where it is known how far that is."""
    providers_lost: int = 0
    notices: tuple[str, ...] = ()
    """What the user should know, a sentence each: a package that could not be restored, what recovery did."""

    @property
    def head(self) -> MachineState:
        """The machine that has the workspace and is opened by the link; one of which nothing is known, at first."""
        return self.machines[0] if self.machines else MachineState()

    @property
    def machines_in_use(self) -> tuple[MachineState, ...]:
        """Those that are its own at present, the head among them: a cluster lets some go while it runs."""
        return tuple(one for one in self.machines if self.stage.final or not one.stage.final)

    @property
    def price_per_hour(self) -> Decimal | None:
        """What all machines together cost at full load, as far as it is known; a standby as well."""
        paid = (*self.machines, *((self.standby,) if self.standby is not None else ()))
        known = [machine.price_per_hour for machine in paid if machine.price_per_hour is not None]
        return sum(known, Decimal(0)) if known else None

    @property
    def standby_has(self) -> datetime | None:
        """The moment up to which the standby has what was there; ``None`` where none is ready, or nothing is saved."""
        standby, saving = self.standby, self.saving
        if standby is None or standby.stage != "ready" or saving is None:
            return None
        return saving.saved_at if standby.generation == saving.generation else standby.saved_at

    @property
    def standby_behind(self) -> float | None:
        """How many seconds the standby is behind the head at this moment; ``None`` likewise."""
        has = self.standby_has
        return None if has is None else max((now() - has).total_seconds(), 0.0)
