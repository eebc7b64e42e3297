"""``LaunchRequest``: what a user asks of a session; which of its fields go together, and what they come to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import field_validator

from golem_launcher.networks import NETWORKS
from golem_launcher.request.checks import idle_seconds
from golem_launcher.request.model import MOST_WORKERS, RequestFields
from golem_launcher.software import SMALLEST, USUAL

if TYPE_CHECKING:
    from pydantic import ValidationInfo

_IDLE_SECONDS = 3600.0
"""Where time is money, and nothing else is asked for."""


class LaunchRequest(RequestFields):
    """What a user asks of a session. Frozen; every limit and message about it lives here and in its fields."""

    @field_validator("outbound_urls")
    @classmethod
    def _listed_are_named(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if info.data.get("outbound") == "listed" and not value:
            raise ValueError("'listed' needs at least one address it may reach")
        return value

    @field_validator("workers", "max_workers")
    @classmethod
    def _cluster_has_one_head(cls, value: int, info: ValidationInfo) -> int:
        if value and info.data.get("machines", 1) > 1:
            raise ValueError("workers are machines of their own: leave 'machines' at 1")
        return value

    @field_validator("standby")
    @classmethod
    def _standby_has_something_to_take_over(cls, value: int, info: ValidationInfo) -> int:
        if value and not (info.data.get("save", True) and info.data.get("recover", True)):
            raise ValueError("a standby goes on with what is saved when the first machine is lost: leave both on")
        return value

    @field_validator("workload")
    @classmethod
    def _cluster_is_of_notebooks(cls, value: str, info: ValidationInfo) -> str:
        if value != "lab" and (info.data.get("workers") or info.data.get("max_workers")):
            raise ValueError("a Dask cluster is for notebooks: take the workload 'lab', or no workers")
        return value

    @field_validator("idle")
    @classmethod
    def _idle_is_told(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value in {None, "none"}:
            return value
        if info.data.get("workload", "lab") != "lab":
            raise ValueError("only of JupyterLab it is known whether anybody uses it: take the workload 'lab'")
        if not info.data.get("save", True):
            raise ValueError("what is stopped by itself must be saved first: leave 'save' on")
        return value

    def changed(self) -> dict[str, Any]:
        """The fields that differ from the defaults, and the name, in their order."""
        plain = LaunchRequest.model_validate({"name": self.name})
        names = type(self).model_fields
        return {
            name: getattr(self, name) for name in names if name == "name" or getattr(self, name) != getattr(plain, name)
        }

    @property
    def idle_seconds(self) -> float | None:
        """After how many seconds in which nothing happened it ends; ``None`` where it goes on all the same."""
        if self.workload != "lab" or not self.save or self.idle == "none":
            return None
        if self.idle is None:
            return _IDLE_SECONDS if NETWORKS[self.network].money != "none" else None
        return idle_seconds(self.idle)

    @property
    def software_taken(self) -> str:
        """The choice of software that was asked for, else the usual one where an image has it."""
        if self.software is not None:
            return self.software
        return USUAL if self.workload == "lab" and not NETWORKS[self.network].image else SMALLEST

    @property
    def has_cluster(self) -> bool:
        """Whether there is a Dask cluster beside its notebooks."""
        return bool(self.workers or self.max_workers)

    @property
    def machines_wanted(self) -> int:
        """How many machines it begins with, workers included."""
        return self.machines + self.workers

    @property
    def machines_paid(self) -> int:
        """How many machines the budget is for: those that it begins with, and a standby."""
        return self.machines_wanted + self.standby

    @property
    def slots(self) -> int:
        """How many machines it may ever work with at a time."""
        return self.machines + (MOST_WORKERS if self.has_cluster else 0)

    @property
    def most_machines(self) -> int:
        """How many machines it may ever have at a time, a standby included."""
        return self.slots + self.standby

    @property
    def workspace(self) -> str:
        """The name of the workspace that this session saves into: the resumed one's, else its own."""
        return self.resume.partition("@")[0] if self.resume else self.name
