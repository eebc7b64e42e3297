"""A directory for each user of the hub: their sessions, saves and keys. The node and its wallet are the hub's.

Everything blocks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from golem_launcher import files, paths
from golem_launcher.errors import LauncherError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_USERS = "users"
_FILE = "user.json"
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class _Who(BaseModel):
    model_config = ConfigDict(frozen=True)

    name: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class HubUser:
    """A user of the hub, as last seen there."""

    name: str
    groups: tuple[str, ...]
    home: Path
    """What is the launcher's directory for this user: :func:`golem_launcher.paths.home_of`."""


def established(slug: str, name: str, groups: tuple[str, ...]) -> HubUser:
    """The user's directory, made when it is not there. ``slug``: what the hub makes of the name, for a file's name.

    Raises ``LauncherError`` when the directory is another user's: two names may have one slug.
    """
    if not _SLUG.fullmatch(slug):
        raise LauncherError("This is no name for a directory.")
    home = paths.private_directory(_all() / slug)
    before = _read(home)
    if before is not None and before.name != name:
        raise LauncherError("Another user of this hub has the directory that is meant for you.", "Tell who runs it.")
    who = _Who(name=name, groups=tuple(sorted(groups)))
    if who != before:
        files.write_atomic(home / _FILE, who.model_dump_json().encode())
    return HubUser(name, who.groups, home)


def known() -> Iterator[HubUser]:
    """All users that ever had a server, by name; none where there is no hub."""
    if not (paths.shared_home() / _USERS).exists():
        return
    found = [(who, home) for home in _all().iterdir() if (who := _read(home)) is not None]
    for who, home in sorted(found, key=lambda one: one[0].name):
        yield HubUser(who.name, who.groups, home)


def _read(home: Path) -> _Who | None:
    """Raises ``LauncherError`` for a file that can't be read: whose directory it is must not be guessed."""
    try:
        return _Who.model_validate_json((home / _FILE).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValidationError):
        raise LauncherError(f"It can't be read whose directory {home} is.", f"Mend {home / _FILE}.") from None


def _all() -> Path:
    return paths.private_directory(paths.shared_home() / _USERS)
