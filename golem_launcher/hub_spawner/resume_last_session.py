"""What a server goes on with that its user starts again: its last session's files, and its money while suspended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from golem_launcher.session.client import waking
from golem_launcher.session.client.waking import Requested
from golem_launcher.session.suspension.suspension import is_suspended
from golem_launcher.workspace.repository.store import open_store

if TYPE_CHECKING:
    from golem_launcher.request import LaunchRequest
    from golem_launcher.session.on_disk.directory import SessionDirectory


def resume_last_session(request: LaunchRequest, directory: SessionDirectory) -> Requested:
    """The session that is ``request``-ed for a server, with what its last one, in ``directory``, has saved.

    Where that one is suspended, with no more than what is left of its budget; once that is used up the server is over,
    and the next one has a budget of its own. Blocking. Raises ``SessionError`` while it is not known what is left.
    """
    if not request.resume and request.save:
        store = open_store(request.store, encrypt=request.encrypt)
        if store.generations(request.name):
            request = request.model_copy(update={"resume": request.name})
    if not is_suspended(directory) or directory.state().network != request.network:
        return Requested(request)
    created_at = directory.state().created_at  # before its rest is reckoned
    left = waking.rest_of(waking.closed(directory))
    if left <= 0:
        return Requested(request)
    return Requested(request.model_copy(update={"budget": min(left, request.budget)}), created_at)
