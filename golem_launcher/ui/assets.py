"""The scripts and styles that lie beside the widgets."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).parent


def script(*names: str) -> str:
    """Scripts joined into the one ES module that a widget may have; the last holds its ``export default``."""
    return "\n".join((_HERE / name).read_text(encoding="utf-8") for name in ("dom.js", *names))


def style(*names: str) -> str:
    """Style sheets joined into one, the common one first."""
    return "\n".join((_HERE / name).read_text(encoding="utf-8") for name in ("base.css", *names))
