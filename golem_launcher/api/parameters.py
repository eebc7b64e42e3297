"""A request's fields as parameters of Python functions: names, types, defaults and words, from the one definition."""

from __future__ import annotations

import inspect
import os
import textwrap
import types
import typing
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from golem_launcher.request.fields import NAMES, about, is_list, title
from golem_launcher.request.launch_request import LaunchRequest
from golem_launcher.units import number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from golem_launcher.request import LaunchRequest as Request

_F = TypeVar("_F", bound="Callable[..., Any]")
_PATHS = ("inputs", "outbound_permit")
_SPACE = {"Decimal": Decimal, "Literal": Literal, "Sequence": Sequence, "PathLike": os.PathLike}
_WRAPPED = textwrap.TextWrapper(100, initial_indent=" " * 4, subsequent_indent=" " * 8, break_long_words=False)
_WHERE = "{fields}"
"""What stands in a docstring for the words about the fields."""


def takes_request(function: _F) -> _F:
    """Show a function that takes ``**fields`` as one that takes each of them, and say in its words what each is."""
    own = [
        one
        for one in inspect.signature(function, eval_str=False).parameters.values()
        if one.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    shown = inspect.Signature([*own, *parameters()])
    function.__signature__ = shown  # type: ignore[attr-defined]  # where `inspect` looks for it
    if function.__doc__:
        function.__doc__ = inspect.cleandoc(function.__doc__).replace(_WHERE, words())
    return function


def given(fields: Mapping[str, Any]) -> Request:
    """The request of a call; ``None`` stands for the default. Raises ``RequestError``."""
    from golem_launcher.request import parse_request  # noqa: PLC0415 - who only looks at a signature checks nothing

    return parse_request({name: value for name, value in fields.items() if value is not None})


def parameters() -> Iterator[inspect.Parameter]:
    """Each field as a parameter that is given by its name."""
    for name in NAMES:
        kind = eval(type_words(name), dict(_SPACE))  # noqa: S307 - words of ours
        yield inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default(name), annotation=kind)


def default(name: str) -> Any:
    """What a field is when it is not given, as a person writes it; ``None`` where that is made anew each time."""
    field = LaunchRequest.model_fields[name]
    if field.default_factory is not None:
        return None
    value = field.default
    whole = isinstance(value, Decimal | float) and value == int(value)
    return int(value) if whole else float(value) if isinstance(value, Decimal) else value


def type_words(name: str) -> str:
    """The type of a field's parameter, as Python source."""
    annotation = LaunchRequest.model_fields[name].annotation
    kinds: tuple[Any, ...] = typing.get_args(annotation) if _is_optional(annotation) else (annotation,)
    kind = next(one for one in kinds if one is not types.NoneType)
    if typing.get_origin(kind) is typing.Annotated:
        kind = typing.get_args(kind)[0]
    if is_list(name):
        item = "str | PathLike[str]" if name in _PATHS else "str"
        return f"{item} | Sequence[{item}]"
    if typing.get_origin(kind) is Literal:
        text = f"Literal[{', '.join(map(repr, typing.get_args(kind)))}]".replace("'", '"')
    else:
        text = "float | str | Decimal" if kind is Decimal else kind.__name__
    return f"{text} | None" if default(name) is None else text


def words() -> str:
    """The fields as a section of a docstring: each with what it is, its unit, its bounds and its choices."""
    return "\n".join(["Args:", *(_WRAPPED.fill(f"{name}: {words_of(name)}") for name in NAMES)])


def words_of(name: str) -> str:
    """What a field is, its unit, its bounds and its choices, in sentences."""
    known, field = about(name), LaunchRequest.model_fields[name]
    sentences = [f"{title(name)}{', at least' if known.bound == 'least' else ''}.", field.description or ""]
    low, high = _bounds(field)
    if high is not None:
        unit = f" {known.unit}" if known.unit else ""
        sentences.append(
            f"{number(low)} to {number(high)}{unit}." if low is not None else f"At most {number(high)}{unit}."
        )
    if known.choices:
        sentences.append(f"One of {', '.join(known.choices)}.")
    elif known.example and is_list(name):
        sentences.append(f"Like {known.example.splitlines()[-1]}.")
    return " ".join(filter(None, sentences))


def _bounds(field: Any) -> tuple[float | None, float | None]:
    """The least and the most of a number."""
    found = [*field.metadata]
    for part in typing.get_args(field.annotation):
        found += [one for info in typing.get_args(part)[1:] for one in getattr(info, "metadata", [])]
    low = next((float(one.ge) for one in found if getattr(one, "ge", None) is not None), None)
    high = next((float(one.le) for one in found if getattr(one, "le", None) is not None), None)
    return low, high


def _is_optional(annotation: Any) -> bool:
    return types.NoneType in typing.get_args(annotation)
