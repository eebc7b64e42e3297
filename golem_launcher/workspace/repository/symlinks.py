"""Resolves symbolic links within a saved tree, to find those that lead out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LEADS_OUT = "it leads out of the workspace"
TOO_MANY = "it leads through too many other links"
_MOST_LINKS = 32
"""Followed from one; systems follow no more."""
_MOST_STEPS = 1000
_MOST_STEPS_IN_ALL = 3_000_000
"""Bounds the work for hostile trees to a second or two."""


def leading_out(links: Iterable[tuple[str, str]], fold: Callable[[str], str] = str) -> dict[str, str]:
    """Those of the links (path and target, all of one tree) that may lead out of it, and why, as told to a person.

    ``fold`` makes one of paths that are one where the tree is to be written.
    """
    named = sorted(links)
    targets = {fold(path): target for path, target in named}
    found = {}
    left = _MOST_STEPS_IN_ALL
    for path, target in named:
        most = min(_MOST_STEPS, left)
        reason, steps = _follow(path, target, targets, fold, most)
        left -= steps
        if reason:
            found[path] = reason
    return found


def _follow(path: str, target: str, targets: dict[str, str], fold: Callable[[str], str], most: int) -> tuple[str, int]:
    here = path.split("/")[:-1]
    rest = target.split("/")[::-1]
    absolute = target.startswith("/")
    followed = steps = 0
    while rest and not absolute:
        steps += 1
        if steps > most:
            return TOO_MANY, steps
        part = rest.pop()
        if part in {"", "."}:
            continue
        if part == "..":
            if not here:
                return LEADS_OUT, steps
            here.pop()
            continue
        here.append(part)
        further = targets.get(fold("/".join(here)))
        if further is not None:
            followed += 1
            if followed > _MOST_LINKS:
                return TOO_MANY, steps
            here.pop()
            rest += further.split("/")[::-1]
            absolute = further.startswith("/")
    return LEADS_OUT if absolute else "", steps
