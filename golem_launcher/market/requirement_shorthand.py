"""Parses requirements as the Jupyter on Golem kernel wrote them: ``mem>4 disk>100 cores>2``.

Each word is a name, a sign (``>``, ``>=`` or ``=``, all of which mean "at least" for a size) and a value, in quotes
where it has blanks. Every field of a request can be said: by its own name and its option's where it has no shorter
word, several values with commas, yes or no.
"""

from __future__ import annotations

import re
import shlex
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import RequestError
from golem_launcher.request.fields import NAMES, about, is_list, is_whole, option

if TYPE_CHECKING:
    from collections.abc import Iterable

_WORD = re.compile(r"([A-Za-z_][A-Za-z_-]{0,40})\s*(>=|>|<=|<|=)\s*(.{1,1000})", re.ASCII | re.DOTALL)
_TOUCHING = re.compile(r"\s*(>=|<=|>|<|=)\s*")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|m|min|h|d)?", re.ASCII)
_HOURS = {"s": Decimal(1) / 3600, "m": Decimal(1) / 60, "min": Decimal(1) / 60, "h": Decimal(1), "d": Decimal(24)}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)(?:gib|gb|g)?", re.ASCII | re.IGNORECASE)

FIELDS = {
    **{
        option(name).removeprefix("--").replace("-", "_"): name
        for name in NAMES
        if not option(name).startswith("--no-")
    },
    **{name: name for name in NAMES},
    **{word: name for name in NAMES for word in about(name).words},
}
"""The field of each word."""
_STRATEGIES = {"bestprice": "price", "best_price": "price", "cheapest": "price", "score": "reputation"}


def read_words(words: str | Iterable[str]) -> dict[str, Any]:
    """The fields of a request that these words mean, for :func:`golem_launcher.request.parse_request`.

    Raises ``RequestError`` that names the word at fault.
    """
    text = words if isinstance(words, str) else " ".join(f"'{one}'" if " " in one.strip() else one for one in words)
    values: dict[str, Any] = {}
    for word in _words(_TOUCHING.sub(r"\1", text)):
        match = _WORD.fullmatch(word)
        if match is None:
            raise _unclear(word)
        field, value = _meaning(word, match[1].lower().replace("-", "_"), match[2], match[3])
        if field in values:
            raise RequestError(f"'{word}' says again what was said before.", field=field)
        values[field] = value
    return values


def _words(text: str) -> list[str]:
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters, lexer.escape = True, "", ""
    try:
        return list(lexer)
    except ValueError:
        raise RequestError("A quote is not closed.", 'Write it like: gpu_model="RTX 3090".') from None


def _meaning(word: str, name: str, sign: str, value: str) -> tuple[str, Any]:
    if name in {"hours", "time"} and sign == "=":
        duration = _DURATION.fullmatch(value)
        if duration is not None:
            return "hours", str(round(Decimal(duration[1]) * _HOURS[duration[2] or "h"], 4))
    if name not in FIELDS:
        raise _unclear(word)
    field = FIELDS[name]
    bound = about(field).bound
    if bound == "least" and sign in {">", ">=", "="}:
        size = _SIZE.fullmatch(value)
        if size is not None and (not is_whole(field) or size[0].isdigit()):
            none_is_any = sign == ">" and is_whole(field) and float(size[1]) == 0  # more than none is one
            return field, "1" if none_is_any else size[1]
    elif bound == "most" and sign in {"<", "<=", "="}:
        try:
            return field, str(Decimal(value))
        except InvalidOperation:
            raise _unclear(word) from None
    elif is_list(field) and sign == "=":
        return field, tuple(one.strip() for one in value.split(",") if one.strip())
    elif not bound and sign == "=":
        return field, _STRATEGIES.get(value.lower(), value) if field == "choose" else value
    raise _unclear(word)


def _unclear(word: str) -> RequestError:
    return RequestError(
        f"'{word[:60]}' is no requirement.",
        "Write them like: mem>4 disk>100 cores>2 gpus>=1 gpu_model=RTX price<0.5 time=2h strategy=random.",
    )
