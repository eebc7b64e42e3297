"""Functions as tasks: an executor of :mod:`concurrent.futures` whose workers are machines of providers."""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import math
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, TypeVar, cast

from golem_launcher.errors import LauncherError, ProviderError, RequestError, TaskError
from golem_launcher.request import parse_request
from golem_launcher.session import client
from golem_launcher.session.on_disk import liveness
from golem_launcher.tasks import record
from golem_launcher.tasks.calls import call_payload
from golem_launcher.tasks.executor_messages import ExecutorMessages
from golem_launcher.tasks.function_results import ERROR, VALUE, output_named, raised_by, value_in
from golem_launcher.tasks.function_source import ship
from golem_launcher.tasks.payload import Payload
from golem_launcher.tasks.runner import Runner
from golem_launcher.tasks.scheduler import Fault, Scheduler
from golem_launcher.untrusted_text import clean_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from decimal import Decimal
    from typing import Self

    from golem_launcher.session.on_disk.directory import SessionDirectory
    from golem_launcher.tasks.events import JobEvent
    from golem_launcher.tasks.payload import Answer
    from golem_launcher.tasks.scheduler import Attempt

_T = TypeVar("_T")

_MOST_ATTEMPTS, _MOST_VERIFY = 20, 5
_LEAVE_SECONDS = 10.0


@dataclass
class _Call:
    future: concurrent.futures.Future[Any]
    payload: Payload


