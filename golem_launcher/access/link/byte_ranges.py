"""Parts of files that a browser has the rest of already: ``Range`` with ``If-Range`` (RFC 9110, 13.1.5).

Jupyter's server does not look at ``If-Range``. A download that was interrupted would go on with the bytes of another
file, where that has changed meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from golem_launcher.agent.whole_number import whole

if TYPE_CHECKING:
    from golem_launcher.access.origin_policy import Headers

_PARTIAL = 206
_SHORT = 1_000_000
"""Bytes."""
_OF_PARTS = {b"range", b"if-range"}


class OfAnother(Exception):  # noqa: N818 - it is a state of affairs
    """An answer is a part of another version of the file than that which the browser has the rest of."""


def check(asked: Headers, status: int, answered: Headers) -> None:
    """Raise :class:`OfAnother` for such an answer: all of the file is to be asked for then."""
    wanted = dict(asked).get(b"if-range")
    if status != _PARTIAL or wanted is None:
        return
    told = dict(answered)
    if wanted not in {told.get(b"last-modified"), told.get(b"etag")}:
        raise OfAnother


def is_short(asked: Headers) -> bool:
    """Whether a short part is asked for, of which programs that look around in a file want many."""
    unit, _, part = dict(asked).get(b"range", b"").partition(b"=")
    first, last = (whole(each) for each in part.partition(b"-")[::2])
    return unit == b"bytes" and first is not None and last is not None and last - first < _SHORT


def without(asked: Headers) -> Headers:
    """The headers of the same question for all of the file."""
    return [(name, value) for name, value in asked if name not in _OF_PARTS]
