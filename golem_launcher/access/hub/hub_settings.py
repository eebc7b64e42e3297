"""What a hub tells a server that it starts, kept in the session's directory for the gate in front of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from golem_launcher import files
from golem_launcher.errors import AccessError

if TYPE_CHECKING:
    from pathlib import Path

_FILE = "gate.json"


class HubSettings(BaseModel):
    """What a hub tells a server that it starts, as its spawner writes it down for the gate."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    host: str
    """Where the gate listens, for the hub's proxy."""
    prefix: str
    """The path of the server on its hub, like ``/user/ann/``."""
    user: str
    api_url: str
    """Where the hub itself answers, beside its proxy."""
    api_token: str = Field(repr=False)
    """The server's own; also the secret of its OAuth client."""
    client_id: str
    callback_url: str
    """As the hub knows it: a path, or an address where users have names of their own (subdomains)."""
    authorize_url: str
    access_scopes: tuple[str, ...]
    """One of them lets into this server."""
    version: str = ""
    """The hub's, which wants to hear it."""
    own_host: bool = False
    """Whether this user's servers have a host that is neither the hub's nor another user's."""
    named_servers: bool = True
    """Whether the user may have further servers, which are at the same host: their pages share an origin."""
    secure: bool = False
    """Whether browsers come by https."""

    @property
    def own_origin(self) -> bool:
        """Whether nobody else's pages, nor those of another server of the user's, share an origin with this one's."""
        return self.own_host and not self.named_servers


def write(directory: Path, settings: HubSettings) -> None:
    """Have the session of this ``directory`` open a gate when it starts; before it does. Raises ``OSError``."""
    files.write_atomic(directory / _FILE, settings.model_dump_json().encode())


def read(directory: Path) -> HubSettings | None:
    """What was written; ``None`` for a session that no hub has started. Raises ``AccessError`` if it is damaged."""
    path = directory / _FILE
    try:
        return HubSettings.model_validate_json(path.read_bytes()) if os.path.lexists(path) else None
    except (OSError, ValidationError):
        raise AccessError(f"What the hub told of this session can't be read ({path}).") from None
