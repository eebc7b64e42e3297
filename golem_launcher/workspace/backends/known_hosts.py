"""Verifies sftp servers against the user's ``known_hosts``; fsspec by itself trusts any server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from golem_launcher.errors import WorkspaceError


def known_hosts_policy() -> Any:
    """What paramiko asks when it meets a server; raises ``WorkspaceError`` for one that is not in ``known_hosts``."""
    import paramiko  # noqa: PLC0415 - other stores need none of it

    class KnownHosts(paramiko.MissingHostKeyPolicy):  # type: ignore[misc, unused-ignore]
        def missing_host_key(self, _client: Any, hostname: str, key: Any) -> None:
            known = paramiko.HostKeys()
            path = Path("~/.ssh/known_hosts").expanduser()
            if path.is_file():
                known.load(str(path))
            if known.check(hostname, key):
                return
            other = known.lookup(hostname)
            if other is not None and key.get_name() in other:
                raise WorkspaceError(
                    f"The server {hostname} shows another key than the one in {path}: it may be somebody else's.",
                    "Ask who runs it; if its key was changed, remove the old one with ssh-keygen -R.",
                )
            raise WorkspaceError(
                f"The server {hostname} is not in {path}.", "Log in with ssh once and compare its key; then try again."
            )

    return KnownHosts()
