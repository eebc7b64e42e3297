"""A store in Redis."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from golem_launcher.workspace.backends.redaction import redacted, redacted_errors

if TYPE_CHECKING:
    from collections.abc import Iterable

_SILENCE_SECONDS = 30


class RedisLocation:
    """Objects are keys. They are as safe as the settings for persistence of that Redis are."""

    readers = 4

    def __init__(self, url: str) -> None:
        import redis  # noqa: PLC0415 - most stores need none of it

        self._client: Any = redis.Redis.from_url(url, socket_timeout=_SILENCE_SECONDS)
        self._url = redacted(url)

    def establish(self) -> None:
        """Nothing to do: a Redis needs no place to be made."""

    def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """The value of a key, or a part of it."""
        with redacted_errors(self._url):
            if start == 0 and length is None:
                data = self._client.get(_key(name))
            else:
                end = -1 if length is None else start + length - 1
                data = self._client.getrange(_key(name), start, end) or None
        if data is None:
            raise FileNotFoundError(name)
        return bytes(data)

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        """Set a key."""
        with redacted_errors(self._url):
            self._client.set(_key(name), b"".join(pieces))

    def create(self, name: str, pieces: Iterable[bytes]) -> bool:
        """Set a key that is not there."""
        with redacted_errors(self._url):
            return bool(self._client.set(_key(name), b"".join(pieces), nx=True))

    def names(self, prefix: str) -> list[str]:
        """The keys that begin with ``prefix``."""
        pattern = re.sub(r"([*?\[\]\\])", r"\\\1", _key(prefix)) + "*"
        with redacted_errors(self._url):
            found = list(self._client.scan_iter(match=pattern, count=1000))
        return sorted(key.decode().removeprefix(_key("")) for key in found)

    def delete(self, name: str) -> None:
        """Delete a key."""
        with redacted_errors(self._url):
            self._client.delete(_key(name))


def _key(name: str) -> str:
    return f"golem-launcher:{name}"
