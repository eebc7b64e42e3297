"""Sessions from Python: ``golem_launcher.launch(...)`` in a notebook cell or a script."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import SessionError
from golem_launcher.events import Stage
from golem_launcher.request import parse_request
from golem_launcher.session import client

if TYPE_CHECKING:
    from golem_launcher.events import SessionState
    from golem_launcher.session.directory import SessionDirectory

_LONGEST_START_SECONDS = 3600.0


@dataclass(frozen=True)
class Session:
    """A session whose JupyterLab answers."""

    directory: SessionDirectory

    @property
    def name(self) -> str:
        """Its name."""
        return self.directory.name

    @property
    def url(self) -> str | None:
        """The link that opens its JupyterLab, with the token; ``None`` once it has ended."""
        return self.directory.url()

    @property
    def token(self) -> str | None:
        """The token of its JupyterLab."""
        return self.directory.token()

    @property
    def state(self) -> SessionState:
        """All there is to know about it."""
        return self.directory.state()

    def stop(self, *, force: bool = False) -> None:
        """End it and wait for its end."""
        _blocking(client.stop, self.name, force=force)

    def __repr__(self) -> str:
        return f"<Session {self.name}: {self.state.stage.value}>"  # without the token: cells print this


def launch(**fields: Any) -> Session:
    """Start a session and wait until its JupyterLab answers.

    ``fields`` are those of :class:`golem_launcher.request.LaunchRequest`. Raises ``RequestError`` for impossible ones
    and ``SessionError`` when the session fails.
    """
    directory = client.start(parse_request(fields))
    state = _blocking(client.wait_for, directory, lambda state: state.stage is Stage.READY, _LONGEST_START_SECONDS)
    if state is None:
        raise SessionError(f"The session '{directory.name}' failed. {directory.state().reason}")
    return Session(directory)


def _blocking(function: Any, *args: Any, **kwargs: Any) -> Any:
    """Call a blocking function; a loop that runs in this thread (a notebook's) goes on meanwhile."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return function(*args, **kwargs)
    import nest_asyncio  # noqa: PLC0415 - patches asyncio, so only here and only now

    nest_asyncio.apply(loop)
    return loop.run_until_complete(asyncio.to_thread(function, *args, **kwargs))
