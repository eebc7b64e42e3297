"""Parses pip's requirements files: what a session can install of one, and what makes no sense at a provider.

Pure functions on bytes and text. Nothing that a line names is opened.
"""

from __future__ import annotations

import codecs
import contextlib
import locale
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

if TYPE_CHECKING:
    from collections.abc import Iterator

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # begins as that of UTF-16 does
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CODING = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_OF_HOSTS = {"idna", "punycode"}
"""Codings in which nobody writes a file, and that take minutes for one."""
_COMMENT = re.compile(r"(?<!\S)#.*$")
_OWN_OPTIONS = re.compile(r"(?<=\s)(--(hash|config-settings?|global-option|install-option)|-C)(=|\s+)\S.*$")
"""Those that pip takes behind a requirement."""
_EGG = re.compile(r"#(?:.*&)?egg=([A-Za-z0-9][A-Za-z0-9._-]*(?:\[[^\]]*\])?)")
_ADDRESS = re.compile(r"(?i)(https?|(git|hg|svn|bzr)\+[a-z+]+)://")
_HERE = re.compile(r"(?i)(file:|\.{0,2}[/\\]|~|[a-z]:[/\\]|\.$)|[^@]*\.(whl|zip|tar\.gz|tar\.bz2|tgz)(\[[^\]]*\])?$")
"""What pip takes for a path."""
_EDITABLE = re.compile(r"(-e|--editable)(\s|=|$)")
_LONGEST_LINE = 500
_LONGEST_SHOWN = 60
_ON_THIS_COMPUTER = "it lies on this computer; bring it along by --input, and install it there"
_NEVER = (
    (re.compile(r".*\$\{[A-Z0-9_]+\}"), "it names a variable of this computer"),
    (re.compile(r"(-r|-c|--requirements?|--constraints?)\b"), "it names another file; give that one as well"),
    (re.compile(r"-(?!e\b|-editable\b)"), "it is an option of pip, which the launcher decides"),
)


@dataclass(frozen=True)
class Requirements:
    """What there is in a requirements file."""

    packages: tuple[str, ...]
    """Requirements (PEP 508), each once."""
    left_out: tuple[str, ...]
    """What is not among them, with its line and the reason: a clause each."""


class _LeftOutError(Exception):
    """A line makes no sense at a provider; why."""


def read(data: bytes) -> Requirements:
    """What is in a file with these bytes. Raises ``ValueError`` for what is no list, and repeats nothing of it."""
    return parse(_decoded(data))


def parse(text: str) -> Requirements:
    """What is in a file of this text."""
    packages, left_out = [], []
    hashed = False
    for number, line in _logical_lines(text):
        own = _OWN_OPTIONS.search(line)
        plain = line[: own.start()].rstrip() if own else line
        hashed = hashed or (own is not None and own[1].endswith("hash"))
        try:
            packages.append(_requirement(plain))
        except _LeftOutError as error:
            shown = plain if len(plain) <= _LONGEST_SHOWN else plain[: _LONGEST_SHOWN - 1] + "…"
            left_out.append(f"line {number}, '{shown}': {error}")
    if hashed:
        left_out.append("the hashes: the versions alone are kept to")
    return Requirements(tuple(dict.fromkeys(packages)), tuple(left_out))


def _decoded(data: bytes) -> str:
    """As pip decodes: by its mark, by the coding that it names, as UTF-8, as this computer writes; then any bytes."""
    for mark, name in _BOMS:
        if data.startswith(mark):
            return _plain_text(data[len(mark) :].decode(name))
    named = [match[1].decode("ascii") for line in data.split(b"\n")[:2] if (match := _CODING.match(line))]
    for name in (*named, "utf-8", locale.getpreferredencoding(do_setlocale=False), "latin-1"):
        with contextlib.suppress(UnicodeDecodeError, LookupError):
            if codecs.lookup(name).name not in _OF_HOSTS:
                return _plain_text(data.decode(name))
    raise AssertionError("latin-1 decodes anything")


def _plain_text(text: str) -> str:
    if "\0" in text or "PRIVATE KEY-----" in text:
        raise ValueError("it is no list of packages")
    return text


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines joined where they end in a backslash, without comments, with the number of the first; no empty ones."""
    begun, parts = 0, list[str]()
    for number, raw in enumerate([*text.splitlines(), ""], 1):
        comment = raw.lstrip().startswith("#")
        if not parts:
            begun = number
        if raw.endswith("\\") and not comment:
            parts.append(raw[:-1])
            continue
        parts.append(" " if comment and parts else raw)
        line = _COMMENT.sub("", "".join(parts)).strip()
        parts.clear()
        if line:
            yield begun, line


def _requirement(line: str) -> str:
    """A requirement. Raises ``_LeftOutError`` with the reason why there is none."""
    if len(line) > _LONGEST_LINE:
        raise _LeftOutError("it is too long to be a package")
    for pattern, reason in _NEVER:
        if pattern.match(line):
            raise _LeftOutError(reason)
    plain = _EDITABLE.sub("", line, count=1).strip()
    if _ADDRESS.match(plain):
        return _at_address(plain)
    if plain != line or _HERE.match(plain):
        raise _LeftOutError(_ON_THIS_COMPUTER)
    try:
        requirement = Requirement(plain)
    except InvalidRequirement:
        raise _LeftOutError("it is no package; write it like 'numpy' or 'pandas>=2'") from None
    if requirement.url is not None and not _ADDRESS.match(requirement.url):
        raise _LeftOutError(_ON_THIS_COMPUTER)
    return str(requirement)


def _at_address(address: str) -> str:
    """An address alone, with the name that it tells of its package."""
    name = _EGG.search(address)
    if name:
        return f"{name[1]} @ {address}"
    bare = address.partition("#")[0]
    try:
        return f"{parse_wheel_filename(bare.rpartition('/')[2])[0]} @ {address}"
    except InvalidWheelFilename:
        raise _LeftOutError(f"it does not tell the package's name; write it like 'name @ {bare}'") from None
