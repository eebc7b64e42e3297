"""What is told of a machine that is made ready beside the head to take its place. The session itself has its head."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from golem_launcher.events import Progress, Stage
from golem_launcher.frozen_copy import changed
from golem_launcher.session.endpoints.machine_slot import HEAD, MachineRecorder
from golem_launcher.session_state import AGREED, MachineState

if TYPE_CHECKING:
    from golem_launcher.events import Event
    from golem_launcher.rental.payment.journal import AgreementEntry
    from golem_launcher.session.reporting.recorder import Recorder
    from golem_launcher.session_state import MoveState, SessionState, StandbyState

_STAGES = {Stage.NEGOTIATING: "searching", Stage.DEPLOYING: "preparing", Stage.STARTING: "preparing"}


class NewcomerRecord:
    """Where a newcomer's renting and its monitor write: into one field of the session's state."""

    def __init__(self, recorder: Recorder, field: str, state: MoveState | StandbyState, title: str) -> None:
        """``field``: of :class:`SessionState`, whose value is ``state`` from now on. ``title``: what people call it."""
        self._recorder = recorder
        self._field = field
        self._state = state
        self._title = title
        self.own = MachineState(number=HEAD)
        """What is known of its machine, which is none of the session's yet."""
        self.tell()

    def tell(self, **changes: Any) -> None:
        """Change fields of its own state. Raises ``KeyError`` for what is no field of it."""
        self._state = changed(self._state, changes)
        self._recorder.update(**{self._field: self._state})

    @property
    def state(self) -> SessionState:
        """The state of the whole session, as the head's recorder has it."""
        return self._recorder.state

    def enter(
        self,
        stage: Stage,
        reason: str = "",  # noqa: ARG002 - the session makes good no loss by it
        *,
        same_try: bool = False,  # noqa: ARG002 - likewise
    ) -> None:
        """The renting enters a stage; what its monitor sees afterwards is no stage of its own."""
        if stage in _STAGES:
            self.tell(stage=_STAGES[stage], progress=None)

    def update(self, **changes: Any) -> None:
        """Does nothing: what renting changes of a session's state is true of the head, not of a newcomer."""

    def machine(self, number: int, **changes: Any) -> None:  # noqa: ARG002 - it is the only one
        """Set fields of the newcomer's own state. It is not among the session's machines before it leads."""
        self.own = changed(self.own, changes)

    def agreed(self, entry: AgreementEntry, machine: int) -> None:  # noqa: ARG002 - the head's, once it leads
        """Called when the newcomer's provider has signed: keeps who that is and what it costs, and logs it."""
        chosen = {name: getattr(entry, name) for name in AGREED}
        self.own = changed(self.own, chosen)
        self.tell(**chosen)
        self.message(f"agreement with {entry.provider_name}")

    def message(self, text: str, level: str = "info") -> None:
        """Append a line to the session's log that says which newcomer it is about."""
        self._recorder.message(f"{self._title}: {text}", level)

    def event(self, event: Event) -> None:
        """It has none of its own: only a head is lost."""

    def progress(self, what: str, done: int, total: int, unit: str, detail: str = "") -> None:
        """Show that ``done`` of ``total`` units of ``what`` are through, as part of the move or the standby."""
        progress = Progress(what=what, done=done, total=total, unit=unit, detail=detail)
        self.tell(progress=None if progress.over else progress)

    def write_token(self, token: str, machine: int = 1) -> None:
        """Nobody is led there yet."""


class NewcomerRecorder(MachineRecorder):
    """Writes what happens to a newcomer: all of it goes into its own record."""

    def __init__(self, record: NewcomerRecord) -> None:
        super().__init__(record, HEAD)
        self._record = record

    @property
    def is_head(self) -> bool:
        """False until the newcomer leads; it has another recorder then."""
        return False

    @property
    def state(self) -> MachineState:
        """Of the newcomer, not of the head whose place it is to take."""
        return self._record.own

    def enter(self, stage: Stage, reason: str = "", *, same_try: bool = False) -> None:
        """Called by renting and by the monitor when the newcomer enters a stage."""
        self._record.enter(stage, reason, same_try=same_try)

    def message(self, text: str, level: str = "info") -> None:
        """Append a line to the session's log that says which newcomer it is about."""
        self._record.message(text, level)

    def progress(self, what: str, done: int, total: int, unit: str, detail: str = "") -> None:
        """Show how far a piece of work is."""
        self._record.progress(what, done, total, unit, detail)
