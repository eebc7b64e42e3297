"""The scripts and styles that lie beside the widgets.

A widget may have one ES module and one style sheet: they are joined from the files of its room, which is named by the
``__file__`` of the widget's own module, after those that every widget has.
"""

from __future__ import annotations

from pathlib import Path

_COMMON = Path(__file__).parent


def script(room: str, *names: str) -> str:
    """Scripts joined into one ES module; the last holds its ``export default``."""
    return _joined(_COMMON / "dom.js", _COMMON / "units.js", _COMMON / "here.js", *_beside(room, names))


def style(room: str, *names: str) -> str:
    """Style sheets joined into one: a later rule wins."""
    return _joined(_COMMON / "base.css", *_beside(room, names))


def _beside(room: str, names: tuple[str, ...]) -> list[Path]:
    return [Path(room).with_name(name) for name in names]


def _joined(*files: Path) -> str:
    return "\n".join(file.read_text(encoding="utf-8") for file in files)
