"""What is known of machines beside a session's head that are to take its place: of a move, and of a standby."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict

from golem_launcher.events import Progress
from golem_launcher.units import duration


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
    over_at: datetime | None = None
    """When it was done or had failed."""

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
