"""Functions as tasks: an executor of :mod:`concurrent.futures` whose workers are machines of providers, and a map."""

from __future__ import annotations

import asyncio
import atexit
import builtins
import concurrent.futures
import contextlib
import json
import math
import tempfile
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, TypeVar

from golem_launcher.agent.task_values import Untransportable, decode, encode
from golem_launcher.errors import LauncherError, ProviderError, RequestError, TaskError
from golem_launcher.request import parse_request
from golem_launcher.session import client, liveness
from golem_launcher.tasks import placing, record
from golem_launcher.tasks.arrow_tables import read_table
from golem_launcher.tasks.function import ship
from golem_launcher.tasks.runner import Runner
from golem_launcher.tasks.scheduler import Fault, Scheduler
from golem_launcher.tasks.task_client import Output, Payload
from golem_launcher.tasks.telling import Telling
from golem_launcher.text import clean_line, clean_text
from golem_launcher.untrusted import json_value

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence
    from decimal import Decimal
    from typing import Self

    from golem_launcher.session.directory import SessionDirectory
    from golem_launcher.tasks.function import Shipped
    from golem_launcher.tasks.happenings import Happened
    from golem_launcher.tasks.scheduler import Attempt
    from golem_launcher.tasks.task_client import Answer

_T = TypeVar("_T")

_MOST_ATTEMPTS, _MOST_VERIFY = 20, 5
_LEAVE_SECONDS = 10.0
_LARGEST_VALUE = 16 * 1024 * 1024
_LARGEST_BYTES = 1024**3
"""Of all bytes in a result: they are in the memory of this computer. What is larger comes as a file."""
_LARGEST_ERROR = 256 * 1024
_VALUE, _ERROR = "value.json", "error.json"
_NO_ANSWERS = (StopIteration, StopAsyncIteration, GeneratorExit)


class RemoteTraceback(Exception):  # noqa: N818 - what it is called in the standard library
    """Where an exception was raised over there: the cause of the one that is raised here."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f"\n{self.text}"


@dataclass
class _Call:
    future: concurrent.futures.Future[Any]
    payload: Payload


class Executor(concurrent.futures.Executor):
    """Runs functions at providers. ``with`` it: at the block's end its session is ended, in order.

    A function travels as source, with what it uses of its module; its arguments and what it returns are None, truth
    values, numbers, text, bytes, lists, dicts with text as keys, tables of pyarrow and pandas, and paths: the file of
    an argument is brought there, that of a result here. Tuples become lists. Nothing from a provider is ever unpickled.

    Machines are rented from the first ``submit`` on, and paid until ``shutdown``.
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
        """``workers`` machines for ``budget`` GLM at most.

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
        self._request = client.settled(parse_request(asked))
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
        self._telling = Telling(self._request)
        self._over: BaseException | None = None
        """Why nothing more is done; ``None`` while it is."""

    @property
    def name(self) -> str:
        """Of its session: ``golem-launcher show`` tells how it is."""
        return self._request.name

    @property
    def session(self) -> SessionDirectory | None:
        """Its session's files, once there is one."""
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
        self._telling.interrupted(self.name)
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
            self._telling.interrupted(self.name)
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
        """What is sent for a task: see :class:`golem_launcher.tasks.runner.Owner`, as all that follows."""
        call = self._calls.get(task)
        if call is None or not (call.future.running() or call.future.set_running_or_notify_cancel()):
            return None
        return call.payload

    def fault(self, _attempt: Attempt, answer: Answer) -> tuple[str, Fault] | None:
        """Why this is no result."""
        if answer.timed_out:
            return f"it took longer than {self._timeout:g} s", Fault.OPEN
        if output_named(answer, _VALUE) is None and output_named(answer, _ERROR) is None:
            last = f": {answer.last_line}" if answer.last_line else ""
            return f"its process ended with exit code {answer.exit}{last}", Fault.OPEN
        return None

    async def check(self, task: int, answer: Answer) -> str:
        """Whether the user wants this result."""
        if self._check is None or output_named(answer, _VALUE) is None:
            return ""
        try:
            value = await asyncio.to_thread(self._value, task, answer, copy=True)
        except ProviderError as error:
            return error.what
        return await asyncio.to_thread(_objection, self._check, value)

    async def keep(self, attempt: Attempt, answer: Answer) -> None:
        """Its result."""
        call = self._calls.get(attempt.task)
        if call is None:
            return
        error = output_named(answer, _ERROR)
        try:
            if error is not None:
                call.future.set_exception(_raised(error))
            else:
                call.future.set_result(await asyncio.to_thread(self._value, attempt.task, answer, copy=False))
        except ProviderError as why:
            call.future.set_exception(TaskError(f"The result is none: {why.what}"))

    async def give_up(self, task: int, reason: str) -> None:
        """It failed."""
        call = self._calls.get(task)
        if call is not None and not call.future.cancelled():
            call.future.set_exception(TaskError(f"The task failed: {reason}."))

    def told(self, happened: Happened) -> None:
        """For who waits where the executor was made."""
        self._telling.told(happened)

    def _value(self, task: int, answer: Answer, *, copy: bool) -> Any:
        """What the function returned, its files put in their place. Raises ``ProviderError``."""
        blobs = [output for output in answer.outputs if output.name != _VALUE]
        names = [output.name.partition("/")[2] for output in blobs]
        shared = Counter(names)
        target = self._output / f"{task:04}"
        files: dict[int, Output] = {}
        left = _LARGEST_BYTES

        def take_bytes(number: int) -> bytes:
            nonlocal left
            output = _numbered(blobs, number)
            data = _content(output, left)
            left -= output.size
            return data

        def take_file(number: int) -> Path:
            output = _numbered(blobs, number)
            name = names[number] if shared[names[number]] == 1 else f"{number}/{names[number]}"
            files[number] = Output(name, output.size, "", output.content)
            return (target / name).absolute()

        try:
            found = decode(_json(answer, _VALUE, _LARGEST_VALUE), take_bytes, take_file, read_table)
        except (ValueError, TypeError, IndexError, RecursionError):
            raise ProviderError("What came back is no value.") from None
        if why := placing.unfit([*files.values()]):
            raise ProviderError(f"What came back can't be kept: {why}.")
        if files:
            placing.place(target, [*files.values()], {}, copy=copy)
        return found


