"""Who comes to the address of a suspended session, as waking it up costs money: judged by a browser's fetch metadata.

The provider knows the session's token, and where the Lab's page was open, a stranger's scripts may still run there, at
the very address. So a token or a cookie says whose session it is, and the metadata whether a person is there. Scripts
can't say that in the browser's place: headers whose names begin with ``Sec-`` are its alone.
"""

from __future__ import annotations

import hmac
from enum import Enum, auto
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from golem_launcher.access.origin_policy import login_cookies

if TYPE_CHECKING:
    from collections.abc import Mapping

_AHEAD = ("sec-purpose", "purpose", "x-purpose", "x-moz")
"""A browser that has one of these loads what nobody has asked for yet."""


class Visit(Enum):
    """Who asks, as far as a browser's ``Sec-Fetch-*`` headers tell: decides whether a request may wake a session."""

    BACKGROUND = auto()
    """Nobody looks at the answer as a page: a tab that was left open and asks by itself, a frame, a program, a crawler,
    a page that is loaded ahead."""
    STRANGER = auto()
    """A person's page, but nothing shows that the session is theirs."""
    LED = auto()
    """Its user's page, to which another page, or the one that was open there, may have led: a person is to say yes."""
    OWN = auto()
    """Its user's, who typed the address, chose a bookmark, or came from a program of this computer."""


def visit_of(target: str, headers: Mapping[str, str], token: str) -> Visit:
    """What a GET of ``target`` is, of a session with this ``token``. The names of ``headers`` are in small letters.

    Browsers without fetch metadata (Safari before 16.4) can't be told from scripts: background.
    """
    is_page = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    if not is_page or any(name in headers for name in _AHEAD):
        return Visit.BACKGROUND
    if not _is_theirs(target, headers, token):
        return Visit.STRANGER
    by_themselves = headers.get("sec-fetch-site") == "none" and headers.get("sec-fetch-user") == "?1"
    return Visit.OWN if by_themselves else Visit.LED


def _is_theirs(target: str, headers: Mapping[str, str], token: str) -> bool:
    """Whether the link's token comes with it, or a cookie that its Lab gave to a browser that had shown it."""
    shown = parse_qs(target.partition("?")[2]).get("token", [""])[0]
    if hmac.compare_digest(shown.encode(), token.encode()):
        return True
    names = (part.strip().partition("=")[0] for part in (headers.get("cookie") or "").split(";"))
    return any(name.startswith(login_cookies(token)) for name in names)
