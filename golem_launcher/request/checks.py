"""Validators of single fields. Each returns the clean value or raises ``ValueError``.

No message repeats what was typed where that could be a secret.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct

from pydantic_core import PydanticCustomError

from golem_launcher.networks import NETWORKS, unknown
from golem_launcher.outbound import address
from golem_launcher.software import SOFTWARE
from golem_launcher.suggestions import meant
from golem_launcher.workload import registry

PRIVATE_KEY = "private_key"
"""The type of pydantic's error for a private key where a public one belongs."""
_KEY_TYPES = re.compile(
    r"ssh-(ed25519|rsa)|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com"
)
_COMMENT = re.compile(r"(^|\s)#.*$")
_IDLE = re.compile(r"(\d{1,6}(?:\.\d{1,3})?) *(s|m|min|h)", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600}
_IDLE_LEAST, _IDLE_MOST = 10, 30 * 86400
_LONGEST_KEY = 16_384
_LONGEST_LINE = 500


def known_network(name: str) -> str:
    """The name of a network that there is."""
    if name not in NETWORKS:
        raise ValueError(unknown(name))
    return name


def known_software(name: str) -> str:
    """A choice of software that there is."""
    if name not in SOFTWARE:
        raise ValueError(f"there is no '{name}'; {meant(name, SOFTWARE)}")
    return name


def known_workload(name: str) -> str:
    """The name of a workload that there is, here or in an installed package."""
    try:
        return registry.find(name).name
    except LookupError:
        known = [one.name for one in registry.usable()]
        raise ValueError(f"there is no '{name}'; {meant(name, known)}") from None


def requirement_lines(lines: tuple[str, ...]) -> tuple[str, ...]:
    """The requirements (PEP 508) of a requirements file's lines, without blanks and comments.

    Option lines are refused: what pip is told is decided by the launcher.
    """
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415 - most requests name no package

    found = []
    every = [part for text in lines for part in text.splitlines()]
    for number, line in enumerate(every, 1):
        where = f"line {number}: " if len(every) > 1 else ""
        plain = _COMMENT.sub("", line).strip()
        if not plain:
            continue
        if plain.startswith("-"):
            raise ValueError(f"{where}'{plain[:40]}' is an option of pip; only packages can stand here, one a line")
        if len(plain) > _LONGEST_LINE:
            raise ValueError(f"{where}it is too long to be a package")
        try:
            requirement = Requirement(plain)
        except InvalidRequirement:
            raise ValueError(f"{where}'{plain[:40]}' is no package; write it like 'numpy' or 'pandas>=2'") from None
        if requirement.url is not None and requirement.url.lower().startswith("file:"):
            raise ValueError(f"{where}'{plain[:40]}' lies on this computer; the provider can't have it")
        found.append(str(requirement))
    return tuple(dict.fromkeys(found))


def public_ssh_key(text: str) -> str:
    """One public key, ``type base64 comment``. Options before it, several lines and private keys are refused."""
    line = text.strip()
    if "PRIVATE KEY" in line.upper():
        raise PydanticCustomError(
            PRIVATE_KEY, "this is a private key: it was thrown away; paste the line of the file that ends in .pub"
        )
    if "\n" in line or "\r" in line:
        raise ValueError("must be one line, the whole of a file that ends in .pub")
    parts = line.split(None, 2)
    if len(line) > _LONGEST_KEY or len(parts) < 2 or not _KEY_TYPES.fullmatch(parts[0]):  # noqa: PLR2004
        raise ValueError("must begin with its type, like 'ssh-ed25519 AAAA…', without options before it")
    try:
        blob = base64.b64decode(parts[1], validate=True)
        (size,) = struct.unpack_from(">I", blob)
    except (binascii.Error, struct.error):
        raise ValueError("is damaged: copy it again, whole") from None
    if blob[4 : 4 + size] != parts[0].encode():
        raise ValueError("is damaged: copy it again, whole")
    comment = re.sub(r"[^\w@.+-]", "", parts[2]) if len(parts) > 2 else ""  # noqa: PLR2004
    return f"{parts[0]} {parts[1]} {comment}".strip()


def outbound_addresses(urls: tuple[str, ...]) -> tuple[str, ...]:
    """The addresses that a session may reach: scheme, host and port, each once."""
    return tuple(dict.fromkeys(map(address, urls)))


def idle_time(text: str) -> str:
    """``none``, or a time like ``30m``, which :func:`idle_seconds` reads."""
    plain = text.strip().lower()
    if plain != "none":
        found = _IDLE.fullmatch(plain)
        if found is None:
            raise ValueError("write it like '30m' or '2h', or 'none'")
        if not _IDLE_LEAST <= idle_seconds(plain) <= _IDLE_MOST:
            raise ValueError("must be between 10s and 720h")
    return plain


def idle_seconds(text: str) -> float:
    """How long such a time is, in seconds."""
    amount, unit = _IDLE.fullmatch(text).groups()  # type: ignore[union-attr]  # it was checked before
    return float(amount) * _SECONDS[unit]
