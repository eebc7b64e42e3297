"""The agent's main process: starts the children, writes their log, ends everything at the deadline.

The children are a table: the workload, for which this machine was rented, the ways in, the agent's server, and Dask
where the session has a cluster. What crashes is started again. When the workload exits with code 0, everything ends,
unless the configuration says that the agent stays.
"""

from __future__ import annotations

import contextlib
import gc
import math
import os
import select
import signal
import sys
import time
from typing import TYPE_CHECKING

from . import process_tree, program_workload
from .exit_report import CRASHED, DEADLINE, FAILED, OVER, TOLD, Report
from .log import LogWriter
from .process_orders import DASK, LEAD

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from .config import Config

_BACKOFF_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Before each new start; after the last there is none."""
_PAUSE_SECONDS = 1.0
"""Before a helper is started again, as often as it takes."""
_STEADY_SECONDS = 60.0
"""A workload that ran this long did not crash at its start: the count begins anew."""
_POLITE_SECONDS = 5.0
_KILL_SECONDS = 10.0
_LONGEST_SLEEP = 30.0
"""The deadline is looked at this often: a poll does not count the time that the machine slept."""
_PIECE = 65536


def manage(config: Config, carriers: socket.socket) -> None:
    """Run the children until the deadline, SIGTERM, the workload's end or too many crashes. Does not return.

    ``carriers`` is where the launcher's carriers come in: it listens all the time, whichever process answers.
    """
    from . import http_server  # noqa: F401, PLC0415 - loaded once, for all children that are forked of this process

    gc.freeze()  # what is loaded stays, and no child copies its pages by looking at it
    gc.enable()
    process_tree.adopt_orphans()
    manager = _Manager(config, carriers)
    why = Report(FAILED, "the agent failed")
    try:
        why = manager.work()
    except Exception:  # noqa: BLE001 - the last thing to be read of it
        import traceback  # noqa: PLC0415

        manager.say(f"{why.what}: {traceback.format_exc()}")
    finally:
        manager.end(why)
        os._exit(0 if why.kind in {DEADLINE, TOLD, OVER} else 1)


class _Child:
    """A process of the manager's that others need: whenever it ends, it is started again."""

    def __init__(self, run: Callable[[], None]) -> None:
        self.run = run
        self.pid = 0
        """0 while it does not run."""
        self.at: float | None = 0.0
        """When to start it, by the monotonic clock; None while it runs, or has to wait."""

    def ended(self, _code: int) -> Report | None:
        """What is to end with it, and why; ``None``: nothing, it is started again."""
        self.at = time.monotonic() + _PAUSE_SECONDS
        return None


class _Workload(_Child):
    """What all the others are for. It is started again only so often; ``over`` is told its orderly end."""

    def __init__(
        self, run: Callable[[], None], config: Config, say: Callable[[str], None], over: Callable[[Report], None]
    ) -> None:
        super().__init__(run)
        self._name = config.workload.name
        self._stays = config.workload.stays
        self._say = say
        self._over = over
        self.loads_ahead = not config.workload.argv
        """Whether it is a JupyterLab: much of it is loaded while files arrive."""
        self.at = None if (config.hold and not self.loads_ahead) or config.waits_for_lead else 0.0
        self._crashes = 0
        self._outdated = False
        self.started = 0.0

    def exchange(self) -> None:
        """Have another process, because what this one has loaded is not what is installed by now."""
        if self.pid:
            self._outdated = True
            with contextlib.suppress(OSError):
                os.kill(self.pid, signal.SIGKILL)

    def ended(self, code: int) -> Report | None:
        """Take its end with this exit code. The report of why all ends, or ``None`` where it, or the rest, goes on."""
        if self._outdated:
            self._outdated = False
            self.at = 0.0
            return None
        if code == 0:
            why = Report(OVER, f"{self._name} was shut down")
            if not self._stays:
                return why
            self._say(f"{self._name} has ended")
            self._over(why)
            return None
        self._say(f"{self._name} crashed (exit code {code})")
        if time.monotonic() - self.started > _STEADY_SECONDS:
            self._crashes = 0
        if self._crashes == len(_BACKOFF_SECONDS):
            return Report(CRASHED, f"{self._name} crashed too often: giving up")
        self.at = time.monotonic() + _BACKOFF_SECONDS[self._crashes]
        self._crashes += 1
        return None


