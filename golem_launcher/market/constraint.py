"""Writes constraints in yagna's language, safely for arbitrary values.

Its language has no way to quote: a value ends at the first bracket, and ``*`` stands for anything. So what can't be
written becomes ``*``: the constraint then lets more through, never something else, and whoever asks looks at the offers
that come.
"""

from __future__ import annotations

import re
from typing import Literal

from golem_launcher.errors import RequestError

Sign = Literal["=", "<", "<=", ">", ">="]

_NAME = re.compile(r"[A-Za-z0-9!?._-]+", re.ASCII)
_UNWRITABLE = re.compile(r"[^\w .,:;/+@#%!-]+")
"""Brackets and signs, backslashes, control characters; whatever is no letter or digit and not known to be harmless."""
_SUBNET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)


def condition(name: str, sign: Sign, value: str | float) -> str:
    """One property compared with a value."""
    assert _NAME.fullmatch(name), name
    return f"({name}{sign}{_UNWRITABLE.sub('*', value) if isinstance(value, str) else format(value, 'g')})"


def present(name: str) -> str:
    """A property that is there, whatever it says."""
    assert _NAME.fullmatch(name), name
    return f"({name}=*)"


def every(*parts: str) -> str:
    """A constraint of a demand that holds where all of these do (``&`` in the market's LDAP-like language)."""
    return f"(&{''.join(parts)})"


def some(*parts: str) -> str:
    """A constraint of a demand that holds where at least one of these does (``|``)."""
    return f"(|{''.join(parts)})"


def subnet(name: str) -> str:
    """The name of a subnet, which goes into demands as it is; ``RequestError`` when it is none."""
    if not _SUBNET.fullmatch(name):
        raise RequestError(f"'{name[:40]}' is no name of a subnet.", "Letters, digits, dots and dashes: YAGNA_SUBNET.")
    return name
