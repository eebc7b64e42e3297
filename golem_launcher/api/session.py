"""Sessions from Python: ``launch(…)``, ``Session(…)``, ``attach(name)``, ``sessions()``."""

from __future__ import annotations

import asyncio
import webbrowser
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from golem_launcher.api.blocking_calls import awaited, blocking, pause_here
from golem_launcher.api.display import Display, bundle, in_notebook, waited
from golem_launcher.api.parameters import given, takes_request
from golem_launcher.api.starting import begin
from golem_launcher.errors import SessionError
from golem_launcher.progress_rate import SoFar
from golem_launcher.request.typed_numbers import with_point
from golem_launcher.session import client
from golem_launcher.session.client import results
from golem_launcher.session.on_disk.directory import SessionDirectory, session_directories
from golem_launcher.session.reporting.progress_lines import meanwhile

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal
    from os import PathLike
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from golem_launcher.request import LaunchRequest
    from golem_launcher.session_state import SessionState

_T = TypeVar("_T")


class Session:
    """A session: JupyterLab, or another program, at a provider.

    As a context it is started and waited for, and saved and ended when the block is left, whatever happened in it::

        with golem_launcher.Session(hours=2) as lab:
            print(lab.state.head.provider_name)

    ``async with`` does the same without blocking the loop. Methods that begin with an ``a`` are to be awaited, and do
    what the same one without it does. Outside of ``with``, :func:`launch` starts one, and :func:`attach` finds one.
    """

    @takes_request
    def __init__(self, **fields: Any) -> None:
        """Ask for a session; nothing is started yet. Raises ``RequestError`` for what can't be.

        {fields}
        """
        self._request: LaunchRequest | None = given(fields)
        self._directory: SessionDirectory | None = None

    @classmethod
    def _of(cls, directory: SessionDirectory) -> Self:
        session = cls.__new__(cls)
        session._request, session._directory = None, directory  # noqa: SLF001 - of this class
        return session

    def start(self) -> Self:
        """Start it and wait until its JupyterLab, or other workload, answers; itself.

        Interrupted while it waits, it ends what was begun. Raises ``SessionError`` when the session fails or was
        started before.
        """
        request, display = self._asked()
        self._directory = begin(request, pause_here(), display.show, display.tell)
        return self

    async def astart(self) -> Self:
        """As :meth:`start`. A task that is cancelled meanwhile ends what was begun."""
        request, display = self._asked()
        self._directory = await awaited(lambda pause: begin(request, pause, display.show, display.tell))
        return self

    def _asked(self) -> tuple[LaunchRequest, Display]:
        if self._request is None or self._directory is not None:
            raise SessionError(f"The session '{self.name}' was started before.")
        return self._request, Display(f"Session '{self._request.name}'")

    def _there(self) -> SessionDirectory:
        """Its directory. Raises ``SessionError`` when it was not started."""
        if self._directory is None:
            raise SessionError(f"The session '{self.name}' was not started.", "Start it: start(), or a with block.")
        return self._directory

    @property
    def name(self) -> str:
        """Its name."""
        return self._request.name if self._request is not None and self._directory is None else self._there().name

    @property
    def url(self) -> str | None:
        """The link that opens its JupyterLab, or other workload; ``None`` once it has ended. It has the token in it."""
        return self._there().url()

    @property
    def token(self) -> str | None:
        """Its token, which JupyterLab asks for."""
        return self._there().token()

    @property
    def state(self) -> SessionState:
        """All there is to know about it: stage, money, time, machines, what is saved."""
        return self._there().state()

    def open(self) -> bool:
        """Open its link in the browser of this computer; whether there is one."""
        url = self.url
        return url is not None and webbrowser.open(url)

    def save(self) -> int | None:
        """Save its workspace now, which also happens by itself every few seconds; the generation's number.

        ``None``: there is nothing to save yet. Raises ``SessionError`` when that does not work.
        """
        number: int | None = self._ask("Saving", client.save)["generation"]
        return number

    async def asave(self) -> int | None:
        """As :meth:`save`."""
        return await asyncio.to_thread(self.save)

    def extend(self, *, hours: Decimal | float | str = 0, budget: Decimal | float | str = 0) -> SessionState:
        """Give it ``hours`` and ``budget`` more; its new state. Or raises ``SessionError``, all as before."""
        return self._ask("Extending", client.extend, hours=with_point(str(hours)), budget=with_point(str(budget)))

    async def aextend(self, *, hours: Decimal | float | str = 0, budget: Decimal | float | str = 0) -> SessionState:
        """As :meth:`extend`."""
        return await asyncio.to_thread(self.extend, hours=hours, budget=budget)

    def keep_running(self) -> float | None:
        """Let it go on as if it had just been used; after how many seconds without use it is stopped, if at all."""
        return blocking(client.keep_running, self._there().name)

    async def akeep_running(self) -> float | None:
        """As :meth:`keep_running`."""
        return await asyncio.to_thread(self.keep_running)

    def move(self, *, now: bool = False, **changes: Any) -> SessionState:
        """Go on at another machine, with everything, at the same address; its new state: ``lab.move(gpus=1)``.

        ``changes`` are the fields of a request that say which machine is wanted, like ``gpus``, ``cpus``,
        ``memory_gib``, ``price_per_hour``, ``deny``; none asks for another one like the present. It waits until no cell
        runs, unless ``now``. Raises ``SessionError`` when it did not move: all goes on as before then.
        """
        number = self._ask("Moving", client.move, changes, now=now)
        return self._ask("Moving", client.await_move, number)

    async def amove(self, *, now: bool = False, **changes: Any) -> SessionState:
        """As :meth:`move`. The move goes on when the task is cancelled."""
        return await asyncio.to_thread(self.move, now=now, **changes)

    def results(
        self, path: str | PathLike[str] | None = None, *, generation: int | None = None, force: bool = False
    ) -> Path:
        """Write the workspace as saved last, or as of ``generation``, into a zip file; where it is.

        ``path``: ``<workspace>-<generation>.zip`` when left out; a file that is there is written over with ``force``
        alone. Works after the session's end, too. Raises ``SessionError`` when nothing was saved and ``WorkspaceError``
        when a file is there, the store does not answer, or has lost some of the files: all others are in it.
        """
        directory, so_far = self._there(), SoFar()
        write = partial(results.write, directory, path, generation, force=force, progress=so_far.told)
        return waited(f"Writing the results of '{directory.name}'", write, so_far.far)

    async def aresults(
        self, path: str | PathLike[str] | None = None, *, generation: int | None = None, force: bool = False
    ) -> Path:
        """As :meth:`results`."""
        return await asyncio.to_thread(self.results, path, generation=generation, force=force)

    def stop(self, *, force: bool = False) -> None:
        """Save its workspace a last time, end it, and wait for its end; ``force`` leaves out the save.

        One that has ended is left as it is. Raises ``SessionNotEnded`` when it goes on, because something of it can't
        be saved, and ``SessionError`` when it does not end in time.
        """
        self._ask("Ending", client.stop, force=force)

    async def astop(self, *, force: bool = False) -> None:
        """As :meth:`stop`. The end goes on when the task is cancelled."""
        await asyncio.to_thread(self.stop, force=force)

    def _ask(self, what: str, function: Callable[..., _T], *args: Any, **kwargs: Any) -> _T:
        """Have ``function`` of :mod:`golem_launcher.session.client` ask something of it; a long wait is shown."""
        directory = self._there()
        call = partial(function, directory.name, *args, **kwargs)
        return waited(f"{what} '{directory.name}'", call, lambda: meanwhile(directory.state()))

    def __enter__(self) -> Self:
        return self if self._directory is not None else self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return self if self._directory is not None else await self.astart()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.shield(self.astop())

    def __repr__(self) -> str:
        stage = self._directory.state().stage.value if self._directory is not None else "not started"
        return f"<Session {self.name}: {stage}>"  # without the token: cells print this

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """What a notebook shows of it, as it is now; without the link, which would be kept in the notebook."""
        if self._directory is None or not in_notebook():
            return {"text/plain": repr(self)}
        from golem_launcher.kernel import cards  # noqa: PLC0415 - only where somebody looks
        from golem_launcher.networks import token_of  # noqa: PLC0415

        state = self._directory.state()
        rows = [
            ("stage", state.stage.value),
            ("reason", state.reason),
            *cards.session_rows(state, token_of(state.network)),
        ]
        return {**bundle(cards.table(f"Session '{self.name}'", rows)), "text/plain": repr(self)}


@takes_request
def launch(**fields: Any) -> Session:
    """Start a session and wait until its JupyterLab, or other workload, answers: ``launch(hours=2).url``.

    What happens meanwhile is shown: in a notebook by a display that changes, in a terminal by lines. An interrupt while
    it waits ends what was begun.

    {fields}

    Returns:
        The session. It ends by itself after ``hours``, or by its ``stop()``.

    Raises:
        RequestError: what is asked for can't be; nothing was started.
        SessionError: the session failed; the reason is in its words.
    """
    return Session(**fields).start()


def attach(name: str) -> Session:
    """The session ``name``, whoever started it: the page, a command, another program. Raises ``SessionNotFound``."""
    return Session._of(blocking(client.find, name))  # noqa: SLF001 - another of this module's


def sessions() -> list[Session]:
    """All sessions that there are, those that have ended too, the newest first."""
    return [Session._of(directory) for directory in session_directories()]  # noqa: SLF001
