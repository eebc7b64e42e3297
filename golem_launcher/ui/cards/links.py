"""Validates the link that opens a session's workload: ours by construction, or none."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from golem_launcher.errors import SessionNotFound
from golem_launcher.workload import registry

if TYPE_CHECKING:
    from golem_launcher.session.on_disk.directory import SessionDirectory

_TOKEN = re.compile(r"[A-Za-z0-9._~-]{8,256}")


def session_link(directory: SessionDirectory) -> str | None:
    """The address that opens it, with the token where it asks for one; ``None`` while there is none.

    The address is built anew from its checked parts, a loopback host and a port; another is none.
    """
    try:
        state, token = directory.state(), directory.token()
    except (SessionNotFound, OSError, ValueError):
        return None
    origin, link = own_origin(state.address or ""), registry.link(state.workload)
    if origin is None or link is None or token is None or not _TOKEN.fullmatch(token):
        return None
    return link.url(origin, "/", token)


def own_origin(address: str) -> str | None:
    """``http://host:port`` when ``address`` is just that with a host of this machine; else ``None``."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    if parts.scheme != "http" or port is None or not _is_own_host(host):
        return None
    origin = f"http://{host}:{port}"
    return origin if address in {origin, f"{origin}/"} else None


def _is_own_host(host: str) -> bool:
    if re.fullmatch(r"([a-z0-9-]+\.)?localhost", host):
        return True
    try:
        return ipaddress.IPv4Address(host).is_loopback
    except ValueError:
        return False
