"""Knows by their names the files that some program runs without being told to, when their folder is opened."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING

from golem_launcher.units import counted
from golem_launcher.workspace.repository.lab_layout import is_lab_layout

if TYPE_CHECKING:
    from collections.abc import Iterable

_RUNS = (
    "*.desktop", "*.lnk", "*.url", "*.bat", "*.cmd", "*.ps1", "*.vbs", "*.scpt", "*.command", "*.app", "*.exe", "*.msi",
    "*.pth", "*.egg-link", "sitecustomize.py", "usercustomize.py", "conftest.py", "setup.py", "postbuild", "start",
    "jupyter_*config.py", "jupyter_*config.json", "ipython_config.py", ".bashrc", ".bash_profile", ".profile",
    ".bash_login", ".zshrc", ".zshenv", ".zprofile", ".envrc", ".pythonrc", ".git", ".gitconfig", ".vimrc", ".exrc",
    "desktop.ini", "autorun.inf",
)  # fmt: skip
_RUNS_BELOW = (".ipython", ".vscode", ".idea", ".git", ".jupyter", ".github", ".husky", ".devcontainer", "binder")
"""Directories whose files programs read and obey."""

LOOK_FIRST = "Look at these before you open the folder with anything: some programs run such files by themselves."
"""What people are told before files that could run."""


def could_run(path: str) -> bool:
    """Whether some program may run a file of this name without being told to, when its directory is opened."""
    if is_lab_layout(path):
        return False
    *directories, name = path.lower().split("/")
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in _RUNS) or any(
        directory in _RUNS_BELOW for directory in directories
    )


def link_could_run(path: str) -> bool:
    """The same of a link, which may be to a file or to a directory."""
    return could_run(path) or could_run(f"{path}/")


def folded(paths: Iterable[str]) -> list[str]:
    """Files that could run, for people: those below one directory that programs obey, as that directory."""
    counts: dict[str, int] = {}
    for path in paths:
        parts = path.split("/")
        below = [number for number, part in enumerate(parts[:-1]) if part.lower() in _RUNS_BELOW]
        name = "/".join(parts[: below[0] + 1]) + "/" if below else path
        counts[name] = counts.get(name, 0) + 1
    return [f"{name} ({counted(number, 'file')})" if number > 1 else name for name, number in counts.items()]
