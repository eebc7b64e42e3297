"""What a workload is: a value. A stranger's is another value in a file of its own; docs/architecture.md has one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from golem_launcher.agent.program import ADDRESS, PORT, PYTHON

__all__ = ["ADDRESS", "FIRST_PORT", "PORT", "PYTHON", "Endpoint", "Workload"]

FIRST_PORT = 8888
"""Where a workload listens first; the three ports after it are the agent's."""
_AGENTS_PORTS = range(FIRST_PORT + 1, FIRST_PORT + 4)
_LARGEST_PORT = 65535
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
_TITLE = re.compile(r"[ -~]{1,40}")
_PATH = re.compile(r"/[!-~]*")


@dataclass(frozen=True)
class Endpoint:
    """A port at which a workload listens, for the user's browser or programs."""

    name: str
    """What commands call it: small letters, digits and dashes."""
    port: int = FIRST_PORT
    protocol: Literal["lab", "http", "tcp"] = "http"
    """``lab`` is HTTP, too, whose pages are JupyterLab's: a link shows them from this side's files."""
    asks_token: bool = False
    """Whether it lets in nobody without the session's token, which JupyterLab alone is told; a link then has it.

    One that does not ask is opened to the user alone.
    """
    path: str = "/"
    """What a link opens there, below the path at which it answers."""

    def __post_init__(self) -> None:
        """Raises ``ValueError`` and ``TypeError`` for what is no endpoint."""
        if not _NAME.fullmatch(self.name) or self.protocol not in {"lab", "http", "tcp"}:
            raise ValueError("an endpoint's name or protocol is none")
        if not 0 < self.port <= _LARGEST_PORT or self.port in _AGENTS_PORTS:
            raise ValueError(
                f"{self.port} is no port for an endpoint; {FIRST_PORT} is one, and the three after it are the agent's"
            )
        if not _PATH.fullmatch(self.path):
            raise ValueError("an endpoint's path begins with / and is ASCII")

    def url(self, origin: str, base_url: str, token: str) -> str:
        """The link that opens it: below ``base_url`` of an ``origin``; empty: on the origin that asks."""
        return f"{origin}{base_url}{self.path[1:]}{f'?token={token}' if self.asks_token else ''}"


@dataclass(frozen=True)
class Workload:
    """What a machine is rented for. The agent starts it, and again when it crashed, five times at most."""

    name: str
    """What requests call it: small letters, digits and dashes."""
    title: str
    """What it is called to people."""
    sentence: str = ""
    """What one gets, in one plain sentence."""
    needs: str = ""
    """What it takes of an image beside a shell and Python, as people read it."""
    argv: tuple[str, ...] = ()
    """What the agent starts in the workspace; :data:`PYTHON`, :data:`ADDRESS` and :data:`PORT` stand for themselves.

    Empty: the JupyterLab of the image, which the agent configures (``agent/lab.py``), and installs where there is none.
    """
    endpoints: tuple[Endpoint, ...] = (Endpoint("web"),)
    """Where it listens. One that listens nowhere is ready as soon as the agent is."""
    probe: str = "/"
    """A path of the first endpoint, below its base, that answers with 200 once it is ready, and while it is well.

    Of one that does not speak HTTP it is enough that it takes connections.
    """
    unsaved: tuple[str, ...] = ()
    """What is not saved of the workspace beside what the agent always leaves out: patterns as in ``.gitignore``."""
    ends_session: bool = False
    """Whether the session ends with its orderly end, exit code 0, once all is saved: a program that has done its work.

    Else its machine is given up then, and another goes on with what was saved.
    """

    def __post_init__(self) -> None:
        """Raises ``ValueError`` for a name or a title that nobody could use."""
        if not _NAME.fullmatch(self.name) or not _TITLE.fullmatch(self.title):
            raise ValueError("a workload's name is small letters, digits and dashes; its title is short and ASCII")

    @property
    def link(self) -> Endpoint | None:
        """What a browser is led to: the first endpoint, where that speaks HTTP."""
        first = self.first
        return first if first is not None and first.protocol != "tcp" else None

    @property
    def first(self) -> Endpoint | None:
        """What tunnels lead to where no endpoint is named, and what is asked whether it is ready."""
        return self.endpoints[0] if self.endpoints else None
