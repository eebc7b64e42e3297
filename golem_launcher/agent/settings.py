"""What the agent is told, by a JSON file of the user's side."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

_LARGEST_FILE = 65536
_LARGEST_PORT = 65535
_SHORTEST_TOKEN = 16


class SettingsError(Exception):
    """The file can't be used; the text says why, and never holds the token."""


@dataclass(frozen=True)
class Settings:
    """How to run JupyterLab."""

    token: str = field(repr=False)
    port: int
    deadline: float
    """When everything ends, in seconds since the epoch."""
    root: str
    """The directory of the notebooks."""
    log: str
    """The directory of the log's pieces."""
    base_url: str = "/"
    address: str = "0.0.0.0"  # noqa: S104 - inside the provider's virtual machine; the way in is its private network

    def to_json(self) -> bytes:
        """For the process that becomes JupyterLab, through a pipe."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Settings:
        """Read back what :meth:`to_json` wrote."""
        return cls(**json.loads(data))


def read(path: Path) -> Settings:
    """Read the settings and delete the file, so that the token does not stay on disk. Raises ``SettingsError``.

    ``token``, ``port`` and ``deadline`` are needed. ``root`` that is no directory here is replaced by the current
    one: where a runtime has no mounts, the same path is somewhere else, and commands start in it. ``log`` is beside
    the file unless given.
    """
    try:
        with path.open("rb") as file:
            os.fchmod(file.fileno(), 0o600)
            data = file.read(_LARGEST_FILE)
        path.unlink()
    except OSError as error:
        raise SettingsError(f"the settings can't be read ({error})") from None
    try:
        values = json.loads(data)
    except ValueError:
        raise SettingsError("the settings are not JSON") from None
    if not isinstance(values, dict):
        raise SettingsError("the settings are not a JSON object")
    return _checked(values, path.absolute().parent)


def _checked(values: dict[str, Any], beside: Path) -> Settings:
    token, port, deadline = values.get("token"), values.get("port"), values.get("deadline")
    if not isinstance(token, str) or len(token) < _SHORTEST_TOKEN or not token.isascii() or not token.isalnum():
        raise SettingsError(f"the token must be {_SHORTEST_TOKEN} or more letters and digits")
    if not isinstance(port, int) or not 0 < port <= _LARGEST_PORT:
        raise SettingsError("the port must be a number from 1 to 65535")
    if not isinstance(deadline, (int, float)) or deadline <= time.time():
        raise SettingsError("the deadline must be a time to come, in seconds since the epoch")
    root = str(values.get("root") or ".")
    base = str(values.get("base_url") or "/").strip("/")
    return Settings(
        token=token,
        port=port,
        deadline=float(deadline),
        root=str(Path(root if Path(root).is_dir() else ".").absolute()),
        log=str(Path(values.get("log") or beside / "golem-launcher-log").absolute()),
        base_url=f"/{base}/" if base else "/",
        address=os.environ.get("GOLEM_BIND_ADDRESS") or Settings.address,
    )
