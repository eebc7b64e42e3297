"""What is to be done to make two sides equal, by what each has and what both had last. Pure.

No content is lost by it: one that is new on either side is on both afterwards, under its own name or a second one, and
what a deletion takes from the other side was equal on both before, and goes to the trash.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

_LONGEST_STEM, _LONGEST_ENDING = 40, 16


@dataclass(frozen=True)
class Version:
    """A file as one side has it."""

    content: str
    """The same for the same bytes."""
    time_ns: int = 0
    """When it was changed, by that side's clock; times of two sides are not compared."""


class SyncStep(Enum):
    """What is done with one path, in this order among all."""

    TRASH_HERE = "removed there, so it is in the trash here"
    TRASH_THERE = "removed here, so it is removed there"
    KEEP_BOTH = "changed on both sides"
    SEND = "sent"
    FETCH = "fetched"


@dataclass(frozen=True)
class Merged:
    """The steps that make both sides equal."""

    steps: tuple[tuple[SyncStep, str], ...]
    equal: frozenset[str]
    """Paths of which both sides have the same already."""
    in_the_way: frozenset[str]
    """Those that are a file on one side and a folder on the other: nothing is done with them."""


def merge(common: Mapping[str, Version], here: Mapping[str, Version], there: Mapping[str, Version]) -> Merged:
    """``common`` has the versions that were equal last, with the times that they had over there."""
    found: dict[str, SyncStep] = {}
    equal: set[str] = set()
    for path in here.keys() | there.keys():
        step = _step(common.get(path), here.get(path), there.get(path))
        if step is None:
            equal.add(path)
        else:
            found[path] = step
    stays = equal | {path for path, step in found.items() if step not in {SyncStep.TRASH_HERE, SyncStep.TRASH_THERE}}
    in_the_way = _in_the_way(stays)
    order = list(SyncStep)
    steps = sorted(
        ((step, path) for path, step in found.items() if path not in in_the_way),
        key=lambda one: (order.index(one[0]), one[1]),
    )
    return Merged(tuple(steps), frozenset(equal - in_the_way), in_the_way)


def _step(common: Version | None, here: Version | None, there: Version | None) -> SyncStep | None:
    """What one path needs; ``None``: both sides have the same."""
    known = common.content if common is not None else None
    if there is None:
        return None if here is None else SyncStep.TRASH_HERE if here.content == known else SyncStep.SEND
    if here is None:
        return SyncStep.TRASH_THERE if there.content == known else SyncStep.FETCH
    if here.content == there.content:
        return None
    if there.content == known:
        return SyncStep.SEND
    # A file that is older than the one before is another provider's, or an older save's: no newer one makes way for it.
    if here.content == known and common is not None and there.time_ns >= common.time_ns:
        return SyncStep.FETCH
    return SyncStep.KEEP_BOTH


def _in_the_way(paths: set[str]) -> frozenset[str]:
    """Files that others would have to lie in, and those others."""
    found = set()
    for path in paths:
        above = path
        while (above := above.rpartition("/")[0]) and above not in paths:
            pass
        if above:
            found |= {path, above}
    return frozenset(found)


def second_name(path: str, taken: Container[str]) -> str:
    """Under which the version from over there is kept beside the one from here: a name that is not ``taken``."""
    above, slash, name = path.rpartition("/")
    ending = PurePosixPath(name).suffix
    ending = ending if len(ending) <= _LONGEST_ENDING else ""
    stem = (name[: -len(ending)] if ending else name)[:_LONGEST_STEM]
    number = 1
    while True:
        found = f"{above}{slash}{stem} (there{f' {number}' if number > 1 else ''}){ending}"
        if found not in taken:
            return found
        number += 1
