"""Writes what a session tells about itself: its state, its events, its token. In order, off the event loop."""

from __future__ import annotations

import asyncio
import functools
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from golem_launcher import clock
from golem_launcher.events import (
    CostChanged,
    GpuHandedBack,
    Idle,
    Message,
    Progress,
    ProviderChosen,
    ProviderLost,
    Stage,
    StageChanged,
    now,
)
from golem_launcher.frozen_copy import changed
from golem_launcher.progress_rate import Speed
from golem_launcher.session.reporting import notifications, start_trace
from golem_launcher.session_state import AGREED, MachineState, SessionState

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from golem_launcher.events import Event
    from golem_launcher.rental.payment.journal import AgreementEntry
    from golem_launcher.session.on_disk.directory import SessionDirectory

_LOG = logging.getLogger(__name__)
_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class Recorder:
    """The one writer of a session's state and events. ``state`` is current at once, the disk soon after."""

    def __init__(self, directory: SessionDirectory) -> None:
        self._directory = directory
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="recorder")
        self.state: SessionState = directory.state()
        self._speed = Speed()
        self._speed_of = ""
        self.unwritten = ""
        """Why the session's files can't be written at present, as the system says it."""

    def enter(self, stage: Stage, reason: str = "", *, same_try: bool = False) -> None:
        """The session enters a stage; nothing comes after a final one.

        A stage that is entered again is another try at it, unless it is told to be the ``same_try``.
        """
        if self.state.stage.final:
            return
        at = now()
        goes_on = same_try and stage is self.state.stage
        stages = self.state.stages if goes_on else (*self.state.stages, (stage, at))
        changes: dict[str, Any] = {"stage": stage, "reason": reason, "stages": stages, "progress": None}
        over = stage in {Stage.STOPPING, Stage.ENDED, Stage.FAILED}
        changes["machines"] = tuple(
            one.model_copy(update={"stage": stage, "trouble": "" if over else one.trouble})
            if over or one.number == 1
            else one
            for one in self.state.machines
        )
        if stage is Stage.READY and self.state.started_at is None:
            changes |= {"started_at": at, "ready_since_boot": clock.since_boot()}
        if stage.final:
            began = self.state.ready_since_boot
            ran = None if began is None else clock.since_boot() - began
            changes |= {"ended_at": at, "ran_seconds": ran, "trouble": ""}
        if stage.final or stage in {Stage.SAVING, Stage.STOPPING}:  # nothing keeps it running any more
            changes |= {"idle": "", "idle_ends_at": None}
        if stage in {Stage.ENDED, Stage.FAILED}:
            changes["address"] = None
        self.update(**changes)
        self._append(StageChanged(at=at, stage=stage, reason=reason))
        if stage.final or "started_at" in changes:
            self._tell_elsewhere("ended" if stage.final else "ready")
        if "started_at" in changes or (stage.final and self.state.started_at is None):
            self._submit(start_trace.begin, self._directory)
        _LOG.info("stage %s %s", stage.value, reason)

    def update(self, **changes: Any) -> None:
        """Change fields of the session's state. Raises ``KeyError`` for what is no field of it."""
        self.state = changed(self.state, changes)
        self._submit(self._directory.write_state, self.state)

    def message(self, text: str, level: str = "info") -> None:
        """Add a line to the messages that page and commands show; ``level``: info, warning or error."""
        _LOG.log(_LEVELS[level], "%s", text)
        self._append(Message.model_validate({"text": text, "level": level}))

    def event(self, event: Event) -> None:
        """Add an event to ``events.jsonl``; what it says to people is logged as well."""
        if event.line:
            _LOG.info("%s", event.line)
        self._append(event)
        if isinstance(event, ProviderLost) and event.machine == 1:
            self._tell_elsewhere("lost")
        elif isinstance(event, Idle):
            self._tell_elsewhere("idle")
        elif isinstance(event, GpuHandedBack):
            self._tell_elsewhere("gpu")

    def machine(self, number: int, **changes: Any) -> None:
        """Change the state of one machine. Raises ``KeyError`` for what is no field of it."""
        known = self.state.machines
        new = tuple(MachineState(number=one) for one in range(len(known) + 1, number + 1))
        machines = tuple(changed(one, changes) if one.number == number else one for one in (*known, *new))
        self.update(machines=machines)

    def agreed(self, entry: AgreementEntry, machine: int) -> None:
        """An agreement is confirmed, for a machine by its number."""
        self.machine(machine, **{name: getattr(entry, name) for name in AGREED})
        self._append(
            ProviderChosen(
                machine=machine,
                provider_id=entry.provider_id,
                provider_name=entry.provider_name,
                agreement_id=entry.agreement_id,
            )
        )

    def progress(self, what: str, done: int, total: int, unit: str, detail: str = "") -> None:
        """Show how far a piece of work is that the session waits for; see :class:`events.Progress`."""
        if self._speed_of != what:
            self._speed, self._speed_of = Speed(), what
        progress = Progress(what=what, done=done, total=total, unit=unit, rate=self._speed.at(done), detail=detail)
        self.update(progress=None if progress.over else progress)
        self._append(progress)

    def cost(self, cost: Decimal, billed: Decimal) -> None:
        """Write down what the session costs by now, and how much of it was billed and accepted; in its coin."""
        self.update(cost=cost)
        self._append(CostChanged(cost=cost, billed=billed))

    def left_out(self, left_out: dict[str, str]) -> None:
        """Write down which files of the workspace are not saved: the reason by path. Replaces what was there."""
        self._submit(self._directory.write_left_out, left_out)

    def write_token(self, token: str, machine: int = 1) -> None:
        """Keep the token that opens a machine's workload."""
        self._submit(functools.partial(self._directory.write_token, machine=machine), token)

    async def flush(self) -> None:
        """Wait until everything so far is on disk."""
        await asyncio.wrap_future(self._writer.submit(lambda: None))

    def close(self) -> None:
        """Write what is left and end the writer. Blocking."""
        self._writer.shutdown(wait=True)

    def _tell_elsewhere(self, kind: notifications.Kind) -> None:
        """After all that was said so far is on disk."""
        self._submit(functools.partial(notifications.begin, self._directory), kind)

    def _append(self, event: Event) -> None:
        self._submit(self._directory.append_event, event)

    def told(self) -> SessionState:
        """The state as the control socket tells it, also when the disk did not take it."""
        if not self.unwritten:
            return self.state
        trouble = f"Its files can't be written on this computer ({self.unwritten}). {self.state.trouble}"
        return self.state.model_copy(update={"trouble": trouble.rstrip()})

    def _submit(self, write: Callable[[Any], None], value: Any) -> None:
        self._writer.submit(self._write, write, value)

    def _write(self, write: Callable[[Any], None], value: Any) -> None:
        try:
            write(value)
        except OSError as error:  # a full disk must not end a session that runs
            self.unwritten = error.strerror or str(error)
            _LOG.exception("could not write")
        else:
            self.unwritten = ""
