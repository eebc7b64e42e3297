"""Output of the commands: tables or one JSON value on stdout, errors on stderr, exit codes 0, 1 and 2."""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import sys
import threading
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec, TypeVar

import typer

from golem_launcher.errors import LauncherError, RequestError
from golem_launcher.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_P = ParamSpec("_P")
_R = TypeVar("_R")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON value.")]
"""The option of commands that programs read."""
JsonLines = Annotated[bool, typer.Option("--json", help="Print JSON lines: one value a line.")]
"""The same of commands that go on printing."""
FAILED = 1
BAD_USAGE = 2


def say(text: str) -> None:
    """Print text for a person, cleaned."""
    typer.echo(clean_text(text))


def print_json(value: Any) -> None:
    """Print one JSON value to stdout, indented; Decimals and times as text."""
    typer.echo(json.dumps(value, indent=2, default=str))


def print_json_line(value: Any) -> None:
    """Print one JSON value as a line of its own, at once."""
    typer.echo(json.dumps(value, default=str))


@contextlib.contextmanager
def waiting_for(words: Callable[[], str] | str, *, every: float = 3.0) -> Iterator[None]:
    """Say on stderr what is waited for, and for how long by now, each ``every`` seconds until the block ends.

    ``words`` that change are asked for each time, in another thread.
    """
    over = threading.Event()

    def tell() -> None:
        seconds = every
        while not over.wait(every):
            typer.echo(f"{words if isinstance(words, str) else words()} … {seconds:.0f} s", err=True)
            seconds += every

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()


def reports_errors(command: Callable[_P, _R]) -> Callable[_P, _R]:
    """Turn a ``LauncherError`` of a command into its message on stderr and the right exit code.

    An ``OSError`` that nobody foresaw (a full disk, a directory that may not be written) is told with the file's name.
    """

    @functools.wraps(command)
    def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return command(*args, **kwargs)
        except LauncherError as error:
            sys.stderr.write(f"Error: {clean_text(str(error))}\n")
            raise typer.Exit(BAD_USAGE if isinstance(error, RequestError) else FAILED) from None
        except OSError as error:
            if error.errno == errno.EPIPE:  # nobody reads what we print: typer ends the command
                raise
            where = f" ({error.filename})" if error.filename is not None else ""
            sys.stderr.write(f"Error: {clean_text(f'The system refused: {error.strerror or error}{where}.')}\n")
            raise typer.Exit(FAILED) from None

    return wrapper
