"""The documents that are open in browsers while a session runs: counted, and saved before whatever may end it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from golem_launcher.errors import LauncherError
from golem_launcher.events import Stage
from golem_launcher.session import timeouts
from golem_launcher.units import counted

if TYPE_CHECKING:
    from golem_launcher.access.open_documents import OpenDocuments, SaveOutcome
    from golem_launcher.session.endpoints.lab_desk import LabDesk
    from golem_launcher.session.reporting.recorder import Recorder
    from golem_launcher.session.saving.saves import Saves
    from golem_launcher.session_state import SessionState

_LOG = logging.getLogger(__name__)
_LOOK_SECONDS = 1.0


async def follow(documents: OpenDocuments, desk: LabDesk, recorder: Recorder) -> None:
    """Keep the state's count true, and tell the pages when their provider is away; until cancelled."""
    while True:
        desk.follow()
        if documents.unsaved != recorder.state.unsaved:
            recorder.update(unsaved=documents.unsaved)
        documents.away(recorder.state.stage is Stage.RECOVERING or recorder.state.trouble != "")
        await asyncio.sleep(_LOOK_SECONDS)


async def save_when_asked(desk: LabDesk, saves: Saves) -> None:
    """Save whenever a page of the Lab asks for it; until cancelled. What comes of it is in the session's state."""
    while True:
        await desk.save_wanted.wait()
        desk.save_wanted.clear()
        try:
            await saves.save_all(timeouts.SAVE)
        except LauncherError as error:
            _LOG.info("a save that the Lab asked for: %s", error)


def missing(outcome: SaveOutcome) -> str:
    """Which documents could not be saved to files before a save, in a sentence or two; empty when all were."""
    found = []
    if outcome.silent == 1:
        found.append("A page of the Lab did not answer when it was to save; what was typed there last may be missing.")
    elif outcome.silent:
        found.append(
            f"{outcome.silent} pages of the Lab did not answer when they were to save; what was typed there last may "
            "be missing."
        )
    if outcome.unsaved:
        found.append(f"{count(outcome.unsaved)} could not be saved.")
    return " ".join(found)


def count(unsaved: int) -> str:
    """``3 open documents with unsaved changes``, for any number of them."""
    return counted(unsaved, "open document with unsaved changes", "open documents with unsaved changes")


def told_at_end(state: SessionState, *, suspended: bool = False) -> str:
    """What is said at its address once the session has ended, or is ``suspended``: lines of text."""
    lines = [state.reason]
    saving = state.saving
    if saving is not None and saving.generation is not None and saving.saved_at is not None:
        where = f"in {saving.store}" if saving.store else "on your computer"
        which = f"save {saving.generation} of '{saving.workspace}'"
        lines.append(f"Its files as of {saving.saved_at.astimezone():%H:%M:%S %Z} are saved {where} ({which}).")
        if not suspended:
            again = f"golem-launcher start --resume {saving.workspace}"
            lines.append(f"To go on: Continue on the launcher's page, or {again}")
    return "\n".join(filter(None, lines))
