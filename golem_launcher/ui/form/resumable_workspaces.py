"""Lists the workspaces that can be resumed, for the form."""

from __future__ import annotations

from typing import Any

WORKSPACES_AT_MOST = 30
_GENERATIONS_AT_MOST = 5


def saved_workspaces() -> list[dict[str, Any]]:
    """This computer's saved workspaces, the newest first, each with its last generations. Blocking.

    ``value`` is what ``LaunchRequest.resume`` takes: the name for the newest state, ``name@generation`` for older ones.
    Raises ``WorkspaceError``.
    """
    from golem_launcher.workspace.repository.store import open_store  # noqa: PLC0415 - not needed to show the page

    store = open_store()
    found = []
    for newest in store.workspaces()[:WORKSPACES_AT_MOST]:
        for generation in store.newest(newest.workspace, _GENERATIONS_AT_MOST):
            older = generation.number != newest.number
            found.append(
                {
                    "value": f"{newest.workspace}@{generation.number}" if older else newest.workspace,
                    "older": older,
                    "at": generation.created_at.isoformat(),
                    "files": generation.files,
                    "bytes": generation.bytes,
                }
            )
    return found
