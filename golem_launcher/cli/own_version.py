"""What ``golem-launcher --version`` prints."""

from __future__ import annotations

from importlib.metadata import version


def own_version() -> str:
    """The program and its version, as one line."""
    return f"golem-launcher {version('golem-launcher')}"
