"""Runs a workload that is a program of its own, in the workspace, in a process forked for it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from . import process_tree

if TYPE_CHECKING:
    from .config import Config

PYTHON, ADDRESS, PORT = "{python}", "{address}", "{port}"
"""What stands in a command for this Python, and for where the workload is to listen."""
TASKS = ("{tasks}",)
"""The command that is our own server of tasks, see task_server.py."""


def run(config: Config) -> None:
    """Become the program, which ends with the process manager at the latest. Raises ``OSError`` when it can't start."""
    meant = {PYTHON: sys.executable, ADDRESS: config.address, PORT: str(config.port)}
    argv = [meant.get(part, part) for part in config.workload.argv]
    os.chdir(config.root)
    process_tree.end_with_parent()
    os.execvp(argv[0], argv)  # noqa: S606 - the user's own side chose it
