"""``python -m golem_launcher.session.supervision.supervisor NAME``: the process that owns one session, to its bill."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import tempfile
import time
from typing import TYPE_CHECKING

from golem_launcher import files, paths, untrusted_text
from golem_launcher.access.sockets.loopback_address import reserved
from golem_launcher.errors import LauncherError, SessionError
from golem_launcher.events import STOPPED, Stage
from golem_launcher.session import timeouts
from golem_launcher.session.cleanup import reaper
from golem_launcher.session.on_disk import parked_address, view_only_link
from golem_launcher.session.on_disk.directory import session_directory
from golem_launcher.session.on_disk.directory_repair import DirectoryRepair
from golem_launcher.session.reporting.recorder import Recorder
from golem_launcher.session.supervision import preload
from golem_launcher.session.supervision.control import ControlServer
from golem_launcher.session.supervision.last_save import Unsaved
from golem_launcher.session.suspension import caretaker_process
from golem_launcher.session.suspension.suspension import is_suspended, parked_of
from golem_launcher.waiting import cancel_all

if TYPE_CHECKING:
    from typing import Any

    from golem_launcher.session.on_disk.directory import SessionDirectory

_LOG = logging.getLogger(__name__)
_LOCK_SECONDS = 5.0
_LONGEST_RECORD = 8000
_GUARD_SECONDS = 1.0
_NO_ADDRESS = "Its address could not be kept on this computer's disk, so it is not suspended."
_CARETAKER_SECONDS = 5.0
"""So long it may take to be at a session's address."""
_POLL_SECONDS = 0.02
_LOOK_SECONDS = 0.5
"""How often a session whose end was put off is looked at."""


