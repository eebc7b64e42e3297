"""What became of a notebook's variables, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .coming_back import LOST, REBUILT, SAVED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .coming_back import Fate

_MOST_NAMES = 8
_MOST_ROWS = 200
_KB, _MB = 1e3, 1e6


def summary(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What is told of a state that was written."""
    rows: list[list[Any]] = []
    for group in manifest["groups"]:
        rows += [[name, SAVED, group["size"] // len(group["names"]), ""] for name in group["names"]]
    rows += [[name, REBUILT, 0, ""] for name in (*manifest["modules"], *(name for name, _ in manifest["definitions"]))]
    rows += [[name, LOST, 0, why] for name, why in manifest["lost"].items()]
    return {"rows": rows, "size": sum(group["size"] for group in manifest["groups"])}


def line(fates: Mapping[str, Fate]) -> str:
    """What came back, in a line for the notebook."""
    saved = [name for name, fate in fates.items() if fate.what == SAVED]
    rebuilt = [name for name, fate in fates.items() if fate.what == REBUILT]
    lost = [f"{name} ({fate.why})" for name, fate in fates.items() if fate.what == LOST]
    parts = [f"{_some(saved)} came back"] if saved else []
    parts += [f"{_some(rebuilt)} rebuilt"] if rebuilt else []
    parts += [f"lost: {_some(lost)}"] if lost else []
    return f"Golem Launcher: this notebook went on at another machine. {'; '.join(parts)}. See %state" if parts else ""


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
        rows = kept["rows"]
        lines.append(f"{len(rows):,} names, {_size(kept['size'])}, as they were {seconds:.0f} s ago.")
        width = min(30, max((len(row[0]) for row in rows), default=0))
        for name, what, size, why in rows[:_MOST_ROWS]:
            lines.append(f"  {name:<{width}}  {what:<7}  {why or (_size(size) if what == SAVED else '')}".rstrip())
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


def _size(size: float) -> str:
    if size < _KB:
        return f"{size:.0f} bytes"
    return f"{size / _MB:.1f} MB" if size >= _MB / 10 else f"{size / _KB:.1f} kB"
