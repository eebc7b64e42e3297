"""The documents that are open in browsers while a session runs: how many are unsaved, and which saves lack."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from golem_launcher.events import Stage
from golem_launcher.units import counted

if TYPE_CHECKING:
    from golem_launcher.access.lab.open_documents import OpenDocuments, SaveOutcome
    from golem_launcher.session.endpoints.lab_page_service import LabPageService
    from golem_launcher.session.reporting.recorder import Recorder

_LOOK_SECONDS = 1.0


async def follow(documents: OpenDocuments, lab_pages: LabPageService, recorder: Recorder) -> None:
    """Keep the state's count true, and tell the pages when their provider is away; until cancelled."""
    while True:
        lab_pages.follow()
        if documents.unsaved != recorder.state.unsaved:
            recorder.update(unsaved=documents.unsaved)
        documents.away(recorder.state.stage is Stage.RECOVERING or recorder.state.trouble != "")
        await asyncio.sleep(_LOOK_SECONDS)


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
