"""What is known of one machine of a session, and of the cluster that some are in."""

from __future__ import annotations

from decimal import Decimal

from pydantic import BaseModel, ConfigDict

from golem_launcher.events import Stage, Usage
from golem_launcher.gpus import Gpu, OfferedGpu, differences

AGREED = ("provider_id", "provider_name", "agreement_id", "wallet", "price_per_hour")
"""Fields of a machine's state that are those of its agreement, as the journal has it."""


class Tunnel(BaseModel):
    """What went through the tunnel to a machine so far, whoever was its provider: counted on this side."""

    model_config = ConfigDict(frozen=True)

    sent_bytes: int = 0
    received_bytes: int = 0
    connections: int = 0
    """That were asked for."""
    failures: int = 0
    """Those of them that the far side refused, or that broke."""
    reconnects: int = 0
    """How often one was tried anew, as the first try came to nothing."""
    round_trip: float | None = None
    """Seconds from the last question to its agent until the answer was here; ``None`` where none came."""


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
    tunnel: Tunnel | None = None
    """``None`` before it was ready."""
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
