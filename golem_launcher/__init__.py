"""Golem Launcher: a full JupyterLab on a provider of the Golem network, from a form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from golem_launcher.session.api import Session

__all__ = ["launch"]


def launch(**fields: Any) -> Session:
    """Start JupyterLab on Golem and wait until it answers: ``launch(hours=2).url``; fields: ``LaunchRequest``'s."""
    from golem_launcher.session.api import launch as launch_session  # noqa: PLC0415 - importing the package stays light

    return launch_session(**fields)
