"""Sessions from Python: ``golem_launcher.launch(...)`` in a notebook cell or a script."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import SessionError
from golem_launcher.events import Stage
from golem_launcher.request import parse_request
from golem_launcher.session import client

if TYPE_CHECKING:
    from decimal import Decimal
    from os import PathLike

    from golem_launcher.events import SessionState
    from golem_launcher.session.directory import SessionDirectory

_LONGEST_START_SECONDS = 3600.0


@dataclass(frozen=True)
class Session:
    """A session whose workload answers."""

    directory: SessionDirectory

    @property
    def name(self) -> str:
        """Its name."""
        return self.directory.name

    @property
    def url(self) -> str | None:
        """The link that opens its JupyterLab, or other workload; ``None`` once it has ended."""
        return self.directory.url()

    @property
    def token(self) -> str | None:
        """Its token, which JupyterLab asks for."""
        return self.directory.token()

    @property
    def state(self) -> SessionState:
        """All there is to know about it."""
        return self.directory.state()

    def save(self) -> int | None:
        """Save its workspace now, which also happens by itself every few seconds; the generation's number.

        ``None``: there is nothing to save yet. Raises ``SessionError`` when that does not work.
        """
        number: int | None = _blocking(client.save, self.name)["generation"]
        return number

    def extend(self, *, hours: Decimal | float | str = 0, budget: Decimal | float | str = 0) -> SessionState:
        """Give it ``hours`` and ``budget`` (GLM) more. Raises ``SessionError``; nothing is changed then."""
        state: SessionState = _blocking(client.extend, self.name, hours=str(hours), budget=str(budget))
        return state

    def results(self, path: str | PathLike[str] | None = None, *, generation: int | None = None) -> Path:
        """Write the workspace as saved last, or as of ``generation``, into a zip file; where it is.

        ``path``: ``<workspace>-<generation>.zip`` when left out. Works after the session's end, too. Raises
        ``SessionError`` when nothing was saved and ``WorkspaceError`` when the store does not answer.
        """
        found: Path = _blocking(_write_results, self.directory, path, generation)
        return found

    def stop(self, *, force: bool = False) -> None:
        """Save its workspace a last time, end it, and wait for its end; ``force`` leaves out the save."""
        _blocking(client.stop, self.name, force=force)

    def __repr__(self) -> str:
        return f"<Session {self.name}: {self.state.stage.value}>"  # without the token: cells print this


def launch(**fields: Any) -> Session:
    """Start a session and wait until its JupyterLab, or other workload, answers.

    ``fields`` are those of :class:`golem_launcher.request.LaunchRequest`. Raises ``RequestError`` for impossible ones
    and ``SessionError`` when the session fails.
    """
    directory = client.start(parse_request(fields))
    state = _blocking(client.wait_for, directory, lambda state: state.stage is Stage.READY, _LONGEST_START_SECONDS)
    if state is None:
        raise SessionError(f"The session '{directory.name}' failed. {directory.state().reason}")
    return Session(directory)


def _write_results(directory: SessionDirectory, path: str | PathLike[str] | None, generation: int | None) -> Path:
    from golem_launcher.workspace.export.results import save_zip  # noqa: PLC0415 - few need it
    from golem_launcher.workspace.repository.store import open_store  # noqa: PLC0415

    saving, request = client.saving_of(directory), directory.request()
    store = open_store(request.store, encrypt=request.encrypt)
    manifest = store.manifest(saving.workspace, generation if generation is not None else saving.generation)
    target = Path(path if path is not None else f"{saving.workspace}-{manifest.generation}.zip").expanduser()
    try:
        save_zip(store, manifest, target)
    except OSError as error:
        raise SessionError(f"The results could not be written to {target}: {error.strerror or error}.") from error
    return target.absolute()


def _blocking(function: Any, *args: Any, **kwargs: Any) -> Any:
    """Call a blocking function; a loop that runs in this thread (a notebook's) goes on meanwhile."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return function(*args, **kwargs)
    import nest_asyncio  # noqa: PLC0415 - patches asyncio, so only here and only now

    nest_asyncio.apply(loop)
    return loop.run_until_complete(asyncio.to_thread(function, *args, **kwargs))