class Supervisor:
    """Runs a session and listens for commands meanwhile."""

    def __init__(self, directory: SessionDirectory, lock: int) -> None:
        """``lock`` is the open descriptor of the session's lock file, which is held."""
        self._directory = directory
        self._recorder = Recorder(directory)
        from golem_launcher.session.supervision.commands import Commands  # noqa: PLC0415 - as below
        from golem_launcher.session.supervision.run import SessionRun  # noqa: PLC0415 - its many modules load meanwhile

        self._run = SessionRun(directory, self._recorder)
        self._commands = Commands(self._run)
        self._guard = DirectoryRepair(directory, directory.request(), lock)
        self._why = STOPPED
        """Why it ends before its time."""
        self._stop = asyncio.Event()
        self._force = asyncio.Event()
        """End without saving and without waiting for anybody."""
        self._is_unwanted = False
        """Whether a command asked for its end; a signal, as of a computer that shuts down, is no word of its user's."""
        self._save_seconds = timeouts.LAST_SAVE
        self._environment = dict(os.environ)
        """As it was before this process was led to its node."""

    async def main(self) -> None:
        """Run the session to its end. Raises nothing; the end is in the session's state."""
        commands = {
            "stop": self._on_stop,
            "abort": self._on_abort,
            "state": self._on_state,
            **self._commands.by_name,
        }
        control = ControlServer(self._directory.control_socket, commands)
        watching = asyncio.create_task(self._watch_directory(control))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)
        seen_at: str | None = None
        with contextlib.ExitStack() as address:
            try:
                await control.start()
                outcome, reason = await self._to_the_end()
                stage = Stage.SUSPENDED if self._is_suspended(outcome) else outcome
                if stage is Stage.SUSPENDED and is_suspended(self._directory):
                    reason = f"It could not be woken up. {reason}"
                self._recorder.enter(Stage.STOPPING, reason)
                self._run.say_ended(suspended=stage is Stage.SUSPENDED)
                seen_at = self._run.seen_at
                if stage is Stage.SUSPENDED:
                    self._reserve(address)
                left_over = await self._run.close()
                if stage is Stage.SUSPENDED and not self._is_suspended(outcome):  # as somebody asked meanwhile
                    stage, reason = Stage.ENDED, self._why
                reason = " ".join(filter(None, (reason, left_over)))
                if stage is Stage.SUSPENDED and not self._keeps_address(reason):
                    stage, reason = Stage.ENDED, f"{reason} {_NO_ADDRESS}"
                self._recorder.enter(stage, reason)
            finally:
                await cancel_all(watching)
                await control.aclose()
                await self._recorder.flush()
                self._recorder.close()
                self._park(seen_at)
                await self._hand_over()

    def _is_suspended(self, stage: Stage) -> bool:
        """Whether a session whose work is over, with this last ``stage``, is so until somebody comes to its address."""
        if is_suspended(self._directory):  # it could not be woken up
            return not self._is_unwanted
        return stage is Stage.ENDED and self._run.is_suspended and not self._stop.is_set()

    def _reserve(self, address: contextlib.ExitStack) -> None:
        """Let no other program have the ``address`` of a session that is suspended, until the caretaker has it.

        Nor that of its view-only link, where there is one.
        """
        path = self._directory.path
        with contextlib.suppress(OSError):
            address.enter_context(reserved(parked_of(self._recorder.state, parked_address.of(path)).place))
        link = view_only_link.of(path)
        if link is not None:
            with contextlib.suppress(OSError):
                address.enter_context(reserved(link.place))

    async def _hand_over(self) -> None:
        """Wait until the caretaker is at the address of a session that is suspended."""
        loop_time = asyncio.get_running_loop().time
        end = loop_time() + _CARETAKER_SECONDS
        while self._recorder.state.stage is Stage.SUSPENDED and loop_time() < end:
            if await asyncio.to_thread(parked_address.is_answered, self._directory.path):
                return
            await asyncio.sleep(_POLL_SECONDS)

    def _keeps_address(self, reason: str) -> bool:
        """Park the address of a session that is suspended for this ``reason``; whether the disk took that."""
        state, path = self._recorder.state.model_copy(update={"reason": reason}), self._directory.path
        try:
            kept = parked_of(state, parked_address.of(path))
            parked_address.park(path, kept)
        except OSError:
            _LOG.exception("its address could not be parked")
            return False
        self._recorder.update(address=kept.address)  # of one that could not be woken up it is that of before
        return True

    def _park(self, seen_at: str | None) -> None:
        """Have somebody answer at its address, where it is of use; ``seen_at``: the address, if anybody opened it."""
        state, path = self._recorder.state, self._directory.path
        try:
            if state.stage is not Stage.SUSPENDED and seen_at is not None:
                parked_address.park(path, parked_address.of_ended(seen_at, parked_address.told_at_end(state)))
            elif state.stage is not Stage.SUSPENDED:
                parked_address.leave(path)
            caretaker_process.begin(self._environment)
        except OSError:
            _LOG.exception("nobody answers at its address")

    async def _to_the_end(self) -> tuple[Stage, str]:
        """Work until the session is over or somebody ends it, then save: the last stage, and the reason.

        Who ends it while something can't be saved is told what, and it goes on for a while: see :meth:`_put_off_end`.
        """
        loop_time = asyncio.get_running_loop().time
        work = asyncio.create_task(self._run.work())
        first: float | None = None
        """When its end was put off."""
        try:
            while True:
                await self._either(work, self._stop)
                self._run.ending = self._stop.is_set()
                unsaved = await self._save_last(work)
                if work.done() or not unsaved.at_stake or self._force.is_set():
                    break
                first = first or loop_time()
                if loop_time() >= first + unsaved.patience:
                    break
                await self._put_off_end(work, unsaved.words, first + unsaved.patience)
            stage, reason = _outcome(work) if work.done() else (Stage.ENDED, self._why)
            if stage is Stage.FAILED and self._run.ending:
                stage, reason = Stage.ENDED, f"{self._why} {reason}"
            elif stage is Stage.FAILED:
                self._recorder.message(reason, "error")
            return stage, " ".join(filter(None, (reason, unsaved.words)))
        finally:
            await cancel_all(work)

    async def _save_last(self, work: asyncio.Task[str]) -> Unsaved:
        """Save before the end, unless that is not wanted; what was not saved."""
        saving = asyncio.create_task(self._run.save_last(self._save_seconds))
        forced = asyncio.create_task(self._force.wait())
        try:
            if not work.done():
                await asyncio.wait({saving, forced, work}, return_when=asyncio.FIRST_COMPLETED)
            if work.done() and _outcome(work)[0] is Stage.FAILED:  # with its provider all is lost that was not saved
                return saving.result() if saving.done() else Unsaved()
            await asyncio.wait({saving, forced}, return_when=asyncio.FIRST_COMPLETED)
            return saving.result() if saving.done() else Unsaved("It was ended by force, without a last save.")
        finally:
            await cancel_all(saving, forced)

    async def _put_off_end(self, work: asyncio.Task[str], unsaved: str, until: float) -> None:
        """Go on until the end is to be tried again: it is asked for again, all is saved, or the grace is over."""
        loop_time = asyncio.get_running_loop().time
        self._stop.clear()
        self._run.put_off_end(unsaved, until - loop_time())
        while not self._stop.is_set() and not work.done():
            await self._either(work, self._stop, _LOOK_SECONDS)
            if self._run.all_saved or loop_time() >= until:
                self._stop.set()
        self._recorder.update(not_ended="")

    async def _watch_directory(self, control: ControlServer) -> None:
        """End the session in order when its directory is taken from under it, and make that again."""
        while True:
            await asyncio.sleep(_GUARD_SECONDS)
            gone = self._guard.gone
            if not gone and not self._guard.shut:
                continue
            if self._why == STOPPED:
                what = "was deleted" if gone else "can't be written to any more"
                self._why = f"Its directory {self._directory.path} {what}, so it was ended."
                _LOG.error("%s", self._why)
                self._recorder.message(self._why, "error")
                self._stop.set()
            if gone:  # again and again: whoever deletes may not be done
                try:
                    await asyncio.to_thread(self._guard.make_again)
                    await control.renew()
                    await self._run.refill_directory()
                except OSError:
                    _LOG.exception("its directory could not be made again")

    async def _either(self, work: asyncio.Task[str], event: asyncio.Event, seconds: float | None = None) -> None:
        waiting = asyncio.create_task(event.wait())
        await asyncio.wait({work, waiting}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        await cancel_all(waiting)

    def _on_signal(self) -> None:
        if self._stop.is_set():
            self._end_by_force()
        self._stop.set()

    def _end_by_force(self) -> None:
        self._run.hurry = True
        self._force.set()

    async def _on_stop(self, arguments: dict[str, Any]) -> dict[str, Any]:
        self._is_unwanted = True
        self._why = str(arguments.get("why") or self._why)
        self._recorder.update(not_ended="")  # who asked waits for what comes now
        await self._recorder.flush()
        self._stop.set()
        return {"stage": self._recorder.state.stage.value}

    async def _on_abort(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """End soon: with a quick last save, or ``force`` even without."""
        self._run.hurry = True
        self._save_seconds = timeouts.QUICK_SAVE
        if arguments.get("force"):
            self._end_by_force()
        return await self._on_stop(arguments)

    async def _on_state(self, _arguments: dict[str, Any]) -> dict[str, Any]:
        return {"state": self._recorder.told().model_dump(mode="json")}


def _outcome(work: asyncio.Task[str]) -> tuple[Stage, str]:
    """How the work of a session ended, and why."""
    try:
        return Stage.ENDED, work.result()
    except LauncherError as error:
        return Stage.FAILED, str(error)
    except Exception as error:  # noqa: BLE001 - the user must hear of it
        _LOG.exception("the session failed")
        reason = untrusted_text.clean_line(f"{type(error).__name__}: {error}", longest=300)
        return Stage.FAILED, f"Something unexpected happened ({reason}). See supervisor.log."


class _CleanFormatter(logging.Formatter):
    """Log records may hold a provider's words: short and plain ones only."""

    def format(self, record: logging.LogRecord) -> str:
        return untrusted_text.clean_text(super().format(record)[:_LONGEST_RECORD])


def main() -> int:
    """Run the supervisor of the session that the first argument names."""
    handler = logging.StreamHandler()  # to stderr, which takes every letter, whatever the terminal's encoding was
    handler.setFormatter(_CleanFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=os.environ.get("GOLEM_LAUNCHER_LOG", "INFO").upper(), handlers=[handler])
    directory = session_directory(sys.argv[1])
    # Held until the process ends, however it ends: who finds it free knows that no supervisor lives.
    lock = os.open(directory.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    end = time.monotonic() + _LOCK_SECONDS
    while not files.try_lock(lock):  # somebody may be looking whether we live
        if time.monotonic() > end:
            raise SessionError(f"The session '{directory.name}' has a supervisor already.")
        time.sleep(0.02)
    if directory.state().stage.final:
        return 0
    with reaper.at_hand(directory):
        _supervise(directory, lock)
    reaper.begin(directory)  # where somebody has ended it meanwhile
    return 0


def _supervise(directory: SessionDirectory, lock: int) -> None:
    directory.sweep()
    # What yapapi sends has the session's token in it, and a killed process leaves its temporary files to whoever comes.
    tempfile.tempdir = str(paths.private_directory(directory.scratch))
    preload.begin()
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(Supervisor(directory, lock).main())
    finally:
        directory.sweep()


if __name__ == "__main__":
    sys.exit(main())
