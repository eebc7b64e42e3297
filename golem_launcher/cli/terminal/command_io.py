"""What commands have in common: the options for programs, what is said while one waits, and how one ends."""

from __future__ import annotations

import contextlib
import errno
import functools
import signal
import threading
from typing import TYPE_CHECKING, Annotated, ParamSpec, TypeVar

import typer

from golem_launcher.cli.terminal.printing import (
    BAD_USAGE,
    FAILED,
    INTERRUPTED,
    print_json,
    print_json_line,
    progress,
    say,
    tell_error,
)
from golem_launcher.errors import LauncherError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "BAD_USAGE",
    "FAILED",
    "LOOKING",
    "Json",
    "JsonLines",
    "print_json",
    "print_json_line",
    "progress",
    "reports_errors",
    "say",
    "waiting_for",
]

_P = ParamSpec("_P")
_R = TypeVar("_R")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON value.")]
"""The option of commands that programs read."""
JsonLines = Annotated[bool, typer.Option("--json", help="Print JSON lines: one value a line.")]
"""The same of commands that go on printing."""

LOOKING = "Offers are collected from the market"
"""What a command waits for that asks what there is."""
_SOON_SECONDS = 1.0
"""Whoever waits for longer is told what for."""


@contextlib.contextmanager
def waiting_for(words: Callable[[], str] | str, *, every: float = 3.0) -> Iterator[None]:
    """Say on stderr what is waited for after a second, then each ``every`` seconds with how long by now, until the end.

    ``words`` that change are asked for each time, in another thread.
    """
    over = threading.Event()

    def tell() -> None:
        seconds, wait = 0.0, _SOON_SECONDS
        while not over.wait(wait):
            seconds += wait
            took = f" {seconds:.0f} s" if seconds > _SOON_SECONDS else ""
            typer.echo(f"{words if isinstance(words, str) else words()} …{took}", err=True)
            wait = every

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()


def reports_errors(command: Callable[_P, _R]) -> Callable[_P, _R]:
    """Turn a ``LauncherError`` of a command, or an ``OSError``, into its message on stderr and the right exit code."""

    @functools.wraps(command)
    def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # that of cli/entry.py
                signal.signal(signal.SIGINT, signal.default_int_handler)
            return command(*args, **kwargs)
        except LauncherError as error:
            raise typer.Exit(tell_error(error)) from None
        except KeyboardInterrupt:
            progress("Interrupted.")
            raise typer.Exit(INTERRUPTED) from None
        except OSError as error:
            if error.errno == errno.EPIPE:  # nobody reads what we print: typer ends the command
                raise
            raise typer.Exit(tell_error(error)) from None

    return wrapper
