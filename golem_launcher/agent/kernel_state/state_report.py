"""What became of a notebook's variables, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .forked import ENDS
from .pickler import is_beyond_limits
from .restoring import LOST, REBUILT, SAVED
from .size_text import in_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .restoring import Fate

_MOST_NAMES = 8
_MOST_ROWS = 200


def summary(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What is told of a state that was written."""
    rows: list[list[Any]] = []
    for group in manifest["groups"]:
        rows += [[name, SAVED, group["size"] // len(group["names"]), ""] for name in group["names"]]
    rows += [[name, REBUILT, 0, ""] for name in (*manifest["modules"], *(name for name, _ in manifest["definitions"]))]
    rows += [[name, LOST, 0, why] for name, why in manifest["lost"].items()]
    return {"rows": rows}


def saved_in(kept: Mapping[str, Any]) -> set[str]:
    """The variables whose values a state has that ``summary`` told of."""
    return {row[0] for row in kept["rows"] if row[1] == SAVED}


def beyond_limits(kept: Mapping[str, Any]) -> dict[str, str]:
    """Variables that a state is without because they are too large, or take too long; with the words."""
    lost = {row[0]: row[3] for row in kept["rows"] if row[1] == LOST}
    return {name: why for name, why in lost.items() if is_beyond_limits(why) or why in ENDS.values()}


def not_kept(beyond: Mapping[str, str]) -> str:
    """A line for the notebook about what is ``beyond_limits``."""
    named = [f"{name} ({why})" for name, why in beyond.items()]
    return f"Golem Launcher: not kept, and lost should this notebook go on elsewhere: {_some(named)}. See %state"


def line(fates: Mapping[str, Fate], left_out: Sequence[str]) -> str:
    """What came back, in a line for the notebook."""
    saved = [name for name, fate in fates.items() if fate.what == SAVED]
    rebuilt = [name for name, fate in fates.items() if fate.what == REBUILT]
    lost = [f"{name} ({fate.why})" for name, fate in fates.items() if fate.what == LOST]
    parts = [f"{_some(saved)} came back"] if saved else []
    parts += [f"{_some(rebuilt)} rebuilt"] if rebuilt else []
    parts += [f"lost: {_some(lost)}"] if lost else []
    parts += [f"left out: {_some(left_out)}"] if left_out else []
    return f"Golem Launcher: this notebook went on from a save. {'; '.join(parts)}. See %state" if parts else ""


def text(
    kept: Mapping[str, Any] | None,
    seconds: float,
    left_out: Sequence[str],
    lost: Mapping[str, Fate],
    trouble: str,
) -> str:
    """The table that ``%state`` prints; ``seconds`` since ``kept``, ``lost`` when it came back."""
    lines = []
    if kept is None:
        lines.append("Nothing was kept yet: variables are, soon after each cell.")
    else:
        rows = [row for row in kept["rows"] if row[0] not in left_out]  # some of them since
        size = sum(row[2] for row in rows)
        names = "1 name" if len(rows) == 1 else f"{len(rows):,} names"
        lines.append(f"{names}, {in_words(size)}, as they were {seconds:.0f} s ago.")
        width = min(30, max((len(row[0]) for row in rows), default=0))
        for name, what, size, why in rows[:_MOST_ROWS]:
            lines.append(f"  {name:<{width}}  {what:<7}  {why or (in_words(size) if what == SAVED else '')}".rstrip())
        if len(rows) > _MOST_ROWS:
            lines.append(f"  … and {len(rows) - _MOST_ROWS:,} more")
    if trouble:
        lines.append(f"What is newer is not kept: {trouble}")
    if left_out:
        lines.append(f"Left out: {', '.join(left_out)}")
    if lost:
        lines.append("Lost when this notebook went on here: " + ", ".join(f"{one} ({lost[one].why})" for one in lost))
    return "\n".join(lines)


def _some(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more:,} more" if more > 0 else "")
