"""Restores a generation, the user's files and packages into a session before its workload starts.

What could not be put there is told, not raised: the workload starts all the same. Only a provider that is lost, or a
store that can't be read, raises.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from golem_launcher.units import counted
from golem_launcher.untrusted_text import clean_line, sentence
from golem_launcher.workspace.repository import entry_record
from golem_launcher.workspace.repository.entries import Entries
from golem_launcher.workspace.repository.entry import shown
from golem_launcher.workspace.repository.entry_records import beside
from golem_launcher.workspace.repository.package_lists import installable
from golem_launcher.workspace.transfer.file_sender import send
from golem_launcher.workspace.transfer.local_files import LocalFiles
from golem_launcher.workspace.transfer.progress import PipSteps, untold

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from golem_launcher.workspace.repository.manifest import Manifest
    from golem_launcher.workspace.repository.store import Store
    from golem_launcher.workspace.transfer.agent_workspace import AgentWorkspace
    from golem_launcher.workspace.transfer.progress import ReportProgress

_INSTALL_SECONDS = 900.0
_MOST_NOTICES = 20
_INSTALLING = "Installing packages"


async def restore_into(
    agent: AgentWorkspace,
    store: Store,
    manifest: Manifest,
    progress: ReportProgress = untold,
    *,
    install_seconds: float = _INSTALL_SECONDS,
) -> list[str]:
    """Put the generation of a manifest back, then its packages; what could not be, a sentence each.

    ``progress`` is told how far it is. Raises ``WorkspaceError`` when the store can't be read,
    ``ProviderError`` when the provider is lost.
    """
    entries, out = await asyncio.to_thread(_without_links_out, manifest.entries)
    notices = [f"{shown(path)} was not put back: {reason}." for path, reason in out.items()]
    notices += await send(agent, entries, store, progress)
    good, refused = installable(manifest.environment.requirements)
    notices += [f"The package {_name(line)} was not installed again: it is from no package index." for line in refused]
    return notices + await install(agent, good, progress, seconds=install_seconds)


@dataclass(frozen=True)
class Difference:
    """Between what a workspace has and what it is to have."""

    has: Entries
    before: Manifest | None
    """The generation that it was made to have last."""
    after: Manifest


async def mirror(
    agent: AgentWorkspace, store: Store, difference: Difference, progress: ReportProgress = untold
) -> list[str]:
    """Make a workspace one that has the files of a generation and no others, and its packages.

    Only what differs is sent. Raises as :func:`restore_into` does; what could not be done is told likewise.
    """
    changed, gone = await asyncio.to_thread(_to_send, difference)
    known = difference.before.environment.requirements if difference.before is not None else ()
    good, _ = installable(tuple(line for line in difference.after.environment.requirements if line not in known))
    return await send(agent, changed, store, progress, gone) + await install(agent, good, progress)


async def put_files(
    agent: AgentWorkspace, sources: Sequence[tuple[Path, str]], progress: ReportProgress = untold
) -> list[str]:
    """Put files and directories of the user's into the workspace, each at its relative path; what could not be.

    Links and special files are left out. Raises ``WorkspaceError`` when a file can't be read.
    """
    local = await asyncio.to_thread(LocalFiles, sources)
    return [*local.notices, *await send(agent, local.entries, local, progress)]


async def install(
    agent: AgentWorkspace,
    requirements: Sequence[str],
    progress: ReportProgress = untold,
    *,
    seconds: float = _INSTALL_SECONDS,
) -> list[str]:
    """Install packages by the session's own pip; which ones could not be, a sentence each."""
    if not requirements:
        return []
    steps = PipSteps()
    progress(_INSTALLING, 0, 0, "packages", f"looking for {counted(len(requirements), 'package')}")

    def line(text: str) -> None:
        if steps.read(text):
            progress(_INSTALLING, steps.fetched, 0, "packages", steps.detail)

    try:
        failed = await agent.install(requirements, seconds, line)
    finally:
        progress(_INSTALLING, 1, 1, "packages")
    return [sentence(f"The package {name} could not be installed: {reason}") for name, reason in failed][:_MOST_NOTICES]


def _without_links_out(entries: Entries) -> tuple[Entries, dict[str, str]]:
    """The entries but for links that may lead out of them; these, and why. Blocking."""
    out = {entry_record.path(each): why for each, why in entries.judged() if why}
    return (Entries(each for each, why in entries.judged() if not why) if out else entries), out


def _to_send(difference: Difference) -> tuple[Entries, list[str]]:
    """The entries to be sent, and the paths of what has to go first. Blocking.

    What it has is compared by its content: not every machine keeps dates and modes as they were. Those are sent where
    they are others than before.
    """
    has, after = difference.has, difference.after.entries
    before = difference.before.entries if difference.before is not None else Entries()
    gone = [
        entry_record.path(old)
        for old, new in beside(has.records, after.records)
        if old is not None and (new is None or entry_record.unpack(old).kind != entry_record.unpack(new).kind)
    ]
    pairs = beside(before.records, after.records)
    other = {entry_record.key(new) for old, new in pairs if old is not None and new is not None and old != new}
    wanted = (
        new
        for old, new in beside(has.records, after.records)
        if new is not None
        and (old is None or entry_record.content(old) != entry_record.content(new) or entry_record.key(new) in other)
    )
    return Entries(wanted), gone


def _name(line: str) -> str:
    with contextlib.suppress(ValueError):
        return clean_line(line[: line.index("@")].strip() or line, longest=100)
    return clean_line(line, longest=100)
