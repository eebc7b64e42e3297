"""Resolves symbolic links within a saved tree, to find those that lead out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

LEADS_OUT = "it leads out of the workspace"
TOO_MANY = "it leads through too many other links"
_MOST_LINKS = 32
"""Followed from one; systems follow no more."""
_MOST_STEPS = 1000
_STEPS_OF_A_LINK = 9
"""To look up a link takes longer than to see that there is none."""
_MOST_STEPS_IN_ALL = 3_000_000
"""Bounds the work for hostile trees to a second or two."""


def leading_out(links: Iterable[tuple[str, str]], fold: Callable[[str], str] = str) -> dict[str, str]:
    """Those of the links (path and target, all of one tree) that may lead out of it, and why, as told to a person.

    ``fold`` makes one of paths that are one where the tree is to be written.
    """
    named = sorted(links)
    targets = {fold(path): target for path, target in named}
    reasons = judged(named, lambda path: targets.get(fold(path)))
    return {path: reason for (path, _), reason in zip(named, reasons, strict=True) if reason}


def judged(links: Iterable[tuple[str, str]], target_of: Callable[[str], str | None]) -> Iterator[str]:
    """Why each of the links may lead out of their tree; empty for one that does not, and for what has no target.

    ``target_of`` says where the link at a path leads, if there is one.
    """
    left = _MOST_STEPS_IN_ALL
    for path, target in links:
        reason, steps = _follow(path, target, target_of, min(_MOST_STEPS, left)) if target else ("", 0)
        left -= steps
        yield reason


def _follow(path: str, target: str, target_of: Callable[[str], str | None], most: int) -> tuple[str, int]:
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
        further = target_of("/".join(here))
        if further is not None:
            followed += 1
            steps += _STEPS_OF_A_LINK
            if followed > _MOST_LINKS:
                return TOO_MANY, steps
            here.pop()
            rest += further.split("/")[::-1]
            absolute = further.startswith("/")
    return LEADS_OUT if absolute else "", steps
