"""An address of its own for each session's Lab: an origin that shares no cookies with anything else."""

from __future__ import annotations

import hashlib


def loopback_address(name: str) -> str:
    """The loopback address ``127.x.y.z`` of the session ``name``; always the same one, never in 127.0.0.0/16.

    Cookies ignore ports (RFC 6265, section 8.5) but not hosts, so a Lab there neither gets the cookies of what runs on
    127.0.0.1 nor can set any for it. Two names may share an address: the port tells them apart.
    """
    first, second, third = hashlib.sha256(name.encode()).digest()[:3]
    return f"127.{1 + first % 254}.{second}.{1 + third % 254}"
