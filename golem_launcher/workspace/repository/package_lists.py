"""Parses the package list that a provider reports, and filters what pip may be given again."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement

from golem_launcher.workspace.repository.manifest import Environment

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST_LINES = 5000
_LONGEST_LINE = 500
_MOST_BYTES = 512 * 1024
"""Of memory: a thousand packages, pinned, take a tenth of it."""


def read_environment(value: Any) -> Environment | None:
    """The packages in what a provider sent; ``None`` where that is not what our agent sends."""
    if not isinstance(value, dict):
        return None
    return Environment(_lines(value.get("requirements")), _lines(value.get("full")))


def installable(lines: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """What may be installed again, and what may not: addresses, files, options, anything that is no requirement.

    The lines are from a provider: pip must not be led by them to anywhere but its index.
    """
    good: list[str] = []
    refused: list[str] = []
    for line in lines:
        (good if _plain(line) else refused).append(line)
    return good, refused


def package_lists(environment: Environment, taken: Iterable[str]) -> dict[str, bytes]:
    """Files for pip with the packages, by their names, to lie beside the files whose paths are ``taken``.

    ``requirements.txt`` has what the user installed, ``requirements-full.txt`` everything, pinned. The user's own files
    of these names stay what they are: these get others then.
    """
    folded = {path.casefold() for path in taken}
    found = {}
    for name, lines in (("requirements.txt", environment.requirements), ("requirements-full.txt", environment.full)):
        if not lines:
            continue
        title = name
        while title in folded:
            title = f"session-{title}"
        good, refused = installable(lines)
        notes = [f"# from no package index, so not listed: {line}" for line in refused]
        found[title] = "".join(f"{line}\n" for line in (*good, *notes)).encode()
    return found


def _plain(line: str) -> bool:
    try:
        requirement = Requirement(line)
    except InvalidRequirement:
        return False
    return requirement.url is None and requirement.marker is None and not re.search(r"[\s\\/]", str(requirement))


def _lines(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        return ()
    lines, room = [], _MOST_BYTES
    for line in value[:_MOST_LINES]:
        if isinstance(line, str) and 0 < len(line) <= _LONGEST_LINE and line.isprintable():
            room -= sys.getsizeof(line)
            if room < 0:
                break
            lines.append(line)
    return tuple(lines)