class _Dask(_Child):
    """Dask's scheduler or a worker of it, from when the agent's server was told which; started anew at each order."""

    def __init__(self, run: Callable[[], None]) -> None:
        super().__init__(run)
        self.at = None

    def ordered(self) -> None:
        """There is something to run, or something else than before."""
        if self.pid:
            with contextlib.suppress(OSError):
                os.kill(self.pid, signal.SIGKILL)  # what it knows belongs to a cluster that is gone
        else:
            self.at = 0.0


class _Manager:
    def __init__(self, config: Config, carriers: socket.socket) -> None:
        self._config = config
        self._carriers = carriers
        self._log = LogWriter(config.log, config.endpoint_token)
        self._output, self._input = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._output, False)  # the writing end stays as programs expect it
        self._bell_read, self._bell = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._wake, self._wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._orders, self._orders_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        """The agent's server writes there, one line each: a new deadline, in seconds by the clock of ``proc.clock``,
        that there is something new for Dask, or that this machine leads."""
        self._lead, self._lead_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        """By it a JupyterLab that runs is told the same."""
        self._deadline = config.deadline
        self._life, self._life_write = os.pipe2(os.O_CLOEXEC)
        """Ends with the manager, for who has no bell."""
        self._gate, self._gate_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        """A byte from the agent's server: the workload may start."""
        self._go, self._go_write = os.pipe2(os.O_CLOEXEC)
        """By it a JupyterLab that was loaded ahead is told the same."""
        self._installed = _installed()
        """Before anything was brought here."""
        self._told = 0
        self._held = config.hold
        self._workload = _Workload(self._run_workload, config, self.say, self._log.end)
        self._dask = _Dask(self._run_dask)
        self._children = [self._workload, _Child(self._run_ways), _Child(self._run_server), self._dask]
        self._poll = select.poll()
        self._poll.register(self._output, select.POLLIN)
        self._poll.register(self._wake, select.POLLIN)
        self._poll.register(self._orders, select.POLLIN)
        self._poll.register(self._gate, select.POLLIN)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, self._signalled)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)

    def work(self) -> Report:
        """Why it is over."""
        while True:
            if self._told:
                return Report(TOLD, "told to end")
            left = self._deadline - process_tree.clock()
            if left <= 0:
                return Report(DEADLINE, "the deadline has come")
            for child in self._children:
                if child.at is not None and time.monotonic() >= child.at:
                    self._start(child)
            self._wait(left)
            ended = process_tree.reap()
            for child in self._children:
                if child.pid in ended:
                    why = self._ended(child, ended[child.pid])
                    if why is not None:
                        return why

    def end(self, why: Report) -> None:
        """End the workload, politely at first, and everything else."""
        self.say(why.what)
        signal.set_wakeup_fd(-1)
        end = time.monotonic() + _POLITE_SECONDS
        workload = self._workload
        if workload.pid:
            with contextlib.suppress(OSError):
                os.kill(workload.pid, signal.SIGTERM)
        while workload.pid and time.monotonic() < end:
            self._poll.poll(50)
            self._pump()
            if workload.pid in process_tree.reap():
                workload.pid = 0
        if not process_tree.kill_below(os.getpid(), _KILL_SECONDS):
            self.say("some processes can't be killed")
        self._pump()
        self.say("everything has ended")
        self._log.end(why)

    def _start(self, child: _Child) -> None:
        child.at = None
        if child is self._workload and not self._held:
            self._note_start()
        child.pid = self._child(child.run)

    def _note_start(self) -> None:
        self.say(f"{self._config.workload.name} starts in {self._config.root}")
        self._workload.started = time.monotonic()

    def _let_start(self) -> None:
        """All is there that was to be brought."""
        self._held = False
        if self._config.waits_for_lead:
            return
        if not self._workload.loads_ahead:
            self._workload.at = 0.0
        elif self._installed != _installed():
            self._workload.exchange()
        elif self._workload.pid:
            self._note_start()
            os.write(self._go_write, b"g")

    def _ended(self, child: _Child, code: int) -> Report | None:
        pid, child.pid = child.pid, 0
        self._pump()
        why = child.ended(code)
        if child is self._workload and code:
            _kill_kernels(pid)
        return why

    def _signalled(self, number: int, _: object) -> None:
        if number != signal.SIGCHLD:
            self._told = number

    def _wait(self, left: float) -> None:
        seconds = min(left, _LONGEST_SLEEP)
        for child in self._children:
            if child.at is not None:
                seconds = min(seconds, max(0.0, child.at - time.monotonic()))
        self._poll.poll(seconds * 1000 + 1)
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake, 4096)
        self._obey()
        with contextlib.suppress(BlockingIOError):
            if os.read(self._gate, 4096) and self._held:
                self._let_start()
        self._pump()

    def _obey(self) -> None:
        """Take new orders. A line is one write of less than a pipe's atomic size, so it comes whole."""
        with contextlib.suppress(BlockingIOError, ValueError):
            orders = os.read(self._orders, 4096).split()
            if DASK in orders:
                self._dask.ordered()
            for order in orders:
                if order.startswith(LEAD):
                    self._take_lead(order[len(LEAD) :].decode())
            *_, last = [order for order in orders if order != DASK and not order.startswith(LEAD)]
            deadline = float(last)
            if math.isfinite(deadline):
                self._deadline = deadline
                self.say(f"the deadline is in {deadline - process_tree.clock():.0f} s now")

    def _take_lead(self, endpoint_token: str) -> None:
        """Make this machine the head, with that token; a JupyterLab that is started again takes it as well."""
        if self._config.waits_for_lead and not self._held:
            self._workload.at = 0.0
        self._config = self._config._replace(endpoint_token=endpoint_token, stands_by=False)
        self.say("this machine stood by, and is used from now on")
        self._log.hide(endpoint_token)
        with contextlib.suppress(BlockingIOError):
            os.write(self._lead_write, endpoint_token.encode())

    def _pump(self) -> None:
        """What the workload wrote so far, into the log."""
        for _ in range(16):  # more would keep the deadline waiting
            try:
                data = os.read(self._output, _PIECE)
            except BlockingIOError:
                return
            self._log.write(data)
            self._ring()

    def say(self, text: str) -> None:
        """A line of the agent's own in the log."""
        self._log.line(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}")
        self._ring()

    def _ring(self) -> None:
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            os.write(self._bell, b".")

    def _run_workload(self) -> None:
        for descriptor in (self._gate_write, self._orders_write, self._bell_read):
            os.close(descriptor)
        self._carriers.close()
        if self._config.workload.argv == program_workload.TASKS:
            from . import task_server  # noqa: PLC0415 - only this process needs it

            task_server.run(self._config)
        elif self._config.workload.argv:
            program_workload.run(self._config)
        else:
            from . import lab  # noqa: PLC0415 - likewise

            if self._held:
                lab.load()
                if not os.read(self._go, 1):
                    return  # the manager is gone
            lab.run(self._config, self._life, self._lead)

    def _run_ways(self) -> None:
        from . import ways_in  # noqa: PLC0415

        ways_in.run(self._config, self._carriers, self._life)

    def _run_server(self) -> None:
        from . import server  # noqa: PLC0415

        self._carriers.close()
        server.run(self._config, self._gate_write, self._bell_read, self._orders_write)

    def _run_dask(self) -> None:
        for descriptor in (self._gate_write, self._orders_write, self._bell_read):
            os.close(descriptor)
        from . import dask_process  # noqa: PLC0415 - likewise

        dask_process.run(self._config)

    def _child(self, run: Callable[[], None]) -> int:
        """Fork, and ``run`` in the new process, whose id this is."""
        pid = os.fork()
        if pid == 0:
            self._become(run)
        return pid

    def _become(self, run: Callable[[], None]) -> None:
        code = 1
        try:
            os.setsid()
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            os.dup2(self._input, 1)
            os.dup2(self._input, 2)
            for descriptor in (
                self._input, self._output, self._wake, self._wake_write, self._bell, self._orders, self._gate,
            ):  # fmt: skip
                os.close(descriptor)
            for written_here in (self._life_write, self._lead_write, self._go_write):
                os.close(written_here)
            run()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1 if end.code else 0
        except BaseException:  # noqa: BLE001 - into the log, whatever it is
            import traceback  # noqa: PLC0415

            traceback.print_exc()
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)


def _installed() -> list[int]:
    """Another list once packages were installed, exchanged or removed."""
    return [_changed_at(place) for place in sys.path]


def _changed_at(place: str) -> int:
    try:
        return os.stat(place).st_mtime_ns
    except OSError:
        return 0


def _kill_kernels(lab: int) -> None:
    """Kernels of a Lab that is gone: nobody can reach them again. Other programs of the user go on."""
    mark = b"\0JPY_PARENT_PID=%d\0" % lab
    for process in process_tree.descendants(os.getpid()):
        if process.pid == process.session:
            with contextlib.suppress(OSError):
                with open(f"/proc/{process.pid}/environ", "rb") as file:
                    environment = b"\0" + file.read()
                if mark in environment:
                    os.kill(process.pid, signal.SIGKILL)
