"""Resolves a name that somebody typed for saved work: to the session of that name, or else to the workspace.

Commands, Python, notebooks and assistants ask here; a request and a supervisor know workspaces alone. Everything
blocks.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from golem_launcher.agent.whole_number import whole
from golem_launcher.errors import RequestError, SessionDamaged, SessionError, SessionNotFound
from golem_launcher.session.on_disk.directory import session_directory
from golem_launcher.session.on_disk.liveness import place_of

if TYPE_CHECKING:
    from golem_launcher.request import LaunchRequest
    from golem_launcher.session.on_disk.directory import SessionDirectory
    from golem_launcher.session_state import Saving


_NUMBER_DIGITS = 9
"""A generation's, at most; there is none 0."""


@dataclass(frozen=True)
class SavedWork:
    """A workspace and its store (``None``: this computer's), and which generation was named, if one was."""

    workspace: str
    store: str | None
    number: int | None = None
    ended_with: int | None = None
    """The last generation of the session that was named, where it was one."""


def saved_work(typed: str, store: str | None = None) -> SavedWork:
    """The saved work that ``NAME`` or ``NAME@GENERATION`` means. Whether such a workspace exists is not checked.

    A session that saves elsewhere than in ``store`` is not meant; where no store is given, the session's is. Raises
    ``RequestError`` for a generation that is no number, ``SessionError`` when the session has saved nothing: an older
    workspace that has its name by chance is not what was asked for.
    """
    name, _, number = typed.partition("@")
    which = whole(number, _NUMBER_DIGITS)
    if number and not which:
        raise RequestError(f"'{number}' is no number of a save.", f"See `golem-launcher generations {name}`.")
    try:
        directory = session_directory(name)
        state = directory.state()
    except SessionNotFound:
        return SavedWork(name, store, which)
    request = None
    with contextlib.suppress(SessionDamaged):
        request = directory.request()
    if request is not None and store is not None and place_of(store) != place_of(request.store):
        return SavedWork(name, store, which)
    place = request.store if request is not None and store is None else store
    workspace = saves_into(directory)
    if workspace is not None:
        ended_with = state.saving.generation if state.saving is not None and state.stage.final else None
        return SavedWork(workspace, place, which, ended_with)
    if request is None or directory.written_state() is None:
        return SavedWork(name, place, which)
    raise SessionError(
        f"Nothing of the session '{name}' is saved.",
        f"For an older workspace of that name, take the session off the list first: golem-launcher remove {name}",
    )


def saves_into(directory: SessionDirectory) -> str | None:
    """The workspace in which a session's saves are, or will be; ``None`` where there are none, or nobody knows it."""
    state = directory.state()
    saving = state.saving
    if saving is not None and (saving.generation is not None or not state.stage.final):
        return saving.workspace
    with contextlib.suppress(SessionDamaged):
        request = directory.request()
        return request.workspace if request.resume else None
    return None


def resuming(request: LaunchRequest) -> LaunchRequest:
    """The request with the workspace to resume in the place of the session whose name was typed.

    Raises ``RequestError`` when nothing of that session is saved.
    """
    if not request.resume:
        return request
    try:
        work = saved_work(request.resume, request.store)
    except SessionError as error:
        raise RequestError(f"Resume: {error.what}", error.remedy, field="resume") from error
    which = f"@{work.number}" if work.number is not None else ""
    return request.model_copy(update={"resume": f"{work.workspace}{which}", "store": work.store})


def saved_words(saving: Saving | None) -> str:
    """What is saved of a session that ends without a last save, in a sentence."""
    if saving is None or saving.generation is None or saving.saved_at is None:
        return "Nothing is saved."
    return f"What was there at {saving.saved_at.astimezone():%H:%M:%S %Z} is saved (save {saving.generation})."
