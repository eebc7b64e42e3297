"""What ``golem-launcher --version`` prints."""

from __future__ import annotations

from golem_launcher import __version__


def own_version() -> str:
    """The program and its version, as one line."""
    return f"golem-launcher {__version__}"
