"""Escapes file names into text that every computer can write down.

A backslash, and each byte of a name that is no UTF-8, becomes ``%`` and two hex digits; so does a ``%`` that would be
taken for one of those. :func:`unescape` gives the name back as it was, and never makes a slash or a NUL.

The launcher imports this module, too.
"""

from __future__ import annotations

import re

_FIRST_BYTE = 0xDC00
"""Python's letters for bytes that are no text begin here."""
_ODD = re.compile("%(?=25|5C|[89A-F][0-9A-F])|\\\\|[\udc80-\udcff]")
_ESCAPED = re.compile("%(25|5C|[89A-F][0-9A-F])")
_ASCII = 0x80


def escape(name: str) -> str:
    """A path or the target of a link as it travels."""
    return _ODD.sub(lambda found: f"%{ord(found[0]) & 0xFF:02X}", name)


def unescape(name: str) -> str:
    """The path or target as the system has it."""
    return _ESCAPED.sub(lambda found: _letter(int(found[1], 16)), name) if "%" in name else name


def _letter(byte: int) -> str:
    return chr(byte if byte < _ASCII else _FIRST_BYTE + byte)
