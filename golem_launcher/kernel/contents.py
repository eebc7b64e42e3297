"""Files over there, by the contents of the Jupyter there: written in pieces, renamed, looked at, removed.

``path`` is below the workspace, with slashes. Raises ``AccessError``, and ``KernelGone`` for what is not there.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from golem_launcher.errors import AccessError
from golem_launcher.kernel.remote_kernel import KernelGone

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from golem_launcher.kernel.remote_kernel import LabClient

_PIECE = 3 * 1024 * 1024
_PIECE_SECONDS = 120.0
_PARTIAL = re.compile(r"\.part-[0-9a-f]{8}$")


@dataclass(frozen=True)
class Look:
    """What is known of a file over there without reading it."""

    size: int
    changed: float
    """In time of Unix, by the clock over there."""


def address(path: str) -> str:
    """Where a file or folder is asked for."""
    return f"/api/contents/{quote(path)}"


def partial_name(path: str) -> str:
    """A new name beside, for what is not whole yet."""
    return f"{path}.part-{secrets.token_hex(4)}"


def is_partial(path: str) -> bool:
    """Whether it has a name of :func:`partial_name`."""
    return _PARTIAL.search(path) is not None


async def make_folder(lab: LabClient, path: str) -> None:
    """Make a folder, if it is not there; what it lies in is."""
    await lab.read("PUT", address(path), {"type": "directory"})


async def write(lab: LabClient, path: str, descriptor: int, sent: Callable[[int], Awaitable[None]]) -> None:
    """Write what the open file ``descriptor`` has; ``sent`` is awaited with the bytes of each piece."""
    number, data = 1, await asyncio.to_thread(os.read, descriptor, _PIECE)
    while True:
        following = await asyncio.to_thread(os.read, descriptor, _PIECE)
        body: dict[str, Any] = {"type": "file", "format": "base64", "content": base64.b64encode(data).decode()}
        if following or number > 1:
            body["chunk"] = number if following else -1
        await lab.read("PUT", address(path), body, seconds=_PIECE_SECONDS)
        await sent(len(data))
        if not following:
            return
        number, data = number + 1, following


async def rename(lab: LabClient, path: str, name: str) -> None:
    """Give it another name, which nothing has."""
    await lab.read("PATCH", address(path), {"path": name})


async def put(lab: LabClient, partial: str, path: str) -> None:
    """Give a partial file its name, which another file may have: that one goes, once this one is there."""
    standing = await look(lab, path)
    if standing is None:
        await rename(lab, partial, path)
        return
    if standing.size < 0:
        raise AccessError(f"'{path}' is a folder over there.", "Name another place: to=FOLDER")
    aside = partial_name(path)
    await rename(lab, path, aside)
    await put_in_place(lab, partial, path, aside)


async def put_in_place(lab: LabClient, partial: str, path: str, aside: str) -> None:
    """Give a partial file the name of what was put ``aside``, and remove that; where it fails, that has it again."""
    try:
        await rename(lab, partial, path)
    except BaseException:
        with contextlib.suppress(AccessError, KernelGone):
            await asyncio.shield(rename(lab, aside, path))
        raise
    await remove(lab, aside)


async def remove(lab: LabClient, path: str) -> None:
    """Remove a file. An empty one goes to the trash there, which has no end."""
    await lab.read("PUT", address(path), {"type": "file", "format": "text", "content": ""})
    await lab.read("DELETE", address(path))


async def look(lab: LabClient, path: str) -> Look | None:
    """What is there; ``None``: nothing is. What is no file has a size that none can have."""
    try:
        found = await lab.ask("GET", f"{address(path)}?content=0")
    except KernelGone:
        return None
    if isinstance(found, dict) and found.get("type") != "directory" and isinstance(found.get("size"), int):
        with contextlib.suppress(ValueError):
            return Look(found["size"], datetime.fromisoformat(str(found.get("last_modified"))).timestamp())
    return Look(-1, 0.0)
