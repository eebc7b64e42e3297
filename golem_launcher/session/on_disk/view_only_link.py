"""The view-only link of a session that has one: its token and its address, in a file that only its owner can read.

The session's supervisor writes it; of a suspended session, the caretaker where another program has had its address, and
whoever revokes it removes it. Nobody else does anything there. All that shows something at the address reads it anew
for each visitor. Everything here blocks for a moment.
"""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from golem_launcher import files

if TYPE_CHECKING:
    from pathlib import Path

_FILE = "view_only.json"
_TOKEN_BYTES = 24
_TOKEN = re.compile(r"[A-Za-z0-9_-]{32}")


@dataclass(frozen=True)
class ViewOnlyLink:
    """The address at which viewers see a session's notebooks, and the token in its path that lets them in."""

    address: str
    """Its origin: ``http://127.x.y.z:port``."""
    token: str = field(repr=False)

    @property
    def url(self) -> str:
        """What its viewers open. It is all that they need, and opens nothing else."""
        return f"{self.address}/{self.token}/"

    @property
    def place(self) -> tuple[str, int]:
        """Host and port, for whoever binds or connects to it."""
        parts = urlsplit(self.address)
        return str(parts.hostname), int(parts.port or 0)

    def beyond(self, target: str) -> str | None:
        """What is asked for behind the token in the path ``target``; ``None`` where that is not shown."""
        shown, slash, rest = target.partition("?")[0].removeprefix("/").partition("/")
        known = hmac.compare_digest(shown.encode(errors="replace"), self.token.encode())
        return rest if known and slash else None


def made(address: str) -> ViewOnlyLink:
    """A new one, which nobody can guess."""
    return ViewOnlyLink(address, secrets.token_urlsafe(_TOKEN_BYTES))


def of(directory: Path) -> ViewOnlyLink | None:
    """That of the session in ``directory``; ``None`` where there is none."""
    value: Any = files.read_json(directory / _FILE)
    try:
        link = ViewOnlyLink(str(value["address"]), str(value["token"]))
        there = link.place[1] > 0
    except (KeyError, TypeError, ValueError):
        return None
    return link if there and _TOKEN.fullmatch(link.token) else None


def write(directory: Path, link: ViewOnlyLink) -> None:
    """Keep the link in the session's directory, readable by its user alone. Raises ``OSError``."""
    files.write_json(directory / _FILE, {"address": link.address, "token": link.token})


def remove(directory: Path) -> None:
    """Have it open nothing any more. Raises ``OSError``."""
    (directory / _FILE).unlink(missing_ok=True)
