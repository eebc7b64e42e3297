"""Defines a workload and its endpoints. docs/architecture.md shows how somebody else adds one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from golem_launcher.agent.program_workload import ADDRESS, PORT, PYTHON

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
    """Whether it asks for the session's token, which the agent tells JupyterLab alone; the link then carries it.

    A link to one that does not ask lets in the user's own browsers only.
    """
    path: str = "/"
    """The path that a link opens, below the base URL."""

    @property
    def is_lab(self) -> bool:
        """Whether JupyterLab listens there: its pages and kernels are known, not only its port."""
        return self.protocol == "lab"

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
    """A program to run at a provider. The agent starts it, and restarts it after a crash, five times at most."""

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
    """Where it listens. With none, the workload counts as ready once the agent answers."""
    probe: str = "/"
    """The path of the first endpoint, below the base URL, that answers 200 while the workload is healthy.

    An endpoint with the protocol ``tcp`` is healthy while it accepts connections.
    """
    unsaved: tuple[str, ...] = ()
    """Patterns, as in ``.gitignore``, of files that are not saved, besides those that the agent always leaves out."""
    ends_session: bool = False
    """Whether the session ends when the program exits with code 0; the workspace is saved first.

    Otherwise that exit loses the machine, and the session continues on another with what was saved.
    """
    begins_with_one: bool = False
    """Whether the session rents one machine until it is told to have more, as work comes; otherwise all that it may."""

    def __post_init__(self) -> None:
        """Raises ``ValueError`` for a name or a title that nobody could use."""
        if not _NAME.fullmatch(self.name) or not _TITLE.fullmatch(self.title):
            raise ValueError("a workload's name is small letters, digits and dashes; its title is short and ASCII")

    @property
    def link(self) -> Endpoint | None:
        """The endpoint that a link opens: the first, if it speaks HTTP."""
        first = self.first
        return first if first is not None and first.protocol != "tcp" else None

    @property
    def first(self) -> Endpoint | None:
        """The endpoint that tunnels lead to unless another is named, and whose health is probed."""
        return self.endpoints[0] if self.endpoints else None
