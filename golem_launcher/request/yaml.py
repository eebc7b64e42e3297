"""A request as YAML: the page's export and import, and ``golem-launcher start -f``.

The file is one mapping of a request's fields to a value or a list of values, nothing deeper; ``#`` comments may stand
anywhere. It is read from the parser's events and never constructed: aliases, anchors, tags, nesting and repeated keys
are refused, so a file of strangers can do no more than name fields. Every scalar is text, which the request's own
definition reads; no ``NO`` becomes ``False``, no hash a number.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import yaml

from golem_launcher.errors import RequestError
from golem_launcher.units import number
from golem_launcher.untrusted_text import clean_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from golem_launcher.request.launch_request import LaunchRequest

LARGEST = 256 * 1024
"""Bytes that a request may have as a file."""

_NOTHING = {"", "~", "null", "Null", "NULL"}
_HEADER = "# What is asked of Golem Launcher. Start it: golem-launcher start -f FILE\n"


def dump(request: LaunchRequest) -> str:
    """The request as YAML: its name, and whatever differs from the defaults."""
    values = {name: _plain(value) for name, value in request.changed().items()}
    return f"{_HEADER}{yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)}"


def load(text: str) -> dict[str, Any]:
    """The values in a YAML text, for :func:`golem_launcher.request.parse_request`: text, or lists of text.

    Raises ``RequestError`` when it is no YAML, too large, or more than one plain mapping.
    """
    if len(text) > LARGEST or len(text.encode(errors="replace")) > LARGEST:
        raise RequestError(f"The file is larger than {LARGEST // 1024} KiB: it is no request.")
    try:
        values = dict(_pairs(_events(text)))
    except yaml.YAMLError as error:
        raise RequestError(f"The file is no YAML: {clean_line(_where(error), longest=200)}.") from None
    return {name: value for name, value in values.items() if value is not None}


def read(path: Path) -> dict[str, Any]:
    """The values in a file, as :func:`load` gives them. Raises ``RequestError`` also when it can't be read."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
        return load(data.decode("utf-8-sig"))
    except OSError as error:
        raise RequestError(f"The file {path} can't be read: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise RequestError(f"The file {path} is no text in UTF-8.") from None


def _events(text: str) -> Iterator[yaml.Event]:
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) or getattr(event, "tag", None):
            raise RequestError(f"Line {_line(event)}: anchors, aliases and tags have no place in a request.")
        yield event


def _pairs(events: Iterator[yaml.Event]) -> Iterator[tuple[str, str | tuple[str, ...] | None]]:
    """The fields and values of the one mapping that there may be; an empty file has none."""
    opening = [yaml.StreamStartEvent, yaml.DocumentStartEvent, yaml.MappingStartEvent]
    for expected in opening:
        event = next(events)
        if isinstance(event, yaml.StreamEndEvent):
            return
        if not isinstance(event, expected):
            raise RequestError("The file is no request: it must be lines like 'budget: 0.5'.")
    seen = set()
    while not isinstance(event := next(events), yaml.MappingEndEvent):
        name = _text(event)
        if name in seen:
            raise RequestError(f"Line {_line(event)}: '{clean_line(name, longest=40)}' stands there twice.")
        seen.add(name)
        yield name, _value(events)
    if not isinstance(next(events), yaml.DocumentEndEvent) or not isinstance(next(events), yaml.StreamEndEvent):
        raise RequestError("The file holds more than one request.")


def _value(events: Iterator[yaml.Event]) -> str | tuple[str, ...] | None:
    event = next(events)
    if not isinstance(event, yaml.SequenceStartEvent):
        text = _text(event)
        return None if text in _NOTHING and event.style is None else text
    items = []
    while not isinstance(event := next(events), yaml.SequenceEndEvent):
        items.append(_text(event))
    return tuple(items)


def _text(event: yaml.Event) -> str:
    if not isinstance(event, yaml.ScalarEvent):
        raise RequestError(f"Line {_line(event)}: a value must be plain, or a list of plain values.")
    return str(event.value)


def _line(event: yaml.Event) -> int:
    return int(event.start_mark.line) + 1


def _where(error: yaml.YAMLError) -> str:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None) or "it cannot be read"
    return f"line {mark.line + 1}: {problem}" if mark else str(problem)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


class _Dumper(yaml.SafeDumper):
    """Writes amounts as plain numbers, and never an anchor."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True


def _number(dumper: yaml.SafeDumper, value: Decimal | float) -> yaml.ScalarNode:
    text = number(value)
    return dumper.represent_scalar("tag:yaml.org,2002:float" if "." in text else "tag:yaml.org,2002:int", text)


def _string(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    broken = value.splitlines() != [value]  # outside of double quotes the ends of lines, U+0085 too, are read as spaces
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style='"' if broken else None)


_Dumper.add_representer(str, _string)
_Dumper.add_representer(Decimal, _number)
_Dumper.add_representer(float, _number)
