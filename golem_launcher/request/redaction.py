"""Removes secrets (passwords and keys inside addresses) from a request before it is stored or shown.

A request may hold ``https://user:token@host/…`` or ``s3://…?secret=…``. A session needs that; a preset, a file to share
or a command to copy must not have it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from golem_launcher.request.launch_request import LaunchRequest

_USER = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s@]*[^/\s@]@", re.IGNORECASE)
_QUERY = re.compile(
    r"[?&#;][^=&\s]*(token|secret|password|passwd|key|signature|sig|credential)[^=&\s]*=", re.IGNORECASE
)
_PRIVATE_KEY = re.compile(r"PRIVATE\s+KEY", re.IGNORECASE)


def holds_secret(text: str) -> bool:
    """Whether a text has a private key, or an address with a user's part or a secret in its query."""
    return bool(_PRIVATE_KEY.search(text) or _USER.search(text) or _QUERY.search(text))


def without_secrets(request: LaunchRequest) -> tuple[LaunchRequest, tuple[str, ...]]:
    """The request without the values that hold a secret, and the names of the fields concerned."""
    cleaned: dict[str, Any] = {}
    for name in type(request).model_fields:
        value = getattr(request, name)
        if isinstance(value, str) and holds_secret(value):
            cleaned[name] = None
        elif isinstance(value, tuple) and any(map(holds_secret, value)):
            cleaned[name] = tuple(item for item in value if not holds_secret(item))
    return request.model_copy(update=cleaned), tuple(cleaned)
