"""The wire format of gftp: URLs, sizes, and the errors that a peer can be told.

``gftp://<node id>/<name>`` is the service ``/public/gftp/<name>`` of that node, which others call as
``/net/<node id>/gftp/<name>``. Names are random; a published file may also be named by the SHA3-256 of its content in
hex, which whoever fetches it can compare. (Source: ``core/gftp`` and ``core/model/src/gftp.rs`` of golemfactory/yagna.)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from golem_launcher.errors import BusError

CHUNK: Final = 1024 * 1024
"""Bytes of a chunk that we ask for or send."""
SMALL_CHUNK: Final = 40 * 1024
"""Bytes of a chunk that every publisher gives: yagna's own size."""
LARGEST_CHUNK: Final = 4 * 1024 * 1024
"""Bytes of the largest chunk that a peer may ask for or send."""

_NODE = re.compile(r"0x[0-9a-f]{40}")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class GftpError(BusError):
    """A transfer that can't be; ``kind`` is the variant of gftp's own error type that a peer is told."""

    def __init__(self, what: str, remedy: str = "", *, kind: str = "InternalError") -> None:
        super().__init__(what, remedy)
        self.kind = kind

    def to_wire(self) -> Any:
        """The error as other implementations of gftp read it."""
        return self.kind if self.kind == "IntegrityError" else {self.kind: str(self)}


@dataclass(frozen=True)
class GftpUrl:
    """A file on a node."""

    node_id: str
    name: str

    @classmethod
    def parse(cls, text: str) -> GftpUrl:
        """Read a URL; :class:`GftpError` when it is none, or when its name could be a path."""
        try:
            parts = urlsplit(text)
            node_id, name = (parts.hostname or "").lower(), parts.path.removeprefix("/")
        except ValueError:
            node_id = name = ""
        if not (text.startswith("gftp://") and _NODE.fullmatch(node_id) and _NAME.fullmatch(name)):
            raise GftpError(f"{text[:200]!r} is no address of a file, which looks like gftp://0x…/….")
        return cls(node_id, name)

    def __str__(self) -> str:
        return f"gftp://{self.node_id}/{self.name}"

    @property
    def remote(self) -> str:
        """The service as another node calls it."""
        return f"/net/{self.node_id}/gftp/{self.name}"

    @property
    def digest(self) -> str | None:
        """What the content must hash to, when the name says so."""
        return self.name if _DIGEST.fullmatch(self.name) else None


def local_address(name: str) -> str:
    """The service as its own node registers it."""
    return f"/public/gftp/{name}"
