"""A session's directory: the one truth that supervisor, page, commands and tests share.

``request.json``, ``state.json`` (replaced atomically), ``events.jsonl`` and ``workload.log`` (append-only),
``left_out.json`` (likewise), ``supervisor.log``, ``supervisor.json`` (its process), ``token`` (0600), ``lock`` (held
while a supervisor lives), and what only a living one needs: ``scratch`` and its sockets (see
:func:`golem_launcher.paths.socket_path`). The supervisor alone writes; everybody may read.
"""

from __future__ import annotations

import contextlib
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import ValidationError

from golem_launcher import files, paths
from golem_launcher.errors import SessionDamaged, SessionNotFound
from golem_launcher.events import EVENT, Event
from golem_launcher.request import LaunchRequest
from golem_launcher.session.on_disk.session_paths import (
    REQUEST,
    SessionPaths,
    begun,
    is_name,
    is_session,
    session_paths,
)
from golem_launcher.session.on_disk.state_rebuilding import rebuilt
from golem_launcher.session_state import SessionState
from golem_launcher.suggestions import did_you_mean
from golem_launcher.workload import registry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from golem_launcher.workload.base import Workload

_READ_AT_MOST = 4 * 1024 * 1024


class SessionDirectory(SessionPaths):
    """The files of one session, read and written. Everything blocks; an unreadable file raises ``SessionDamaged``."""

    @property
    def _events_file(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def workload_log(self) -> Path:
        """What workload and agent in the provider printed (cleaned line by line); of several machines, the first."""
        return self.path / "workload.log"

    def request(self) -> LaunchRequest:
        """The request that the session was made from. Raises ``SessionDamaged``."""
        try:
            return LaunchRequest.model_validate_json((self.path / REQUEST).read_bytes())
        except (OSError, ValidationError):
            raise SessionDamaged(
                f"What was asked for in the session '{self.name}' can't be read any more ({self.path / REQUEST}).",
                "What it saved is listed by: golem-launcher workspaces",
            ) from None

    def state(self) -> SessionState:
        """The session's state; from its other files where that of the state is damaged.

        Raises ``SessionNotFound`` when the directory is gone.
        """
        state = self.written_state()
        try:
            return state if state is not None else self._rebuilt_state()
        except OSError:
            raise SessionNotFound(f"There is no session '{self.name}'.", "See `golem-launcher list`.") from None

    def _rebuilt_state(self) -> SessionState:
        from golem_launcher.rental.payment import bills  # noqa: PLC0415 - more than a look at a session takes
        from golem_launcher.rental.payment.journal import Journal  # noqa: PLC0415 - likewise

        created_at = datetime.fromtimestamp(self.path.stat().st_ctime, UTC)
        try:
            request = self.request()
        except SessionDamaged:
            request = None
        journal = Journal.read(self.path)
        entries = journal.entries if journal is not None else None
        state = rebuilt(self.name, created_at, request, self.all_events(), entries)
        cost, at_most = bills.cost_of(self.path, state.cost)
        return state.model_copy(update={"cost": cost, "owed_at_most": at_most})

    def all_events(self) -> Iterator[Event]:
        """Every whole event there is now, read a few MiB at a time."""
        offset, end = -1, 0
        while end != offset:
            offset = end
            events, end = self.events(offset)
            yield from events

    def written_state(self) -> SessionState | None:
        """The state as it was written; ``None`` when that can't be read."""
        try:
            return SessionState.model_validate_json(self.state_file.read_bytes())
        except (OSError, ValidationError):
            return None

    def write_state(self, state: SessionState) -> None:
        """Replace the state, whole or not at all. Raises ``OSError``."""
        files.write_atomic(self.state_file, state.model_dump_json(indent=1).encode())

    def write_request(self, request: LaunchRequest) -> None:
        """Write down the request, when the directory is made. Raises ``OSError``."""
        files.write_atomic(self.path / REQUEST, request.model_dump_json(indent=1).encode())

    def change_request(self, request: LaunchRequest) -> None:
        """The session goes on at another machine than it began with: what it asks for now. Raises ``OSError``."""
        began = begun(self.path)
        self.write_request(request)
        os.utime(self.path / REQUEST, (began, began))

    def left_out(self) -> list[dict[str, str]]:
        """What of the workspace is not saved, or not as it is, as of the last save: path and reason of each."""
        found = files.read_json(self.path / "left_out.json")
        return found if isinstance(found, list) else []

    def write_left_out(self, left_out: dict[str, str]) -> None:
        """Replace what :meth:`left_out` reads: the reason by path. Raises ``OSError``."""
        files.write_json(
            self.path / "left_out.json", [{"path": path, "reason": reason} for path, reason in left_out.items()]
        )

    def append_event(self, event: Event) -> None:
        """Add one event to ``events.jsonl``. Raises ``OSError``."""
        with self._events_file.open("ab") as file:
            file.write(EVENT.dump_json(event) + b"\n")

    def events(self, offset: int = 0) -> tuple[list[Event], int]:
        """The whole events from byte ``offset`` on, and the offset to ask from next time."""
        lines, offset = read_lines(self._events_file, offset)
        return _events_in(lines), offset

    def last_events(self) -> list[Event]:
        """The events at the end of what may be a long list."""
        return _events_in(files.last_lines(self._events_file))

    def machine_log(self, machine: int) -> Path:
        """What workload and agent of a machine printed (cleaned line by line)."""
        return self.workload_log if machine == 1 else self.path / f"workload.{machine}.log"

    def token(self, machine: int = 1) -> str | None:
        """The token that opens a machine's workload; ``None`` before there is one."""
        try:
            return (self.path / _token_file(machine)).read_text()
        except FileNotFoundError:
            return None

    def write_token(self, token: str, machine: int = 1) -> None:
        """Keep a machine's token, readable by its owner only."""
        files.write_atomic(self.path / _token_file(machine), token.encode())

    def base_url(self) -> str:
        """The path below which its workload answers: ``/`` but behind a hub."""
        return self.state().base_url

    def workload(self) -> Workload:
        """What its head runs, as its request says. Raises ``SessionDamaged``."""
        return registry.find(self.request().workload)

    def lab_extensions(self) -> bool:
        """Whether JupyterLab shows the front-end extensions that are installed there."""
        return self.request().lab_extensions

    def url(self) -> str | None:
        """The link that opens its workload, with the token where it asks for one; ``None`` while there is none."""
        return self.url_in(self.state())

    def url_in(self, state: SessionState) -> str | None:
        """The same as :meth:`url`, for a caller that has read the state already."""
        token, link = self.token(), registry.link(state.workload)
        return link.url(state.address, state.base_url, token) if link and state.address and token else None


def _events_in(lines: Iterable[str | bytes]) -> list[Event]:
    found = []
    for line in lines:
        with contextlib.suppress(ValidationError):  # written while the disk was full, so only half
            found.append(EVENT.validate_json(line))
    return found


def _token_file(machine: int) -> str:
    return "token" if machine == 1 else f"token.{machine}"


def session_directory(name: str) -> SessionDirectory:
    """The directory of the session ``name``; ``SessionNotFound`` when there is none."""
    path = paths.sessions_directory() / name
    if not is_name(name) or not is_session(path):
        known = [one.name for one in session_paths()]
        remedy = f"{did_you_mean(name, known)} See `golem-launcher list`.".strip()
        raise SessionNotFound(f"There is no session '{name}'.", remedy)
    return SessionDirectory(path)


def session_directories() -> Iterator[SessionDirectory]:
    """Every session's directory, the newest first."""
    return map(SessionDirectory, session_paths())


def unsettled_directories() -> Iterator[SessionDirectory]:
    """The same, but for those that are over with nothing left to be done: of what may run, or may be owed."""
    return (directory for directory in session_directories() if not directory.is_settled)


def create_session_directory(request: LaunchRequest, place: Path | None = None) -> SessionDirectory:
    """Make the directory of a new session with its request and first state; in that of all sessions, or at a ``place``.

    Raises ``FileExistsError`` when there is one of that name.
    """
    directory = SessionDirectory((place or paths.sessions_directory()) / request.name)
    directory.path.mkdir(mode=0o700)
    directory.write_state(
        SessionState(name=request.name, network=request.network, workload=request.workload, budget=request.budget)
    )
    directory.write_request(request)
    return directory


def read_lines(path: Path, offset: int) -> tuple[list[bytes], int]:
    """The whole lines of an append-only file from byte ``offset`` on (at most 4 MiB), and the next offset."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(_READ_AT_MOST)
    except FileNotFoundError:
        return [], offset
    end = data.rfind(b"\n") + 1
    return data[:end].splitlines(), offset + end
