"""A session as programs and people are told of it: its state and link as one object, and what of it can't be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from golem_launcher import files, processes
from golem_launcher.errors import SessionDamaged
from golem_launcher.events import Stage
from golem_launcher.rental.payment.journal import FILE, Journal
from golem_launcher.session.on_disk import parked_address, view_only_link
from golem_launcher.session.on_disk.liveness import SUPERVISOR_FILE, alive, state_of

if TYPE_CHECKING:
    from golem_launcher.session.on_disk.directory import SessionDirectory
    from golem_launcher.session_state import SessionState


def describe(directory: SessionDirectory) -> dict[str, Any]:
    """A session as one JSON object: its state and, while it is ready, the link."""
    state = state_of(directory)
    value = state.model_dump(mode="json")
    value["url"] = link(directory, state)
    value["token"] = directory.token() if value["url"] else None
    value["view_only_url"] = view_only_url(directory, state)
    value["provider"] = state.head.provider_name
    value["alive"] = alive(directory)
    value["damaged"] = damaged(directory)
    value["left_out"] = directory.left_out()
    value["gpu_differences"] = list(state.head.gpu_differences)
    value["workspace"] = state.saving.workspace if state.saving is not None else None
    return value


def link(directory: SessionDirectory, state: SessionState) -> str | None:
    """The link that opens a session's workload, with its token, for its user to see; ``None`` while there is none.

    Of a suspended one only while the caretaker is at its address: another program could have taken that since, and
    would be told the token.
    """
    url = directory.url_in(state)
    return None if state.stage is Stage.SUSPENDED and not parked_address.is_answered(directory.path) else url


def view_only_url(directory: SessionDirectory, state: SessionState) -> str | None:
    """The link by which others see its notebooks, for its user to see; ``None`` where there is none, or it is over.

    Of a suspended one only while the caretaker is at its address, likewise.
    """
    shared = None if state.stage in {Stage.ENDED, Stage.FAILED} else view_only_link.of(directory.path)
    if state.stage is Stage.SUSPENDED and not parked_address.answers_viewers(directory.path):
        return None
    return shared.url if shared is not None else None


def damaged(directory: SessionDirectory) -> list[str]:
    """Which of a session's files can't be read; what is missing since it was only begun is not damaged."""
    found = []
    if directory.written_state() is None:
        found.append("state.json")
    try:
        directory.request()
    except SessionDamaged:
        found.append("request.json")
    if (directory.path / FILE).exists() and Journal.read(directory.path) is None:
        found.append(FILE)
    written = files.read_json(directory.path / SUPERVISOR_FILE)
    if (directory.path / SUPERVISOR_FILE).exists() and processes.ProcessRecord.from_json(written) is None:
        found.append(SUPERVISOR_FILE)
    return found
