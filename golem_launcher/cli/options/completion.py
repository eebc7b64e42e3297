"""Names that a shell completes. Called at each Tab: nothing heavy is loaded, nobody is asked, and nothing is said.

Shells put what they complete on the command line as it is, and zsh evaluates it before: what a provider calls itself
is completed only where it is a word that means nothing to any shell.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import re
from typing import TYPE_CHECKING

from golem_launcher import paths
from golem_launcher.session.on_disk.session_paths import session_paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

_LARGEST_STATE = 1024 * 1024
_MOST_STAGES = 50
_WORD = re.compile(r"\w[\w.@+-]*")


def session_names(incomplete: str) -> list[tuple[str, str]]:
    """Sessions, the newest with their stages: of all others the files are not read."""
    with contextlib.suppress(Exception):
        fitting = [path for path in session_paths() if path.name.startswith(incomplete)]
        stages = [_stage(path) for path in fitting[:_MOST_STAGES]]
        found = itertools.zip_longest((path.name for path in fitting), stages, fillvalue="")
        return _fitting(incomplete, found)
    return []


def workspace_names(incomplete: str) -> list[tuple[str, str]]:
    """Workspaces that are saved on this computer."""
    return _fitting(incomplete, ((path.name, "") for path in _folders("workspaces/workspaces")))


def saved_names(incomplete: str) -> list[tuple[str, str]]:
    """Sessions, each with its stage, and workspaces: what commands for saved work take."""
    return sorted({**dict(workspace_names(incomplete)), **dict(session_names(incomplete))}.items())


def job_names(incomplete: str) -> list[tuple[str, str]]:
    """Jobs of run and sweep."""
    return _fitting(incomplete, ((path.name, "") for path in _folders("jobs")))


def network_names(incomplete: str) -> list[tuple[str, str]]:
    """Networks, each with what it is."""
    from golem_launcher.networks import NETWORKS

    return _fitting(incomplete, ((one.name, one.title) for one in NETWORKS.values()))


def software_names(incomplete: str) -> list[tuple[str, str]]:
    """The choices of ``--software`` that begin with what was typed."""
    from golem_launcher.software import SOFTWARE

    return _fitting(incomplete, ((one.name, one.title) for one in SOFTWARE.values()))


def provider_names(incomplete: str) -> list[tuple[str, str]]:
    """Providers that are remembered, by their names."""
    from golem_launcher.market import history

    return _fitting(incomplete, ((one.name, key) for key, one in history.read().items()))


def workload_names(incomplete: str) -> list[tuple[str, str]]:
    """The choices of ``--workload`` that begin with what was typed."""
    from golem_launcher.workload import registry

    return _fitting(incomplete, ((one.name, one.title) for one in registry.usable()))


def of_field(name: str) -> Callable[[str], list[tuple[str, str]]] | None:
    """What completes the option of a request's field; ``None``: nothing does."""
    return {
        "network": network_names,
        "software": software_names,
        "resume": saved_names,
        "allow": provider_names,
        "deny": provider_names,
        "workload": workload_names,
    }.get(name)


def _fitting(incomplete: str, found: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    with contextlib.suppress(Exception):  # a Tab that fails is a Tab without a name
        return sorted(one for one in found if one[0].startswith(incomplete) and _WORD.fullmatch(one[0]))
    return []


def _folders(name: str) -> Iterator[Path]:
    return (path for path in (paths.home() / name).iterdir() if path.is_dir() and not path.name.startswith("."))


def _stage(path: Path) -> str:
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError), (path / "state.json").open("rb") as file:
        return str(json.loads(file.read(_LARGEST_STATE)).get("stage", ""))
    return ""
