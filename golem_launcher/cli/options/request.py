"""Builds the options of ``golem-launcher start`` from the definition of a request."""

from __future__ import annotations

import inspect
import re
import types
import typing
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from golem_launcher.cli.options.completion import of_field
from golem_launcher.errors import RequestError
from golem_launcher.request.fields import NAMES, about, is_list, option
from golem_launcher.request.launch_request import LaunchRequest
from golem_launcher.units import number
from golem_launcher.untrusted_text import clean_text

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from pydantic.fields import FieldInfo

_PANELS = {
    "main": "What it may cost",
    "machine": "Machine",
    "software": "Software",
    "files": "Files",
    "machines": "More than one machine",
    "advanced": "Rarely needed",
}
_LARGEST_FILE = 256 * 1024
_COIN = "of the network's coin"
_EMPTY = re.compile(r" Empty: [^.]*\.")
"""What an option means that is left out: something else where a session is changed."""


def takes_request(
    command: Callable[..., None], *, without: Container[str] = (), unsaid: str = ""
) -> Callable[..., None]:
    """Give a command one option for each field of a request; ``command`` gets what was given as ``given``.

    It is a mapping for :func:`golem_launcher.request.parse_request`: text, lists of text, and truth values.
    ``without``: fields that are the command's own business. ``unsaid``: in help, what a field is that is not given,
    where that is not its default.
    """
    names = [name for name in NAMES if name not in without]

    def wrapper(**arguments: Any) -> None:
        given = {name: arguments.pop(name) for name in names}
        given = {name: value for name, value in given.items() if value not in (None, [], ())}
        packages_file = arguments.pop("packages_file", None)
        if packages_file is not None:
            given["packages"] = (*given.get("packages", ()), *_packages(packages_file))
        if "ssh_key" in given:
            given["ssh_key"] = _ssh_key(given["ssh_key"])
        command(given=given, **arguments)

    own = [one for one in inspect.signature(command, eval_str=True).parameters.values() if one.name != "given"]
    by_panel = sorted(names, key=lambda name: list(_PANELS).index(about(name).group))
    fields = [_parameter(name, unsaid) for name in by_panel]
    if "packages" in names:
        fields.insert(by_panel.index("packages") + 1, _packages_file())
    wrapper.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # where `inspect` looks for it
        sorted([*fields, *own], key=lambda parameter: parameter.kind)
    )
    wrapper.__name__, wrapper.__doc__ = command.__name__, command.__doc__
    return wrapper


def _parameter(name: str, unsaid: str) -> inspect.Parameter:
    field = LaunchRequest.model_fields[name]
    words, panel, help_text = option(name), _PANELS[about(name).group], _help(name, unsaid)
    if field.annotation is bool:
        # The option says what differs from the default: --encrypt, --no-save.
        info = typer.Option(words, help=help_text, rich_help_panel=panel)
        kind: Any = Annotated[bool | None, info]
        return _keyword(name, kind, None) if not field.default else _switched_off(name, info)
    if is_list(name):
        info = typer.Option(words, help=help_text, rich_help_panel=panel, metavar="TEXT", autocompletion=of_field(name))
        return _keyword(name, Annotated[list[str], info], [])
    info = typer.Option(
        words,
        help=help_text,
        rich_help_panel=panel,
        metavar=_metavar(field, about(name).unit),
        autocompletion=of_field(name),
    )
    return _keyword(name, Annotated[str | None, info], None)


def _switched_off(name: str, info: Any) -> inspect.Parameter:
    info.callback = lambda value: False if value else None
    return _keyword(name, Annotated[bool | None, info], None)


def _packages_file() -> inspect.Parameter:
    info = typer.Option(
        "--packages-file",
        metavar="FILE",
        help="A requirements file with packages to install.",
        rich_help_panel=_PANELS["software"],
    )
    return _keyword("packages_file", Annotated[Path | None, info], None)


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def _help(name: str, unsaid: str) -> str:
    field = LaunchRequest.model_fields[name]
    text = f"{field.title}: {field.description}" if field.description else f"{field.title}, at least."
    if choices := about(name).choices:
        text = f"{text} One of: {', '.join(choices)}."
    if field.annotation is bool and field.default:
        return f"Turns off: {text}"
    if is_list(name):
        return f"{text} Can be given several times."
    default = field.default
    if unsaid:
        return f"{_EMPTY.sub('', text)} (default: {unsaid})"
    if default is None or field.default_factory is not None or field.annotation is bool:
        return text
    shown = number(default) if isinstance(default, int | float | Decimal) else default
    unit = about(name).unit.replace("GLM", _COIN)
    return f"{text} (default: {shown} {unit.removesuffix('s') if shown == '1' else unit}".rstrip() + ")"


def _metavar(field: FieldInfo, unit: str) -> str:
    """What kind of value it is: a number of what."""
    every = set(typing.get_args(field.annotation)) - {types.NoneType} or {field.annotation}
    kinds = {typing.get_args(kind)[0] if typing.get_origin(kind) is Annotated else kind for kind in every}
    if not kinds & {int, float, Decimal}:
        return "TEXT"
    return unit.replace("GLM", "coins").replace(" per ", "/").upper() or "NUMBER"


def _ssh_key(value: str) -> str:
    """A key, or the content of the file that holds it."""
    path = Path(value).expanduser()
    if value.startswith(("~", "/", "./", "../")) or value.endswith(".pub"):
        return _text(path)
    return value


def _packages(path: Path) -> tuple[str, ...]:
    """The packages of a requirements file; what makes no sense at a provider is said, and left out."""
    from golem_launcher.request import requirements_file

    try:
        found = requirements_file.read(_bytes(path))
    except ValueError:
        raise RequestError(f"The file {path} is no list of packages.", field="packages") from None
    for clause in found.left_out:
        typer.echo(clean_text(f"Left out of {path.name}, {clause}."), err=True)
    return found.packages


def _text(path: Path) -> str:
    try:
        return _bytes(path).decode()
    except UnicodeDecodeError:
        raise RequestError(f"The file {path} is no text.") from None


def _bytes(path: Path) -> bytes:
    try:
        with path.expanduser().open("rb") as file:
            return file.read(_LARGEST_FILE)
    except OSError as error:
        raise RequestError(f"The file {path} can't be read: {error.strerror or error}.") from None
