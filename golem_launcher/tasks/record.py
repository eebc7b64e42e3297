"""The record of a job: what became of each task, a line each, on disk before anybody counts on it.

A job that was killed at any moment goes on by it: a task whose line is there is done and is not given out again.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from golem_launcher import files, paths
from golem_launcher.errors import SessionDamaged, SessionError, SessionNameTaken
from golem_launcher.networks import DEFAULT
from golem_launcher.session.on_disk.directory import read_lines
from golem_launcher.tasks.group_commit import GroupCommit
from golem_launcher.tasks.labels import SUMMARIES, labels_of, labels_of_sets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_Kind = TypeVar("_Kind", bound=BaseModel)

_FILE, _JOB, _LOCK, _STOP = "record.jsonl", "job.json", "lock", "stop"
_AMOUNT = r"^[0-9]{1,12}(\.[0-9]{0,40})?(E[+-]?[0-9]{1,2})?$"
"""What a ``Decimal`` is as text, as long as it is money."""


class Line(BaseModel):
    """What happened to a task, to a machine or to the job, or what a session cost.

    ``done``, ``failed`` and ``cost`` are what counts. Two others tell whose costs these are: a session that is
    ``earlier`` than the job is another's of its name, and the job's own come after a command was ``begun``. The
    rest say who is at what, for whoever looks on: a task that is ``given`` to a provider or comes ``back`` without
    a result, one that is ``lost``.
    """

    model_config = ConfigDict(frozen=True)

    kind: Literal["earlier", "begun", "given", "back", "lost", "done", "failed", "cost"]
    at: float = 0.0
    """When it was given; seconds since 1970."""
    task: int = -1
    id: str = ""
    """The attempt's."""
    provider: str = ""
    """Its node id."""
    provider_name: str = ""
    """Cleaned."""
    seconds: float = 0.0
    reason: str = ""
    session: str = ""
    """When the session was created, by which it is known among those of its name."""
    cost: Annotated[str, Field(pattern=_AMOUNT)] = "0"
    """GLM."""
    more: dict[str, Any] = {}
    """What else is to be known of the result."""


class _Asked(BaseModel):
    network: str = DEFAULT


class Overview(BaseModel):
    """What is listed of a job, a sweep or not, whatever else its description has."""

    items: tuple[str, ...] = ()
    sets: tuple[dict[str, Any], ...] = ()
    """A sweep's, in the place of items."""
    output: str = ""
    request: _Asked = _Asked()

    @property
    def tasks(self) -> int:
        """How many tasks the job has."""
        return len(self.sets or self.items)

    @property
    def labels(self) -> list[str]:
        """What each task is called, by its index."""
        return labels_of_sets(self.sets) if self.sets else labels_of(self.items)

    def writes(self, name: str) -> bool:
        """Whether a result of it has this name in its directory."""
        if self.sets:
            return name in SUMMARIES or (name.endswith(".ipynb") and name.removesuffix(".ipynb") in self.labels)
        return name in self.labels


_LINE: TypeAdapter[Line] = TypeAdapter(Line)


