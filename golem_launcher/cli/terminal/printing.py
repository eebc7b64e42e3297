"""What commands print: words for people, JSON for programs, and errors. Loads no parser of commands, which takes long.

Results go to stdout, all else to stderr; exit codes are 0, 1 and 2.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import sys
import warnings
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import LauncherError, RequestError
from golem_launcher.untrusted_text import clean_text

if TYPE_CHECKING:
    from collections.abc import Callable

FAILED = 1
BAD_USAGE = 2
INTERRUPTED = 130


def say(text: str) -> None:
    """Print text for a person, cleaned."""
    print_line(clean_text(text))


def print_line(text: str) -> None:
    """Print text as it is, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def progress(text: str) -> None:
    """Say what happens meanwhile, apart from the result, cleaned."""
    sys.stderr.write(clean_text(text) + "\n")
    sys.stderr.flush()


def print_json(value: Any) -> None:
    """Print one JSON value to stdout, indented; Decimals and times as text."""
    print_line(json.dumps(value, indent=2, default=str))


def print_json_line(value: Any) -> None:
    """Print one JSON value as a line of its own, at once."""
    print_line(json.dumps(value, default=str))


def tell_error(error: LauncherError | OSError) -> int:
    """Say on stderr what went wrong; the exit code.

    An ``OSError`` that nobody foresaw (a full disk, a directory that may not be written) is told with the file's name.
    """
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename is not None else ""
        words = f"The system refused: {error.strerror or error}{where}."
    else:
        words = str(error)
    progress(f"Error: {words}")
    return BAD_USAGE if isinstance(error, RequestError) else FAILED


def quiet_libraries() -> None:
    """What libraries log and warn of is not for the eyes of who typed a command."""
    logging.getLogger().addHandler(logging.NullHandler())
    warnings.simplefilter("ignore", FutureWarning)


def run_alone(command: Callable[[], None]) -> int:
    """Run a command that was typed without anything that would have to be parsed; the exit code."""
    quiet_libraries()
    try:
        command()
    except LauncherError as error:
        return tell_error(error)
    except OSError as error:
        if error.errno != errno.EPIPE:
            return tell_error(error)
        with contextlib.suppress(OSError):  # nobody reads what we print: Python's last flush has nowhere to go
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return 0
