"""Keeps secrets out of a store's address and of its library's errors."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from golem_launcher.errors import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Iterator


_WORDS = {
    "NoCredentialsError": "no credentials were found",
    "PartialCredentialsError": "the credentials are not complete",
    "DefaultCredentialsError": "no credentials were found",
    "AuthenticationError": "it does not accept the credentials",
    "AuthenticationException": "it does not accept the credentials",
    "PermissionError": "it refuses access",
    "ConnectionError": "no connection",
    "ConnectionRefusedError": "nobody answers there",
    "NoValidConnectionsError": "nobody answers there",
    "EndpointConnectionError": "nobody answers there",
    "ClientConnectorError": "nobody answers there",
    "ClientConnectorDNSError": "there is no such host, or no network",
    "gaierror": "there is no such host, or no network",
}
"""By the class of an error, because its own words may hold what must not be shown."""


def redacted(url: str | None) -> str:
    """The address of a store without user, password and options, for state and logs; empty for this computer's own."""
    if url is None or "://" not in url:
        return url or ""
    parts = urlsplit(url)
    host = (parts.hostname or "") + (f":{parts.port}" if parts.port else "")
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


@contextlib.contextmanager
def redacted_errors(url: str, advice: str = "Check its address and your access to it.") -> Iterator[None]:
    """Turn whatever a store's library raises into a ``WorkspaceError``, except for "no such object".

    ``url`` is what may be shown of the address.
    """
    try:
        yield
    except (FileNotFoundError, WorkspaceError):
        raise
    except Exception as error:
        why = _WORDS.get(type(error).__name__, type(error).__name__)
        raise WorkspaceError(f"The store {url} can't be reached ({why}).", advice) from error