@dataclass(frozen=True)
class JobDirectory:
    """Where a job keeps what it is and how far it is."""

    path: Path

    @property
    def name(self) -> str:
        """The name of the job, which is also that of its session."""
        return self.path.name

    @property
    def incoming(self) -> Path:
        """For what comes back, until it has its place."""
        return self.path / "incoming"

    @property
    def busy(self) -> bool:
        """Whether a process is at this job."""
        try:
            descriptor = os.open(self.path / _LOCK, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            return not files.try_lock(descriptor)
        finally:
            os.close(descriptor)

    @property
    def stop_asked(self) -> bool:
        """Whether somebody asked who is at it to begin nothing more."""
        return (self.path / _STOP).exists()

    def ask_to_stop(self) -> None:
        """Have whoever is at it begin nothing more, and end once what runs is done. Raises ``OSError``."""
        (self.path / _STOP).touch(mode=0o600)

    @property
    def changed(self) -> float:
        """When something was written of it last; seconds since 1970."""
        times = [0.0]
        for path in (self.path / _JOB, self.path / _FILE):
            with contextlib.suppress(OSError):  # it may be forgotten meanwhile
                times.append(path.stat().st_mtime)
        return max(times)

    def description(self) -> Any:
        """What was written by :func:`create`; ``None`` where it can't be read."""
        return files.read_json(self.path / _JOB)

    def overview(self) -> Overview | None:
        """What is listed of it; ``None`` where its description makes no sense."""
        try:
            return Overview.model_validate(self.description())
        except ValidationError:
            return None

    def understood(self, description: Any, kind: type[_Kind]) -> _Kind:
        """What was read as a job of this ``kind``. Raises ``SessionDamaged`` for what is none."""
        try:
            return kind.model_validate(description)
        except ValidationError:
            raise SessionDamaged(f"The job '{self.name}' can't be read: {self.path} is damaged.") from None

    def describe(self, description: Any) -> None:
        """Change it: more money, say."""
        files.write_json(self.path / _JOB, description)

    def lines(self) -> Iterator[Line]:
        """All lines; one that was being written when the power went is none."""
        with contextlib.suppress(FileNotFoundError), (self.path / _FILE).open("rb") as file:
            yield from _understood(file)

    def lines_from(self, offset: int) -> tuple[list[Line], int]:
        """The whole lines from byte ``offset`` on, some megabytes of them, and the offset to ask from next time."""
        lines, offset = read_lines(self.path / _FILE, offset)
        return list(_understood(lines)), offset

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Alone. Raises ``SessionNameTaken`` when another process is at this job."""
        descriptor = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if not files.try_lock(descriptor):
                raise SessionNameTaken(f"The job '{self.name}' is being done already, by another command.")
            (self.path / _STOP).unlink(missing_ok=True)
            self.incoming.mkdir(mode=0o700, exist_ok=True)
            for left in self.incoming.iterdir():
                left.unlink()
            yield
        finally:
            os.close(descriptor)


class JobRecord:
    """Appends to a job's record. Blocking; ``with`` it. Every method may be called by any thread."""

    def __init__(self, directory: JobDirectory) -> None:
        path = directory.path / _FILE
        self._file = path.open("ab")
        self._writing = threading.Lock()
        self._disk = GroupCommit(lambda: os.fsync(self._file.fileno()))
        if path.stat().st_size and not path.read_bytes().endswith(b"\n"):
            self._file.write(b"\n")  # after a line that was cut off

    def add(self, *lines: Line, sure: bool) -> None:
        """Write these; ``sure``: they survive a power cut once this returns. Raises ``OSError``."""
        data = b"".join(
            json.dumps(line.model_dump(exclude_defaults=True) | {"kind": line.kind}).encode() + b"\n" for line in lines
        )
        with self._writing:
            self._file.write(data)
            self._file.flush()
        if sure:
            self._disk.commit()

    def close(self) -> None:
        """Close the file, once no machine works for the job any more. Nothing may be added afterwards."""
        self._file.close()


def jobs_directory() -> Path:
    """The directory that holds one directory for each job; made when it is not there. Raises ``OSError``."""
    return paths.private_directory(paths.home() / "jobs")


def job_directories() -> list[JobDirectory]:
    """Every job's directory, the one in which something happened last first. Raises ``OSError``."""
    found = [JobDirectory(path) for path in jobs_directory().iterdir() if (path / _JOB).is_file()]
    return sorted(found, key=lambda directory: directory.changed, reverse=True)


def writer_of(parent: Path, name: str) -> JobDirectory | None:
    """The job whose result is at ``parent / name``, the last one by what happened to it; ``None`` where none's is."""
    for directory in job_directories():
        known = directory.overview()
        if known is not None and known.output == str(parent) and known.writes(name):
            return directory
    return None


def _understood(lines: Iterable[bytes]) -> Iterator[Line]:
    """Those that make sense."""
    for line in lines:
        with contextlib.suppress(ValidationError):
            yield _LINE.validate_json(line)


def new_name() -> str:
    """For a job that nobody named, and so for its session."""
    return f"job-{secrets.token_hex(3)}"


def create(name: str, description: Any) -> JobDirectory:
    """A new job's directory. Raises ``SessionNameTaken`` for a name that a job has already."""
    path = jobs_directory() / name
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        raise SessionNameTaken(
            f"There is a job '{name}' already.", f"Go on with it: --resume {name}; or choose another --name."
        ) from None
    files.write_json(path / _JOB, description)
    return JobDirectory(path)


def find(name: str) -> JobDirectory:
    """The job of that name. Raises ``SessionError`` when there is none."""
    path = jobs_directory() / name
    if re.fullmatch(paths.NAME_PATTERN, name) is None or not (path / _JOB).is_file():
        known = ", ".join(sorted(one.name for one in jobs_directory().iterdir())[:20]) or "none"
        raise SessionError(f"There is no job '{name}'.", f"There are: {known}.")
    return JobDirectory(path)
