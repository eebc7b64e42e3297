"""What is known of a session as a whole."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field

from golem_launcher.events import LabAsks, Progress, Stage, now
from golem_launcher.session_state.machine import ClusterState, MachineState
from golem_launcher.session_state.newcomers import MoveState, StandbyState
from golem_launcher.session_state.saving import KeptVariables, Saving


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
    shared: bool = False
    """Whether it has a view-only link, by which others see its notebooks."""
    trouble: str = ""
    """What is the matter with a session that is ready, in a sentence; empty when all is well."""
    unsaved: int = 0
    """How many documents that are open in browsers have changes that are not in their files; so their pages say."""
    stalled: str = ""
    """What to tell while the newest save is older than it should be; empty while it is not."""
    not_ended: str = ""
    """Why it was not ended though somebody asked for it, and until when it goes on; empty otherwise."""
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
    failovers: int = 0
    """How often its standby took the place of a head that was lost."""
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
