"""Keeps a notebook's variables after each cell, and brings them back when the notebook goes on from a save."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import os
import threading
import time
from typing import TYPE_CHECKING, Any

from . import PLACE, signal_files, state_report
from .chunk_files import ChunkFiles, kept_in
from .definitions import Definitions
from .extension import SUSPECTED, TAKING
from .forked import ForkedSave
from .gpu_copies import GpuCopies
from .left_out_variables import LeftOutVariables
from .pickler import Limits
from .restoring import LOST, SAVED, Restored, restore
from .saving import MOST_BYTES, SECONDS, inside, save

if TYPE_CHECKING:
    from collections.abc import Callable

_TAKEN = ".taken"
"""A ticket whose state was taken up is called so: a kernel that is restarted keeps its own there."""
_SETTLED_SECONDS = 2.0
"""After a state was taken up, until it is known that Jupyter's server outlived that."""
_IDLE_SECONDS = 0.5
"""After the last cell: cells that are run together are kept together."""
_HURRY_LOOK_SECONDS = 0.1
"""While something waits to be kept: whether it has to be at once, because the session is saved."""
_LATEST_SECONDS = 5.0
"""What took longer is kept at the end of its cell, as cells that follow at once leave no moment between them."""
_LOOK_SECONDS = 0.1
_COPY_SECONDS, _COPY_PAUSE = 0.02, 0.01
"""What is on a GPU is copied for so long at a time, and with such a pause: a cell that comes waits no longer."""
_SHOW_SECONDS = 5.0
"""Who asks for the table waits so long for a save that is under way."""
_LAST_SECONDS = 2.0
"""For the last save, as the kernel ends: Jupyter ends who takes longer."""
_PAUSE = 4.0
"""Times as long as a save took, before the next one."""
_LONGEST_PAUSE = 60.0


def _harmless(method: Callable[..., None]) -> Callable[..., None]:
    """What goes wrong in it is told in the kernel's log, and is nobody's cell's fault."""

    @functools.wraps(method)
    def guarded(self: NotebookVariables, *arguments: Any) -> None:
        try:
            method(self, *arguments)
        except Exception as error:  # noqa: BLE001 - whatever it is
            self.say(f"The kernel's state: {type(error).__name__}: {error}")

    return guarded


