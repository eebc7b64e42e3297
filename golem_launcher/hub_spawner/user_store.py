"""A user's own place in a store that the hub's administrators have set for all.

Saves are found by their names. In one place for all, users could go on with each other's.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from golem_launcher.errors import RequestError

_WITHOUT_FOLDERS = {"redis", "rediss", "unix"}


def of_user(store: str | None, slug: str) -> str | None:
    """The folder of the user with this ``slug`` in ``store``; ``None``: the user's directory on the hub's computer.

    Raises ``RequestError`` for a store in which users can't have folders.
    """
    if store is None:
        return None
    if "://" in store and (urlsplit(store).scheme in _WITHOUT_FOLDERS or "?" in store or "#" in store):
        raise RequestError(
            "There is no folder in this store for each user.", "Name a directory, or s3://, gs://, sftp://, hdfs://."
        )
    return f"{store.rstrip('/')}/{slug}"
