"""What an exe-unit is made for, and the interface of the bus that it needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from golem_launcher.localnet.misbehaviour import Misbehaviour

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from golem_launcher.localnet.exeunit.image import BootableImage
    from golem_launcher.localnet.exeunit.manifest_script import PermittedScript
    from golem_launcher.localnet.exeunit.transfer import Progress
    from golem_launcher.node.gsb.calls import Handler


class UnitBus(Protocol):
    """The part of a bus client that an exe-unit needs (``GsbClient`` has it)."""

    async def call(self, address: str, payload: Any, *, caller: str = "", timeout: float = 30.0) -> Any:
        """Call a service."""

    async def register(self, prefix: str, handler: Handler) -> None:
        """Offer a service."""

    async def unregister(self, prefix: str) -> None:
        """Stop offering it."""


class FindImage(Protocol):
    """Finds the image of an agreement, and fetches it when it must."""

    async def __call__(self, progress: Progress, say: Callable[[str], None]) -> BootableImage:
        """``progress`` takes bytes, ``say`` a message; :class:`LauncherError` or ``OSError`` when there is no image."""


@dataclass(frozen=True)
class Assignment:
    """What an exe-unit is made for."""

    activity_id: str
    requestor_id: str
    directory: Path
    """Private to the activity; removed at its end."""
    image: FindImage | None = None
    """Finds the image to boot when it is deployed; ``None`` for the base image."""
    counters: Sequence[str] = ("golem.usage.cpu_sec", "golem.usage.duration_sec")
    """The offer's usage vector."""
    rates: Mapping[str, float] = field(default_factory=dict)
    """Counters of the provider's own: how much they grow in a second."""
    script: PermittedScript | None = None
    """The commands that the requestor's manifest allows; ``None`` for all."""
    end_seconds: float = 0.0
    """How long the end of the runtime takes at the least."""
    misbehaviour: Misbehaviour = field(default_factory=Misbehaviour)
