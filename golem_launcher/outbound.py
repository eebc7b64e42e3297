"""Outbound rules: what a session may reach on the internet, and the manifest that asks a provider for it.

The form is that of Golem's Computation Payload Manifest (GAP-5) as yagna's ``ya-manifest-utils`` reads it. Providers
let nothing out without one; by default they grant unsigned manifests the addresses of their own whitelist, which has
a mirror of the Python package index on it but not the index itself. What is beyond needs a signature that the
provider trusts: a signed node descriptor (GAP-31), or a certificate.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

PACKAGES_ON_GOLEM = "https://pypi.dev.golem.network"
"""On the whitelist that providers come with. It lacks what nobody asked of it before."""
PACKAGES = ("https://pypi.org", "https://files.pythonhosted.org")
PROPERTY = "golem.srv.comp.payload"
NODE_DESCRIPTOR_PROPERTY = "golem.!exp.gap-31.v0.node.descriptor"
CAPABILITIES = ("inet", "manifest-support")
"""What a provider must be capable of, for a session that reaches anything."""
_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_SCHEMES = set(_PORTS)
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_LONGEST = 64 * 1024


@dataclass(frozen=True)
class OutboundRules:
    """What a session may reach on the internet: addresses, or everything."""

    urls: tuple[str, ...] = ()
    unrestricted: bool = False
    index_url: str = ""
    """Where pip must look instead of where it usually does; empty: there."""

    @classmethod
    def of(cls, kind: str, urls: tuple[str, ...], *, mirror: bool) -> OutboundRules:
        """What a request's ``outbound`` and ``outbound_urls`` mean. ``mirror``: packages come from Golem's mirror."""
        if kind == "unrestricted":
            return cls(unrestricted=True)
        if kind == "listed":
            return cls(tuple(map(address, urls)))
        if kind == "packages":
            return cls((PACKAGES_ON_GOLEM,), index_url=f"{PACKAGES_ON_GOLEM}/simple") if mirror else cls(PACKAGES)
        return cls()

    @property
    def anything(self) -> bool:
        """Whether anything at all may be reached."""
        return self.unrestricted or bool(self.urls)

    @property
    def hosts(self) -> frozenset[str]:
        """The names of the machines that may be reached, when not all may."""
        return frozenset(urlsplit(url).hostname or "" for url in self.urls)

    @property
    def destinations(self) -> frozenset[tuple[str, int]]:
        """Those names, each with the port of its address."""
        parts = map(urlsplit, self.urls)
        return frozenset((each.hostname or "", each.port or _PORTS[each.scheme]) for each in parts)

    @property
    def sentence(self) -> str:
        """What the user is told of it."""
        if self.unrestricted:
            return "The session may reach every address on the internet."
        if not self.urls:
            return "The session can't reach the internet."
        return f"The session may reach {', '.join(sorted(self.hosts))} and nothing else."


def address(url: str) -> str:
    """An address as manifests have it: scheme, host and port. Raises ``ValueError`` with what is wrong with it."""
    parts = urlsplit(url.strip() if "://" in url else f"https://{url.strip()}")
    host = (parts.hostname or "").lower()
    if parts.scheme not in _SCHEMES:
        raise ValueError(f"'{url[:60]}' must begin with https://, http://, wss:// or ws://")
    if not _HOST.fullmatch(host) or "." not in host or ".." in host:
        raise ValueError(f"'{url[:60]}' names no machine on the internet; write it like https://data.example.org")
    if parts.username is not None or parts.password is not None:
        raise ValueError("an address must hold no user and no password: the provider reads it")
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")


def manifest(task_package: str, asked: OutboundRules, *, now: datetime, expires: datetime) -> dict[str, Any]:
    """The manifest of one session: its image, and what it may reach.

    ``task_package`` is ``hash:sha3:HASH:URL`` as demands name an image.
    """
    _, kind, digest, image_url = task_package.split(":", 3)
    out: dict[str, Any] = {"protocols": sorted({urlsplit(url).scheme for url in asked.urls}), "urls": list(asked.urls)}
    if asked.unrestricted:
        out = {"protocols": sorted(_SCHEMES), "unrestricted": {"urls": True}}
    return {
        "version": "0.1.0",
        "createdAt": _time(now),
        "expiresAt": _time(expires),
        "metadata": {"name": "golem-launcher", "description": "JupyterLab in a session of Golem Launcher"},
        "payload": [
            {
                "platform": {"arch": "x86_64", "os": "linux"},
                "urls": [image_url],
                "hash": f"{kind}:{digest}",
            }
        ],
        "compManifest": {"version": "0.1.0", "net": {"inet": {"out": out}}},
    }


def encoded(value: Mapping[str, Any]) -> str:
    """A manifest as demands carry it: base64 of its JSON."""
    return base64.b64encode(json.dumps(value, separators=(",", ":")).encode()).decode()


def granted(text: str) -> tuple[str, OutboundRules]:
    """The image and the rules in the manifest of a demand, for a provider: ``(task_package, rules)``.

    Raises ``ValueError`` when it is none.
    """
    try:
        value = json.loads(base64.b64decode(text[:_LONGEST], validate=True))
        image = value["payload"][0]
        out = value.get("compManifest", {}).get("net", {}).get("inet", {}).get("out", {})
        unrestricted = out.get("unrestricted", {}).get("urls") is True
        urls = tuple(map(address, out.get("urls", ())))
        return f"hash:{image['hash']}:{image['urls'][0]}", OutboundRules(urls, unrestricted)
    except (KeyError, IndexError, TypeError, AttributeError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(f"the manifest makes no sense ({type(error).__name__})") from None


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
