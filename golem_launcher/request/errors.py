"""Validation errors of a request, in words for the person who typed it."""

from __future__ import annotations

import difflib
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from golem_launcher.errors import RequestError
from golem_launcher.request.checks import PRIVATE_KEY
from golem_launcher.request.field_metadata import About
from golem_launcher.request.fields import numbers
from golem_launcher.request.launch_request import LaunchRequest
from golem_launcher.request.typed_numbers import with_point
from golem_launcher.units import number
from golem_launcher.untrusted_text import clean_line


def parse_request(values: dict[str, Any]) -> LaunchRequest:
    """A request from untyped values. Raises ``RequestError`` that names the first field at fault and its bound.

    Numbers may be text, as people type it.
    """
    typed = {name: with_point(values[name]) for name in numbers() & values.keys() if isinstance(values[name], str)}
    try:
        return LaunchRequest(**{**values, **typed})
    except ValidationError as error:
        raise next(iter(request_errors(error))) from None


def request_errors(error: ValidationError) -> list[RequestError]:
    """One readable error per field that a validation refused, in the order of the fields."""
    errors = []
    for detail in error.errors(include_url=False):
        field = str(detail["loc"][0]) if detail["loc"] else None
        if detail["type"] == "extra_forbidden" and field is not None:
            errors.append(RequestError(f"There is no '{clean_line(field, longest=40)}'.", _meant(field), field=field))
            continue
        title = LaunchRequest.model_fields[field].title if field in LaunchRequest.model_fields else field
        message = _message(detail["type"], detail.get("ctx", {}), detail["msg"])
        if detail["type"] == "string_pattern_mismatch" and field in _PATTERNS:
            message = _PATTERNS[field]
        is_secret = detail["type"] == PRIVATE_KEY
        errors.append(RequestError(f"{title}: {message[:1].lower()}{message[1:]}.", field=field, is_secret=is_secret))
    return errors


_MESSAGES = {
    "missing": "is needed",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "decimal_type": "must be a number",
    "decimal_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "too_long": "can have at most {max_length} entries",
    "string_too_long": "must have at most {max_length} characters",
    "literal_error": "must be one of {expected}",
    "decimal_max_places": "must have at most {decimal_places} digits after the point",
}
"""What is said of each way to be wrong; pydantic's own words for the others."""

_PATTERNS = {
    "name": "must be small letters, digits and dashes (at most 40), like 'my-lab'",
    "image": "must be a tag like 'user/name:tag', a hash of 56 digits, or the name of an image of this computer; "
    "a file gets one by 'golem-launcher image add FILE --name NAME'",
    "resume": "must be the name of a saved workspace, or name@generation",
}
"""What the pattern of a field means."""


def _meant(field: str) -> str:
    """What somebody means who asks for a field that there is not: by its option or a word for it, else by its look."""
    names = list(LaunchRequest.model_fields)
    words = {word: name for name in names for word in _words(name)}
    plain = field.lower().replace("-", "_")
    found = words.get(plain) or next(iter(difflib.get_close_matches(plain, words, n=1, cutoff=0.6)), None)
    return f"Did you mean {words.get(found, found)}?" if found else f"There is: {', '.join(names)}."


def _words(name: str) -> set[str]:
    about = next(one for one in LaunchRequest.model_fields[name].metadata if isinstance(one, About))
    option = about.option.removeprefix("--").removeprefix("no-").replace("-", "_")
    return {name, *about.words, *([option] if option else [])}


def _message(kind: str, context: dict[str, Any], fallback: str) -> str:
    numbers = {name: _number(value) for name, value in context.items() if isinstance(value, int | float | Decimal)}
    return _MESSAGES[kind].format(**context | numbers) if kind in _MESSAGES else fallback.removeprefix("Value error, ")


def _number(value: float | Decimal) -> str:
    """A limit as the form has it."""
    return f"{Decimal(number(value)):,f}"