class NotebookVariables:
    """The variables of the notebook whose kernel has this ``shell``. Made once, as the kernel starts.

    ``directory`` is where they are kept; ``ticket`` a file that says, once, that another state comes back.
    """

    def __init__(self, shell: Any, directory: str, ticket: str) -> None:
        self._shell = shell
        place = (ticket and _read(ticket + _TAKEN)) or directory
        self._files = ChunkFiles(place)
        """Once there was a ticket, those of the state that was taken up."""
        self._root = os.path.dirname(directory).removesuffix(PLACE)
        self._ticket = ticket
        """Until the first cell has run."""
        self._mark = ticket
        self._marked = False
        """Whether whoever waits for a save is told that there is something to keep."""
        self._hurried = signal_files.hurried(ticket)
        self._definitions = Definitions()
        self._left_out = LeftOutVariables(place)
        self._were_kept = set(kept_in(self._files.newest() or {}))
        """Names whose values saves may have: of this kernel, and of the last state before it."""
        self._announced: set[str] = set()
        self._broken: dict[str, tuple[int, str]] = {}
        """Names whose value ended a save: which value, and how."""
        self._came_back: Restored | None = None
        self._untold = ""
        self._kept: dict[str, Any] | None = None
        """The last answer of a save."""
        self._kept_at = 0.0
        self._trouble = ""
        self._dirty = self._busy = False
        self._since = 0.0
        """When the first cell began that is not kept."""
        self._running: ForkedSave | None = None
        self._copies: GpuCopies | None = None
        """For the next save, until the next cell."""
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._not_before = 0.0
        events = shell.events
        events.register("pre_execute", self._before)
        events.register("pre_run_cell", self._tell)
        events.register("post_execute", self._after)
        events.register("post_run_cell", self._heard)
        shell.register_magic_function(self.state, "line", "state")
        self._process = os.getpid()
        atexit.register(self._last)  # called before IPython's own, which was there earlier and forgets all variables

    def say(self, text: str) -> None:
        """A line for the kernel's log."""
        with contextlib.suppress(Exception):
            self._shell.kernel.log.warning(text)

    # What the kernel calls

    @_harmless
    def _before(self) -> None:
        self._busy = True
        self._copies = None
        self._mark_unkept(unkept=False)  # as long as it runs nothing can be kept: nobody waits for it
        if not self._dirty:
            self._since = time.monotonic()
        if self._ticket and os.path.exists(self._ticket):
            directory = _read(self._ticket)
            taking, server = self._ticket + TAKING, os.getppid()
            suspected = os.path.join(os.path.dirname(self._ticket), os.path.basename(directory) + SUSPECTED)
            os.symlink(directory, taking)  # first: it may end the kernel, or its server
            os.replace(self._ticket, self._ticket + _TAKEN)
            self._ticket = ""
            self._files = ChunkFiles(directory)
            self._left_out = LeftOutVariables(directory)
            self._came_back = restore(self._files, self._shell.user_ns, self._root)
            settled = threading.Timer(_SETTLED_SECONDS, _taken, (server, taking, suspected))
            settled.daemon = True
            settled.start()
            if self._came_back is not None:
                for name, (source, value) in self._came_back.definitions.items():
                    self._definitions.take(name, source, value)
                self._left_out.names.update(self._came_back.left_out)
                self._were_kept.update(name for name, fate in self._came_back.fates.items() if fate.what == SAVED)
                self._untold = state_report.line(self._came_back.fates, self._came_back.left_out)

    @_harmless
    def _tell(self, _info: Any = None) -> None:
        text, self._untold = self._untold, ""
        if text:
            print(text)  # noqa: T201 - into the notebook

    def _after(self) -> None:
        self._busy = False

    @_harmless
    def _heard(self, result: Any) -> None:
        self._ticket = ""  # who has run a cell has variables already
        cell = result.info.raw_cell
        if cell.lstrip().startswith("%%"):
            cell = cell.lstrip().partition("\n")[2]  # of `%%time` and the like
        future = bool(self._shell.compile.flags & _annotations_flag())
        self._definitions.hear(self._shell.transform_cell(cell), self._shell.user_ns, future=future)
        self._dirty = True
        self._mark_unkept(unkept=True)
        if threading.current_thread() is not threading.main_thread():
            return  # a subshell's cell waits for the next of the main one
        now = time.monotonic()
        if now - self._since > _LATEST_SECONDS and now >= self._not_before and self._running is None:
            self._save_between_cells()
        else:
            self._later(_IDLE_SECONDS)

    # In the kernel's idle moments

    def _later(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due = max(time.monotonic() + seconds, self._not_before)
        self._wait()

    def _wait(self) -> None:
        """Until it is due, or somebody is in a hurry."""
        seconds = min(self._due - time.monotonic(), _HURRY_LOOK_SECONDS)
        self._timer = asyncio.get_running_loop().call_later(max(seconds, 0.0), self._save)

    @_harmless
    def _save(self) -> None:
        self._timer = None
        if self._busy or not self._dirty or self._running is not None:
            return  # the cell's end, or the save's, is soon enough
        hurried, self._hurried = self._hurried, signal_files.hurried(self._mark)
        if hurried == self._hurried and time.monotonic() < self._due:
            self._wait()
            return
        self._due = time.monotonic()
        if self._copies is None:
            self._copies = self._new_copies()
        if not self._copies.go_on(_COPY_SECONDS):
            self._timer = asyncio.get_running_loop().call_later(_COPY_PAUSE, self._save)
            return
        copies, self._copies = self._copies, None
        self._begin_save(copies)
        asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._look)

    def _save_between_cells(self) -> None:
        """What is not copied from a GPU in a moment is, once no cell waits."""
        copies = self._new_copies()
        is_whole = copies.go_on(_COPY_SECONDS)
        self._begin_save(copies)
        self._dirty = not is_whole
        asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._look)

    @_harmless
    def _last(self) -> None:
        """As the kernel ends: what the last cell changed, where that is not kept yet."""
        if os.getpid() != self._process:  # a copy that a program of the user's made
            return
        end = time.monotonic() + _LAST_SECONDS
        while (self._running is not None or self._dirty) and time.monotonic() < end:
            if self._running is None:
                copies = self._new_copies()
                while not copies.go_on(_COPY_SECONDS) and time.monotonic() < end:
                    time.sleep(_COPY_PAUSE)
                self._begin_save(copies)
            elif self._running.has_ended():
                self._running = None
            else:
                time.sleep(_LOOK_SECONDS / 4)
        self._mark_unkept(unkept=False)

    def _new_copies(self) -> GpuCopies:
        variables, broken = self._variables(), self._broken_in_use()
        wanted = [variables[name] for name in variables if name not in self._left_out.names and name not in broken]
        return GpuCopies(wanted, self._apart(), MOST_BYTES)

    def _begin_save(self, copies: GpuCopies) -> None:
        self._dirty = False
        variables, broken = self._variables(), self._broken_in_use()

        def work(begins: Callable[[list[str]], None]) -> dict[str, Any]:
            return state_report.summary(
                save(
                    self._files,
                    variables,
                    self._definitions.current(variables),
                    limits=Limits(MOST_BYTES, SECONDS),
                    left_out=self._left_out.names,
                    already_lost=broken,
                    directory=inside(self._root),
                    apart=self._apart(),
                    on_gpu=copies.of,
                    begins=begins,
                )
            )

        self._running = ForkedSave(work)

    @_harmless
    def _look(self) -> None:
        if self._running is None:
            return
        if self._running.has_ended():
            self._take(self._running)
        else:
            asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._look)

    def _take(self, running: ForkedSave) -> None:
        """What a save that has ended came to."""
        self._running = None
        self._trouble = running.why
        if running.answer is not None:
            self._kept, self._kept_at = running.answer, time.monotonic()
            self._were_kept |= state_report.saved_in(self._kept)
            self._announce(state_report.beyond_limits(self._kept))
            took = self._kept_at - running.began
            self._not_before = self._kept_at + min(_PAUSE * took, _LONGEST_PAUSE)
        elif running.names:
            variables = self._variables()
            known = len(self._broken)
            self._broken.update(
                {name: (id(variables[name]), running.why) for name in running.names if name in variables}
            )
            self._dirty = self._dirty or len(self._broken) > known
            self._trouble = ""
        else:
            self.say(f"The kernel's state could not be kept: {running.why}")
        if not self._dirty:
            self._mark_unkept(unkept=False)
        elif not self._busy:
            self._later(_IDLE_SECONDS)

    def _mark_unkept(self, *, unkept: bool) -> None:
        if self._mark and unkept != self._marked:
            self._marked = unkept
            with contextlib.suppress(OSError):
                (signal_files.mark if unkept else signal_files.unmark)(self._mark)

    def _announce(self, beyond: dict[str, str]) -> None:
        """With the next cell, and once: people count on what they have."""
        new = {name: why for name, why in beyond.items() if name not in self._announced}
        self._announced.update(new)
        if new:
            self._untold = "\n".join(filter(None, (self._untold, state_report.not_kept(new))))

    def _apart(self) -> tuple[object, ...]:
        """What makes no variables share."""
        kernel = getattr(self._shell, "kernel", None)
        return self._shell, self._shell.user_ns, self._shell.user_module, kernel

    def _broken_in_use(self) -> dict[str, str]:
        """Names that still have a value that ended a save; and how."""
        user_ns = self._shell.user_ns
        return {name: why for name, (which, why) in self._broken.items() if id(user_ns.get(name)) == which}

    def _variables(self) -> dict[str, Any]:
        hidden = self._shell.user_ns_hidden
        return {
            name: value
            for name, value in self._shell.user_ns.items()
            if not name.startswith("_") and (name not in hidden or hidden[name] is not value)
        }

    # What the user calls

    def state(self, line: str) -> None:
        """Show which variables are kept, and come back when the notebook goes on from a save.

        %state             what is kept, and what is not and why
        %state leave NAME  leave variables out from now on
        %state keep NAME   take them back
        """
        what, *names = line.replace(",", " ").split() or [""]
        if what and not (what in {"leave", "keep"} and names):
            print("%state, %state leave NAME, %state keep NAME")  # noqa: T201 - into the notebook
            return
        end = time.monotonic() + _SHOW_SECONDS
        while self._running is not None and time.monotonic() < end:
            if self._running.has_ended():
                self._take(self._running)
            else:
                time.sleep(_LOOK_SECONDS / 2)
        said = {"leave": self._leave, "keep": self._keep}[what](names) if what else []
        lost = {} if self._came_back is None else self._came_back.fates
        lost = {name: fate for name, fate in lost.items() if fate.what == LOST}
        seconds = time.monotonic() - self._kept_at
        trouble = "it is being kept at the moment" if self._running is not None else self._trouble
        said.append(state_report.text(self._kept, seconds, sorted(self._left_out.names), lost, trouble))
        print("\n".join(said))  # noqa: T201 - likewise

    def _leave(self, names: list[str]) -> list[str]:
        """Leave them out; what is to be said of it."""
        variables = self._variables()
        absent = [name for name in names if name not in variables]
        being_kept = variables if self._running is not None else ()
        held = [name for name in names if name in self._were_kept or name in being_kept]
        said = [f"There is no variable {', '.join(absent)} now; one of that name will be left out."] if absent else []
        said += [f"Saves that were made before may still hold {', '.join(held)}."] if held else []
        self._not_before = 0.0  # what is written has them until the next one
        return [*said, *_written(lambda: self._left_out.add(names))]

    def _keep(self, names: list[str]) -> list[str]:
        """Take them back; what is to be said of it."""
        others = [name for name in names if name not in self._left_out.names]
        back = [name for name in names if name in self._left_out.names]
        said = [f"{', '.join(others)} was not left out."] if others else []
        said += [f"Kept again, from the next save on: {', '.join(back)}."] if back else []
        return [*said, *_written(lambda: self._left_out.remove(names))]


def _written(write: Callable[[], None]) -> list[str]:
    """Nothing, or what is to be said when what is left out could not be written down."""
    try:
        write()
    except OSError as error:
        return [f"This holds until the kernel is restarted; it could not be written down: {error.strerror}"]
    return []


def _read(path: str) -> str:
    """The text of a file; empty where there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def _annotations_flag() -> int:
    import __future__  # noqa: PLC0415 - named like a statement, elsewhere

    return __future__.annotations.compiler_flag


def _taken(server: int, *marks: str) -> None:
    """A state was taken up and did no harm: whoever starts the server anew may have it taken up again."""
    if os.getppid() == server:
        for mark in marks:
            with contextlib.suppress(OSError):
                os.unlink(mark)