class Executor(concurrent.futures.Executor):
    """Runs functions at providers. ``with`` it: at the block's end its session is ended, in order.

    A function travels as source, with what it uses of its module; its arguments and what it returns are None, truth
    values, numbers, text, bytes, lists, dicts with text as keys, tables of pyarrow and pandas, and paths: the file of
    an argument is brought there, that of a result here. Tuples become lists. Nothing from a provider is ever unpickled.

    Machines are rented from the first ``submit`` on, one for each task that waits, and let go of while there is no work
    for them, all but the last, which is paid until ``shutdown``.
    """

    def __init__(
        self,
        workers: int = 3,
        *,
        budget: Decimal | float | str = 1,
        files: Sequence[str | PurePath] | str | PurePath = (),
        setup: str = "",
        timeout: float = 3600.0,
        attempts: int = 3,
        verify: int = 1,
        check: Callable[[Any], bool] | None = None,
        output: str | PurePath | None = None,
        **request: Any,
    ) -> None:
        """Up to ``workers`` machines, for ``budget`` GLM at most.

        ``files`` are brought to each machine, ``setup`` is a line for its shell before its first task. A task may take
        ``timeout`` seconds, and is tried ``attempts`` times where a provider fails; what the function raises is its
        answer. ``verify``: so many providers must come to the same result. ``check``: whether a result is wanted, else
        another provider is asked. Files that come back are put below ``output``. ``request``: any other field of
        :class:`golem_launcher.request.LaunchRequest`. Raises ``RequestError``.
        """
        files = (files,) if isinstance(files, str | PurePath) else tuple(files)
        asked = {
            "name": record.new_name(),
            **request,
            "budget": budget,
            "machines": workers,
            "workload": "tasks",
            "save": False,
        }
        asked["inputs"] = tuple(str(file) for file in files)
        self._request = client.with_absolute_paths(parse_request(asked))
        for option, told, most in (("attempts", attempts, _MOST_ATTEMPTS), ("verify", verify, _MOST_VERIFY)):
            if not isinstance(told, int) or not 1 <= told <= most:
                raise RequestError(f"{option}={told!r}: it must be a whole number from 1 to {most}.")
        if verify > self._request.machines:
            raise RequestError(f"verify={verify} needs as many workers.", f"Take more: workers={verify + 1}")
        if not isinstance(timeout, int | float) or not 0 < timeout < math.inf:
            raise RequestError(f"timeout={timeout!r}: it must be a number of seconds, more than 0.")
        self._brought = frozenset(Path(file).stem for file in files)
        self._setup = Payload({"argv": ["/bin/sh", "-c", setup], "in_workspace": True}, seconds=timeout)
        self._has_setup = bool(setup)
        self._timeout = timeout
        self._check = check
        self._output = Path(output) if output is not None else Path(f"{self._request.name}-results")
        self._scheduler = Scheduler(attempts=attempts, verify=verify)
        self._calls: dict[int, _Call] = {}
        self._count = 0
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._working: asyncio.Task[Any] | None = None
        self._runner: Runner | None = None
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()
        self._shut = False
        self._messages = ExecutorMessages(self._request)
        self._over: BaseException | None = None
        """Why nothing more is done; ``None`` while it is."""

    @property
    def name(self) -> str:
        """The name of its session, for ``golem-launcher show``."""
        return self._request.name

    @property
    def session(self) -> SessionDirectory | None:
        """The directory of the session whose machines do the tasks; ``None`` before the first was submitted."""
        return self._runner.directory if self._runner is not None else None

    def submit(self, fn: Callable[..., _T], /, *args: Any, **kwargs: Any) -> concurrent.futures.Future[_T]:
        """Have ``fn(*args, **kwargs)`` done by a provider; its result comes by the future.

        Raises ``RequestError`` that names what of it can't travel, and ``RuntimeError`` after ``shutdown``.
        """
        payload = call_payload(ship(fn, self._brought), args, kwargs, seconds=self._timeout)
        future: concurrent.futures.Future[_T] = concurrent.futures.Future()
        with self._lock:
            if self._shut:
                raise RuntimeError("cannot schedule new futures after shutdown")
            if self._over is not None:
                raise self._over
            task, self._count = self._count, self._count + 1
            self._calls[task] = _Call(future, payload)
            self._begin()
        future.add_done_callback(lambda _: self._tell(self._forget, task))
        self._tell(self._add, task)
        return future

    def map(
        self, fn: Callable[..., _T], *iterables: Iterable[Any], timeout: float | None = None, chunksize: int = 1
    ) -> Iterator[_T]:
        """As any executor has it; the function is the one that it is now. ``chunksize`` has no effect."""
        return super().map(self.packed(fn), *iterables, timeout=timeout, chunksize=chunksize)

    def packed(self, fn: Callable[..., _T]) -> Callable[..., _T]:
        """What :meth:`submit` takes in the place of ``fn`` as it is now: to pack it takes longer than to send a call.

        Raises ``RequestError``.
        """
        return cast("Callable[..., _T]", ship(fn, self._brought))

    async def run(self, fn: Callable[..., _T], /, *args: Any, **kwargs: Any) -> _T:
        """:meth:`submit`, and its result, where a loop runs. Its cancellation cancels what was not begun."""
        return await asyncio.wrap_future(self.submit(fn, *args, **kwargs))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - the base's
        """No more is taken; the session ends once all is done. ``cancel_futures``: what was not begun is dropped."""
        with self._lock:
            self._shut = True
            calls = list(self._calls.values())
        if cancel_futures:
            for call in calls:
                call.future.cancel()
        if self._runner is not None:
            self._tell(self._runner.close)
        if wait and self._thread is not None:
            self._thread.join()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if _interrupts(kind):
            self._abandon()
        self.shutdown()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if _interrupts(kind):
            self._abandon()
        await asyncio.to_thread(self.shutdown)

    def _abandon(self) -> None:
        """End the session at once: nobody waits for what runs, and it would be paid for."""
        with self._lock:
            self._shut = True
        self._messages.interrupted(self.name)
        if self._working is not None:
            self._tell(self._working.cancel)

    def _begin(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="golem-launcher-tasks", daemon=True)
            self._thread.start()
            self._ready.wait()
            atexit.register(self._at_exit)

    def _at_exit(self) -> None:
        """The program ends, and so does the session: here, as no thread can be begun any more."""
        if self._thread is not None:
            self._thread.join(_LEAVE_SECONDS)
        if self.session is not None and liveness.alive(self.session):
            self._messages.interrupted(self.name)
            with contextlib.suppress(LauncherError):
                client.stop(self.name, force=True)

    def _work(self) -> None:
        """The thread's."""
        try:
            with tempfile.TemporaryDirectory(prefix="golem-launcher-") as incoming:
                asyncio.run(self._main(Path(incoming)))
            why: BaseException = TaskError("The executor was shut down.")
            atexit.unregister(self._at_exit)
        except asyncio.CancelledError:
            why = TaskError("It was interrupted.")
        except BaseException as error:  # noqa: BLE001 - whoever waits for a result hears of it
            why = error
        finally:
            self._ready.set()
        with self._lock:
            self._over = why
            left, self._calls = list(self._calls.values()), {}
        for call in left:
            if not call.future.cancelled() and not call.future.done():
                call.future.set_exception(why)

    async def _main(self, incoming: Path) -> None:
        self._loop, self._working = asyncio.get_running_loop(), asyncio.current_task()
        self._runner = Runner(
            self._request, self._scheduler, self, incoming=incoming,
            setup=self._setup if self._has_setup else None, closing=False,
        )  # fmt: skip
        self._ready.set()
        reason = await self._runner.run()
        if reason:
            raise TaskError(f"The session '{self.name}' is over. {reason}")

    def _tell(self, function: Callable[..., object], *args: Any) -> None:
        """Call it in the thread's loop."""
        if self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(function, *args)
            except RuntimeError:  # the loop is over
                return

    def _add(self, task: int) -> None:
        if task in self._calls and self._runner is not None:
            self._scheduler.add(task)
            self._runner.wake()

    def _forget(self, task: int) -> None:
        self._calls.pop(task, None)
        if self._scheduler.cancel(task) and self._runner is not None:
            self._runner.wake()

    def payload(self, task: int) -> Payload | None:
        """What is sent for a task: see :class:`golem_launcher.tasks.task_source.TaskSource`, as all that follows."""
        call = self._calls.get(task)
        if call is None or not (call.future.running() or call.future.set_running_or_notify_cancel()):
            return None
        return call.payload

    def fault(self, _attempt: Attempt, answer: Answer) -> tuple[str, Fault] | None:
        """Why this is no result."""
        if answer.timed_out:
            return f"it took longer than {self._timeout:g} s", Fault.OPEN
        if output_named(answer, VALUE) is None and output_named(answer, ERROR) is None:
            last = f": {answer.last_line}" if answer.last_line else ""
            return f"its process ended with exit code {answer.exit}{last}", Fault.OPEN
        return None

    async def check(self, task: int, answer: Answer) -> str:
        """Whether the user wants this result."""
        if self._check is None or output_named(answer, VALUE) is None:
            return ""
        try:
            value = await asyncio.to_thread(value_in, answer, self._place(task), copy=True)
        except ProviderError as error:
            return error.what
        return await asyncio.to_thread(_objection, self._check, value)

    async def keep(self, results: Sequence[tuple[Attempt, Answer]]) -> None:
        """Their values, or what was raised."""
        wanted = [
            (call.future, attempt.task, answer)
            for attempt, answer in results
            if (call := self._calls.get(attempt.task)) is not None
        ]

        def resolve() -> None:
            for one in wanted:
                self._resolve(*one)

        await asyncio.to_thread(resolve)

    def _resolve(self, future: concurrent.futures.Future[Any], task: int, answer: Answer) -> None:
        error = output_named(answer, ERROR)
        try:
            if error is not None:
                future.set_exception(raised_by(error))
            else:
                future.set_result(value_in(answer, self._place(task), copy=False))
        except ProviderError as why:
            future.set_exception(TaskError(f"The result is none: {why.what}"))

    async def give_up(self, task: int, reason: str) -> None:
        """It failed."""
        call = self._calls.get(task)
        if call is not None and not call.future.cancelled():
            call.future.set_exception(TaskError(f"The task failed: {reason}."))

    def told(self, happened: JobEvent) -> None:
        """For who waits where the executor was made."""
        self._messages.told(happened)

    def _place(self, task: int) -> Path:
        """The directory for files that come back of a task."""
        return self._output / f"{task:04}"


def _objection(check: Callable[[Any], bool], value: Any) -> str:
    """Why the user's check does not take a result; empty when it does.

    One value of one provider for which it was not written is no reason to end the work of all others.
    """
    try:
        return "" if check(value) else "the check did not take it"
    except Exception as error:  # noqa: BLE001 - it is the user's code, and what it was given a stranger's
        words = clean_line(str(error))
        return f"the check raised {type(error).__name__}{': ' if words else ''}{words}"


def _interrupts(kind: type[BaseException] | None) -> bool:
    """Whether a block was left by Ctrl-C, a cancellation or the program's end, and not by an error of its own."""
    return kind is not None and not issubclass(kind, Exception)
