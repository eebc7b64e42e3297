"""The place of one machine in a session: it stays while providers come and go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from golem_launcher.events import ProviderLost, Stage, Used, now
from golem_launcher.session_state import MachineState

if TYPE_CHECKING:
    from pathlib import Path

    from golem_launcher.events import Event, Usage
    from golem_launcher.gpus import OfferedGpu
    from golem_launcher.rental.activity_batches import ActivityTransfer
    from golem_launcher.rental.payment.journal import AgreementEntry
    from golem_launcher.session.endpoints.machine_endpoint import MachineEndpoint
    from golem_launcher.session_state import SessionState
    from golem_launcher.workload.base import Workload

HEAD = 1
"""The number of the machine that has the session's workspace, and is opened by its link."""


class MachineFiles(Protocol):
    """What becomes of the files of one machine, through all its providers. The renting of its slot calls it."""

    @property
    def hold(self) -> bool:
        """Whether something must be in the provider before its workload starts."""

    async def attach(self, bulk: ActivityTransfer) -> list[str]:
        """The agent runs in another provider: put there what must be there; what to tell the user."""

    async def detach(self) -> None:
        """Let go of the present provider."""

    def saved_last(self) -> str:
        """What became of the files of one whose provider is gone, in words."""


class SessionRecorder(Protocol):
    """Where a :class:`MachineRecorder` writes: the session's recorder, or what tells of a machine that is to be."""

    @property
    def state(self) -> SessionState:
        """The session's state as it was written last."""

    def enter(self, stage: Stage, reason: str = "", *, same_try: bool = False) -> None:
        """The session enters a stage with its head; ``same_try``: the one it is in goes on, and is told anew."""

    def update(self, **changes: Any) -> None:
        """Change fields of the session's state."""

    def machine(self, number: int, **changes: Any) -> None:
        """Set these fields of :class:`~golem_launcher.session_state.MachineState` for the machine of that number."""

    def agreed(self, entry: AgreementEntry, machine: int) -> None:
        """An agreement is confirmed, for a machine by its number."""

    def message(self, text: str, level: str = "info") -> None:
        """Append a line to the log that page and commands show. ``level``: ``info``, ``warning`` or ``error``."""

    def event(self, event: Event) -> None:
        """Append an event to the session's ``events.jsonl``, from which its state follows."""

    def progress(self, what: str, done: int, total: int, unit: str, detail: str = "") -> None:
        """Show that ``done`` of ``total`` units of ``what`` are through; the line disappears once all are."""

    def write_token(self, token: str, machine: int = 1) -> None:
        """Keep the token that opens a machine's workload."""


class MachineRecorder:
    """Writes what happens to one machine into the session's state and events.

    The renting, the monitor and the pool call it. What is said of the head is said of the session; other machines are
    named by their number.
    """

    def __init__(self, recorder: SessionRecorder, number: int) -> None:
        self._recorder = recorder
        self.number = number

    @property
    def is_head(self) -> bool:
        """Whether this is the head, whose stage and trouble are the session's."""
        return self.number == HEAD

    @property
    def state(self) -> MachineState:
        """The machine's state as it was written last; an empty one before anything was."""
        known = self._recorder.state.machines
        return known[self.number - 1] if len(known) >= self.number else MachineState(number=self.number)

    def enter(self, stage: Stage, reason: str = "", *, same_try: bool = False) -> None:
        """The machine enters a stage; ``reason`` is a sentence for the user. The head takes the session with it."""
        if self.is_head:
            self._recorder.enter(stage, reason, same_try=same_try)
        else:
            self._recorder.machine(self.number, stage=stage)

    def update(self, **changes: Any) -> None:
        """Change fields of :class:`MachineState`. Raises ``KeyError`` for what is no field of it."""
        self._recorder.machine(self.number, **changes)

    def used(self, usage: Usage) -> None:
        """Write down what it uses by now; of the head, what lost machines used is kept as well."""
        if self.is_head:
            saving = self._recorder.state.saving
            saved_at = None if saving is None else saving.saved_at
            age = None if saved_at is None else max((now() - saved_at).total_seconds(), 0.0)
            self._recorder.event(Used(usage=usage, save_age=age))

    def trouble(self, text: str) -> None:
        """Say what is wrong with it at present, in a sentence; empty when nothing is."""
        if text != self.state.trouble:
            self.update(trouble=text)
        if self.is_head and text != self._recorder.state.trouble:
            self._recorder.update(trouble=text)

    def message(self, text: str, level: str = "info") -> None:
        """Add a line to the session's messages; ``level``: info, warning or error."""
        self._recorder.message(text if self.is_head else f"Machine {self.number}: {text}", level)

    def notice(self, text: str) -> None:
        """Tell the user something; what concerns the head stays on its card."""
        if self.is_head:
            self._recorder.update(notices=(*self._recorder.state.notices, text))
        self.message(text, "warning")

    def progress(self, what: str, done: int, total: int, unit: str, detail: str = "") -> None:
        """Show how far a piece of work is; ``unit``: bytes, packages. Only of the head, which the session waits for."""
        if self.is_head:
            self._recorder.progress(what, done, total, unit, detail)

    def agreed(self, entry: AgreementEntry, gpus: tuple[OfferedGpu, ...]) -> None:
        """Its agreement is confirmed: called by the renting before the activity is asked for. ``gpus``: as offered."""
        self._recorder.agreed(entry, self.number)
        self.update(gpus=None, gpus_offered=gpus)

    def token(self, token: str) -> None:
        """Keep the token that opens its workload from now on; the page and the commands read it to make links."""
        self._recorder.write_token(token, self.number)

    def lost(self, provider_name: str, reason: str) -> None:
        """Add the loss of its provider to the events; ``reason``: why, in a sentence."""
        self._recorder.event(ProviderLost(machine=self.number, provider_name=provider_name, reason=reason))

    def count_loss(self) -> None:
        """Count a loss and clear what was known of the lost provider. Called once per loss, after :meth:`lost`."""
        state = self._recorder.state
        self._recorder.update(providers_lost=state.providers_lost + 1, money_ends_at=None)
        self.trouble("")
        self.update(activity_id=None, ip=None, usage=None, gpus=None, lost=self.state.lost + 1)


@dataclass(frozen=True)
class MachineSlot:
    """The place of the machine ``recorder.number``."""

    workload: Workload
    """What its machine runs."""
    endpoint: MachineEndpoint
    recorder: MachineRecorder
    files: MachineFiles
    log: Path
    """Where what it logs is kept."""

    @property
    def is_head(self) -> bool:
        """Whether this is the head's slot: its machine has the session's workspace."""
        return self.recorder.is_head
