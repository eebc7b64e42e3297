"""Keeps a notebook's variables after each cell, and brings them back before the first one at another machine."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from . import PLACE, table
from .chunk_files import ChunkFiles
from .coming_back import LOST, CameBack, bring_back
from .definitions import Definitions
from .forked import ForkedSave
from .keeping import MOST_BYTES, SECONDS, inside, keep
from .pickler import Limits

if TYPE_CHECKING:
    from collections.abc import Callable

DIRECTORY, TICKET, PATH = "GOLEM_LAUNCHER_STATE", "GOLEM_LAUNCHER_STATE_TICKET", "GOLEM_LAUNCHER_STATE_PATH"
"""In a kernel's environment: where its state is kept; a file that says, once and before the first
cell, that another state comes back, and where that is; where we are."""
_IDLE_SECONDS = 0.5
"""After the last cell: cells that are run together are kept together."""
_LOOK_SECONDS = 0.1
_SHOW_SECONDS = 5.0
"""Who asks for the table waits so long for a save that is under way."""
_LAST_SECONDS = 2.0
"""For the last save, as the kernel ends: Jupyter ends who takes longer."""
_PAUSE = 4.0
"""Times as long as a save took, before the next one."""
_LONGEST_PAUSE = 60.0


def begin(shell: Any) -> None:
    """Called once by a kernel, as it starts. Does nothing where it was not told where to keep its state."""
    with contextlib.suppress(Exception):
        _forget_path()
        directory = os.environ.pop(DIRECTORY, "")
        if directory:
            _KernelState(shell, directory, os.environ.pop(TICKET, ""))


def _forget_path() -> None:
    """Programs of the notebook need not find us."""
    place = os.environ.pop(PATH, "")
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path != place]
    if any(paths):
        os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    else:
        os.environ.pop("PYTHONPATH", None)
    with contextlib.suppress(ValueError):
        sys.path.remove(place)


def _harmless(method: Callable[..., None]) -> Callable[..., None]:
    """What goes wrong in it is told in the kernel's log, and is nobody's cell's fault."""

    @functools.wraps(method)
    def guarded(self: _KernelState, *arguments: Any) -> None:
        try:
            method(self, *arguments)
        except Exception as error:  # noqa: BLE001 - whatever it is
            self.say(f"The kernel's state: {type(error).__name__}: {error}")

    return guarded


class _KernelState:
    def __init__(self, shell: Any, directory: str, ticket: str) -> None:
        self._shell = shell
        self._files = ChunkFiles(directory)
        """Once there was a ticket, those of the state that was taken up."""
        self._root = os.path.dirname(directory).removesuffix(PLACE)
        self._ticket = ticket
        self._definitions = Definitions()
        self._left_out: set[str] = set()
        self._broken: dict[str, tuple[int, str]] = {}
        """Names whose value ended a save: which value, and how."""
        self._came_back: CameBack | None = None
        self._untold = ""
        self._kept: dict[str, Any] | None = None
        """The last answer of a save."""
        self._kept_at = 0.0
        self._trouble = ""
        self._dirty = self._busy = False
        self._running: ForkedSave | None = None
        self._timer: asyncio.TimerHandle | None = None
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
        with contextlib.suppress(Exception):
            self._shell.kernel.log.warning(text)

    # What the kernel calls

    @_harmless
    def _before(self) -> None:
        self._busy = True
        if self._ticket and os.path.exists(self._ticket):
            with open(self._ticket, encoding="utf-8") as file:
                directory = file.read()
            os.unlink(self._ticket)  # first: a state that ends the kernel does so once
            self._ticket = ""
            self._files = ChunkFiles(directory)
            self._came_back = bring_back(self._files, self._shell.user_ns, self._root)
            if self._came_back is not None:
                for name, (source, value) in self._came_back.definitions.items():
                    self._definitions.take(name, source, value)
                self._left_out.update(self._came_back.left_out)
                self._untold = table.line(self._came_back.fates)

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
        if (
            threading.current_thread() is threading.main_thread()
        ):  # a subshell's cell waits for the next of the main one
            self._later(_IDLE_SECONDS)

    # In the kernel's idle moments

    def _later(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        seconds = max(seconds, self._not_before - time.monotonic())
        self._timer = asyncio.get_running_loop().call_later(seconds, self._save)

    @_harmless
    def _save(self) -> None:
        self._timer = None
        if self._busy or not self._dirty or self._running is not None:
            return  # the cell's end, or the save's, is soon enough
        self._begin_save()
        asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._look)

    @_harmless
    def _last(self) -> None:
        """As the kernel ends: what the last cell changed, where that is not kept yet."""
        if os.getpid() != self._process:  # a copy that a program of the user's made
            return
        end = time.monotonic() + _LAST_SECONDS
        while (self._running is not None or self._dirty) and time.monotonic() < end:
            if self._running is None:
                self._begin_save()
            elif self._running.has_ended():
                self._running = None
            else:
                time.sleep(_LOOK_SECONDS / 4)

    def _begin_save(self) -> None:
        self._dirty = False
        variables = self._variables()
        broken = {name: why for name, (which, why) in self._broken.items() if id(variables.get(name)) == which}

        def work(begins: Callable[[list[str]], None]) -> dict[str, Any]:
            return table.summary(
                keep(
                    self._files,
                    variables,
                    self._definitions.current(variables),
                    limits=Limits(MOST_BYTES, SECONDS),
                    left_out=self._left_out,
                    already_lost=broken,
                    directory=inside(self._root),
                    apart=(self._shell, self._shell.user_ns, self._shell.user_module),
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
        if self._dirty and not self._busy:
            self._later(_IDLE_SECONDS)

    def _variables(self) -> dict[str, Any]:
        hidden = self._shell.user_ns_hidden
        return {
            name: value
            for name, value in self._shell.user_ns.items()
            if not name.startswith("_") and (name not in hidden or hidden[name] is not value)
        }

    # What the user calls

    def state(self, line: str) -> None:
        """Show which variables are kept, and come back at another machine.

        %state             what is kept, and what is not and why
        %state leave NAME  leave variables out from now on
        %state keep NAME   take them back
        """
        what, *names = line.split() or [""]
        if what == "leave" and names:
            self._left_out.update(names)
        elif what == "keep" and names:
            self._left_out.difference_update(names)
        elif what:
            print("%state, %state leave NAME, %state keep NAME")  # noqa: T201 - into the notebook
            return
        end = time.monotonic() + _SHOW_SECONDS
        while self._running is not None and time.monotonic() < end:
            if self._running.has_ended():
                self._take(self._running)
            else:
                time.sleep(_LOOK_SECONDS / 2)
        lost = {} if self._came_back is None else self._came_back.fates
        lost = {name: fate for name, fate in lost.items() if fate.what == LOST}
        seconds = time.monotonic() - self._kept_at
        trouble = "it is being kept at the moment" if self._running is not None else self._trouble
        print(table.text(self._kept, seconds, sorted(self._left_out), lost, trouble))  # noqa: T201 - likewise


def _annotations_flag() -> int:
    import __future__  # noqa: PLC0415 - named like a statement, elsewhere

    return __future__.annotations.compiler_flag
