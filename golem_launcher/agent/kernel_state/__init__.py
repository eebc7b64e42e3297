"""What a notebook's kernel keeps of its variables, and how they come back at another machine. docs/kernel-state.md.

It runs in the user's kernel, with that kernel's Python, and imports the standard library alone. Nothing here may ever
break a cell: whoever is called by the kernel keeps its own faults to itself.
"""

from __future__ import annotations

from typing import Any

PLACE = ".jupyter/state"
"""In the workspace, so that it is saved and comes back with it. Each notebook's is a directory there."""
NOTEBOOK = "notebook"
"""The file there that says whose it is."""
COMES_BACK = "golem_launcher_variables"
"""In what Jupyter tells of a session: true where a state waits for the first cell."""
ELSEWHERE = "golem-kernel-"
"""How the paths of sessions begin whose notebooks lie on the user's computer; 24 hexadecimal digits follow."""


def load_ipython_extension(shell: Any) -> None:
    """IPython calls this when a kernel starts, as its command line names us (``notebook_states.py``)."""
    from .extension import begin  # noqa: PLC0415 - whatever it lacks in an odd Python is no kernel's fault

    begin(shell)