def call_payload(shipped: Shipped, args: Sequence[Any], kwargs: dict[str, Any], *, seconds: float) -> Payload:
    """What is sent for one call of a function. Raises ``RequestError`` that names what can't travel."""
    blobs: list[tuple[str, bytes | Path]] = []

    def add_bytes(data: bytes) -> int:
        blobs.append(("", data))
        return len(blobs) - 1

    def add_file(path: PurePath) -> int:
        here = Path(path).expanduser().absolute()
        if not here.is_file():
            raise Untransportable(f"it has the path '{path}', and there is no file there")
        blobs.append((f"given/{len(blobs)}/{here.name}", here))
        return len(blobs) - 1

    value = {
        "args": [*shipped.args, *args],
        "kwargs": {**shipped.kwargs, **kwargs},
        "constants": shipped.constants,
    }
    try:
        encoded = encode(value, add_bytes, add_file)
    except Untransportable as error:
        raise RequestError(f"The call of '{shipped.name}' can't travel: {error}.") from None
    return Payload({"call": {"source": shipped.source, "name": shipped.name, **encoded}}, tuple(blobs), seconds)


def map(  # noqa: A001 - what it is called everywhere
    function: Callable[[Any], _T],
    items: Iterable[Any],
    *,
    workers: int = 3,
    budget: Decimal | float | str = 1,
    return_exceptions: bool = False,
    **options: Any,
) -> list[_T]:
    """The results of ``function`` for all ``items``, in their order; ``options`` are :class:`Executor`'s.

    Raises what a call of it raised, the first in the order of the items, and what was not begun then is dropped; with
    ``return_exceptions`` it stands in the result's place, and all is done.
    """
    work = list(items)
    if not work:
        return []
    with Executor(_needed(workers, len(work), options.get("verify", 1)), budget=budget, **options) as executor:
        futures = [executor.submit(function, item) for item in work]
        try:
            return [_settled(future) if return_exceptions else future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()


async def map_async(
    function: Callable[[Any], _T], items: Iterable[Any], *, workers: int = 3, **options: Any
) -> AsyncIterator[_T]:
    """The results of ``function`` for all ``items``, in their order and as they come, where a loop runs."""
    work = list(items)
    async with Executor(_needed(workers, len(work), options.get("verify", 1)), **options) as executor:
        futures = [executor.submit(function, item) for item in work]
        try:
            for future in futures:
                yield await asyncio.wrap_future(future)
        finally:
            for future in futures:
                future.cancel()


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


def _needed(workers: int, items: int, verify: Any) -> int:
    """No more machines than there is work for; what is wrong with a number the executor says."""
    fits = isinstance(workers, int) and isinstance(verify, int) and workers > 0 and verify > 0 and items > 0
    return min(workers, items * verify) if fits else workers


def _settled(future: concurrent.futures.Future[Any]) -> Any:
    error = future.exception()
    return future.result() if error is None else error


def output_named(answer: Answer, name: str) -> Output | None:
    """The output of that name, where there is one."""
    return next((output for output in answer.outputs if output.name == name), None)


def _numbered(blobs: Sequence[Output], number: int) -> Output:
    if not 0 <= number < len(blobs):
        raise ValueError("a blob that did not come")
    return blobs[number]


def _content(output: Output, most: int) -> bytes:
    if output.size > most:
        raise ProviderError(f"What came back has {output.size} bytes, and at most {most} are taken.")
    return output.content if isinstance(output.content, bytes) else output.content.read_bytes()


def _json(answer: Answer, name: str, most: int) -> Any:
    output = output_named(answer, name)
    return json_value(_content(output, most), most=most) if output is not None else None


def error_told(error: Output) -> tuple[type[Exception] | None, str, str]:
    """What a function raised over there: its kind where it is one of Python's own, its words, and where it was."""
    try:
        told = json.loads(_content(error, _LARGEST_ERROR))
        name, message, trace = str(told["type"]), clean_text(str(told["message"])), clean_text(str(told["traceback"]))
        module = told.get("module")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, LauncherError):
        return None, "The function raised, and what it raised can't be read.", ""
    kind = getattr(builtins, name, None) if module == "builtins" else None
    if isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, _NO_ANSWERS):
        return kind, message, trace
    return None, f"{clean_text(name)[:80]}: {message}", trace


def _raised(error: Output) -> BaseException:
    """What is raised here for what was raised there."""
    kind, words, trace = error_told(error)
    raised: BaseException = TaskError(words)
    if kind is not None:
        try:
            raised = kind(words)
        except TypeError:  # one that wants more than words
            raised = TaskError(f"{kind.__name__}: {words}")
    raised.__cause__ = RemoteTraceback(trace)
    return raised
