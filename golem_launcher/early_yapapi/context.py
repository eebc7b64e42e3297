"""What was ``yapapi.runner.ctx``: a context into which a worker puts its steps, one after the other.

Each step is an awaitable of what came of it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import timedelta
    from os import PathLike

    import yapapi
    from yapapi.script import Script

_DOWNLOAD_LIMIT = 1024 * 1024
"""Bytes; what ``download_bytes`` and ``download_json`` took at most."""


class WorkContext:
    """What a worker is called with: the steps that it takes are done at the provider once it yields ``commit()``."""

    def __init__(self, context: yapapi.WorkContext) -> None:
        """``context``: today's, of the same activity."""
        self._context = context
        self._script = context.new_script()

    @property
    def id(self) -> str:
        """The activity's id."""
        return str(self._context.id)

    @property
    def provider_id(self) -> str:
        """The provider's node id."""
        return str(self._context.provider_id)

    @property
    def provider_name(self) -> str | None:
        """What the provider calls itself."""
        name = self._context.provider_name
        return None if name is None else str(name)

    def begin(self) -> None:
        """Nothing: a series of steps begins by itself."""

    def send_file(self, src_path: str | PathLike[str], dst_path: str) -> Any:
        """Bring a file of this computer there."""
        return self._script.upload_file(str(src_path), dst_path)

    def send_json(self, json_path: str, data: Any) -> Any:
        """Write a value as JSON to a file there."""
        return self._script.upload_json(data, json_path)

    def send_bytes(self, dst_path: str, data: bytes) -> Any:
        """Write bytes to a file there."""
        return self._script.upload_bytes(data, dst_path)

    def run(self, cmd: str, *args: str, env: dict[str, str] | None = None) -> Any:
        """Run a program there."""
        return self._script.run(cmd, *args, env=env)

    def download_file(self, src_path: str, dst_path: str | PathLike[str]) -> Any:
        """Bring a file from there to this computer."""
        return self._script.download_file(src_path, str(dst_path))

    def download_bytes(
        self, src_path: str, on_download: Callable[[bytes], Awaitable[Any]], limit: int = _DOWNLOAD_LIMIT
    ) -> Any:
        """Hand the bytes of a file there to ``on_download``."""
        return self._script.download_bytes(src_path, on_download, limit)

    def download_json(
        self, src_path: str, on_download: Callable[[Any], Awaitable[Any]], limit: int = _DOWNLOAD_LIMIT
    ) -> Any:
        """Hand the value of a JSON file there to ``on_download``."""
        return self._script.download_json(src_path, on_download, limit)

    def log(self, *args: Any) -> None:
        """Print something, with whose it is before it."""
        sys.stdout.write(" ".join(map(str, (f"{self.provider_name}:", *args))) + "\n")

    def commit(self, timeout: timedelta | None = None) -> Script:
        """The steps since the last commit, to be yielded; ``timeout``: how long they may take."""
        script, self._script = self._script, self._context.new_script()
        script.timeout = timeout
        return script
