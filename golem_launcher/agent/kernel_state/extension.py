"""How a kernel gets to keep its variables: what its environment is told, and what it calls as it starts."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from typing import Any

DIRECTORY, TICKET, PATH = "GOLEM_LAUNCHER_STATE", "GOLEM_LAUNCHER_STATE_TICKET", "GOLEM_LAUNCHER_STATE_PATH"
"""In a kernel's environment: where its state is kept; a file that says, once and before the first
cell, that another state comes back, and where that is; where we are."""
NO_STATE = "GOLEM_LAUNCHER_NO_STATE"
"""There instead: why nothing is kept, in a sentence."""
TAKING = ".taking"
"""Behind the ticket's name: a link to the state's directory, while that is being taken up."""
SUSPECTED = ".suspected"
"""Behind that directory's, beside the tickets: the same link, when Jupyter's server ended meanwhile."""


def way(archive: str) -> dict[str, str]:
    """What a new kernel's environment has to have so that it finds us, in ``archive``. Called by Jupyter's server."""
    paths = (archive, os.environ.get("PYTHONPATH", ""))
    return {PATH: archive, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def begin(shell: Any) -> None:
    """Called once by a kernel, as it starts. Does nothing where it was not told where to keep its state."""
    with contextlib.suppress(Exception):
        _forget_path()
        directory = os.environ.pop(DIRECTORY, "")
        why_not = os.environ.pop(NO_STATE, "")
        if directory:
            # Jupyter's server, which asks for the rest of this module, keeps no variables.
            from .notebook_variables import NotebookVariables  # noqa: PLC0415

            NotebookVariables(shell, directory, os.environ.pop(TICKET, ""))
        elif why_not:
            shell.register_magic_function(functools.partial(_say_why_not, why_not), "line", "state")


def _say_why_not(why_not: str, _line: str) -> None:
    """``%state`` where nothing is kept."""
    print(why_not)  # noqa: T201 - into the notebook


def _forget_path() -> None:
    """Programs of the notebook need not find us."""
    place = os.environ.pop(PATH, "")
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path != place]
    if any(paths):
        os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    else:
        os.environ.pop("PYTHONPATH", None)
    with contextlib.suppress(ValueError):
        sys.path.remove(place)
