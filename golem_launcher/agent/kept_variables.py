"""Which variables of the workspace's notebooks are kept, for whoever asks the agent: a few of each, by their states."""

from __future__ import annotations

import os
from typing import Any

from .kernel_state import NOTEBOOK, PLACE
from .kernel_state.chunk_files import ChunkFiles

_MOST_NOTEBOOKS, _MOST_NAMES, _MOST_LOST = 10, 20, 10
_LONGEST_PATH, _LONGEST_NAME, _LONGEST_REASON = 200, 60, 160


def kept_variables(root: str) -> list[dict[str, Any]]:
    """For each notebook, its largest variables, those that are lost, and how many there are of both."""
    place = os.path.join(root, PLACE)
    try:
        states = sorted(os.listdir(place))[: 10 * _MOST_NOTEBOOKS]
    except OSError:
        return []
    found = []
    for state in states:
        told = _of(os.path.join(place, state))
        if told is not None:
            found.append(told)
    return sorted(found, key=lambda each: -each["bytes"])[:_MOST_NOTEBOOKS]


def _of(directory: str) -> dict[str, Any] | None:
    try:
        with open(os.path.join(directory, NOTEBOOK), encoding="utf-8") as file:
            notebook = file.read(_LONGEST_PATH)
        manifest = ChunkFiles(directory).newest()
        if manifest is None:
            return None
        sizes: dict[str, int] = {}
        for group in manifest["groups"]:
            sizes |= dict.fromkeys(map(str, group["names"]), int(group["size"]) // max(1, len(group["names"])))
        rebuilt = [*manifest["modules"], *(name for name, _ in manifest["definitions"])]
        sizes |= dict.fromkeys(map(str, rebuilt), 0)
        lost = {str(name): str(why) for name, why in manifest["lost"].items()}
        largest = sorted(sizes.items(), key=lambda each: (-each[1], each[0]))[:_MOST_NAMES]
        return {
            "notebook": notebook,
            "names": [[name[:_LONGEST_NAME], size] for name, size in largest],
            "count": len(sizes),
            "bytes": sum(sizes.values()),
            "lost": [[name[:_LONGEST_NAME], why[:_LONGEST_REASON]] for name, why in list(lost.items())[:_MOST_LOST]],
            "lost_count": len(lost),
            "left_out": [str(name)[:_LONGEST_NAME] for name in manifest["left_out"][:_MOST_LOST]],
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # a state that is none
        return None
