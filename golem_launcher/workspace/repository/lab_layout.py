"""Knows JupyterLab's layout by its name: which tabs are open, as it is written in every session, every few seconds."""

from __future__ import annotations

import fnmatch

_LAYOUT = "*/.jupyter/lab/workspaces/*.jupyterlab-workspace"


def is_lab_layout(path: str) -> bool:
    """Whether a file of this name in a workspace is no work of the user's, and nothing that any program runs."""
    return fnmatch.fnmatchcase(f"/{path}", _LAYOUT)
