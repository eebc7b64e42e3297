"""A machine that is made ready beside the head to take its place: what is told of it, and what is brought there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from golem_launcher.events import MoveState, Progress, Stage
from golem_launcher.session.image_and_packages import image_and_packages
from golem_launcher.session.provisioning import provision

if TYPE_CHECKING:
    from decimal import Decimal

    from golem_launcher.events import Event, SessionState
    from golem_launcher.rental.activity_batches import BulkTransfer
    from golem_launcher.request import LaunchRequest
    from golem_launcher.session.departure import Departure
    from golem_launcher.session.machine_endpoint import MachineEndpoint
    from golem_launcher.session.recorder import Recorder
    from golem_launcher.session.saves import Saves
    from golem_launcher.workspace.transfer.agent_workspace import AgentWorkspace

_STAGES = {Stage.NEGOTIATING: "searching", Stage.DEPLOYING: "preparing", Stage.STARTING: "preparing"}


class NewcomerRecord:
    """Where a newcomer's renting writes: how far the move is. The session itself is ready, with its head, meanwhile."""

    def __init__(self, recorder: Recorder, number: int) -> None:
        """``number``: which of the session's moves this is."""
        self._recorder = recorder
        self._move = MoveState(number=number)
        self.move()

    def move(self, **changes: Any) -> None:
        """Change fields of :class:`MoveState`."""
        self._move = self._move.model_copy(update=changes)
        self._recorder.update(move=self._move)

    @property
    def state(self) -> SessionState:
        """The session's."""
        return self._recorder.state

    def enter(self, stage: Stage, reason: str = "") -> None:  # noqa: ARG002 - it makes good no loss
        """The renting enters a stage."""
        self.move(stage=_STAGES[stage], progress=None)

    def update(self, **changes: Any) -> None:
        """Nothing of the session changes by it."""

    def machine(self, number: int, **changes: Any) -> None:
        """Nor of its machines."""

    def provider(
        self,
        provider_id: str,  # noqa: ARG002 - told when it is the head
        name: str,
        agreement_id: str,  # noqa: ARG002 - likewise
        price_per_hour: Decimal | None,
        *,
        wallet: str = "",  # noqa: ARG002 - likewise
        machine: int = 1,  # noqa: ARG002 - likewise
    ) -> None:
        """An agreement is confirmed."""
        self.move(provider_name=name, price_per_hour=price_per_hour)
        self.message(f"agreement with {name}")

    def message(self, text: str, level: str = "info") -> None:
        """Add a line to the session's messages."""
        self._recorder.message(f"The machine to go on at: {text}", level)

    def event(self, event: Event) -> None:
        """It has none of its own: only a head is lost."""

    def progress(self, what: str, done: float, total: float, unit: str = "") -> None:
        """A piece of work is that far."""
        self.move(progress=Progress(what=what, done=done, total=total, unit=unit) if done < total else None)

    def write_token(self, token: str, machine: int = 1) -> None:
        """Nobody is led there yet."""


class NewcomerFiles:
    """Brings the newcomer what was saved last, and what was saved since once the old machine is left.

    A store that can't be read is no newcomer's fault: ``MarketError`` would have another one tried in vain.
    """

    hold = True

    def __init__(
        self,
        request: LaunchRequest,
        endpoint: MachineEndpoint,
        saves: Saves,
        departure: Departure,
        record: NewcomerRecord,
    ) -> None:
        """``endpoint``: the newcomer's."""
        self._request = request
        self._endpoint = endpoint
        self._saves = saves
        self._departure = departure
        self._record = record
        self.generation: int | None = None
        """What it has by now."""

    async def attach(self, bulk: BulkTransfer) -> list[str]:
        """Its agent runs: leave the old machine once all that takes long is done; what to tell the user.

        Raises ``ProviderError`` when the newcomer fails, and other ``LauncherError`` when the move does.
        """
        from golem_launcher.workspace.transfer.agent_workspace import AgentWorkspace  # noqa: PLC0415 - as in saves.py

        async with AgentWorkspace(self._endpoint.dial_agent, token=self._endpoint.token, bulk=bulk) as agent:
            return await provision(
                agent, restored=lambda: self._bring(agent), inputs=[], packages=[], progress=self._record.progress
            )

    async def _bring(self, agent: AgentWorkspace) -> list[str]:
        from golem_launcher.workspace.transfer.restore import install, restore_into, update_to  # noqa: PLC0415

        before = await self._saves.newest()
        if before is None:
            notices = await install(agent, image_and_packages(self._request).packages, self._record.progress)
        else:
            notices = await restore_into(agent, self._saves.store, before, self._record.progress)
        self.generation = await self._departure.begin()
        after = await self._saves.newest()
        if after is not None:
            notices += await update_to(agent, self._saves.store, before, after, self._record.progress)
        return notices

    async def detach(self) -> None:
        """The newcomer is given up: the old machine goes on."""
        self._departure.undo()

    def saved_last(self) -> str:
        """Never asked: a newcomer that fails is no loss."""
        return ""
