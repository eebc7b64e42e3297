"""The steps of one round, each done with care: what is not as it was looked at is left for the next round."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from golem_launcher import clock
from golem_launcher.kernel.sync.local_folder import digest
from golem_launcher.kernel.sync.merge import SyncStep, second_name
from golem_launcher.kernel.sync.remote_folder import as_saved, same
from golem_launcher.units import data_size
from golem_launcher.untrusted_text import clean_line
from golem_launcher.workspace.export.file_content import LOST
from golem_launcher.workspace.repository.sealing import DamagedObject

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from golem_launcher.kernel.contents import Look
    from golem_launcher.kernel.sync.comparison import Comparison
    from golem_launcher.kernel.sync.local_folder import Folder
    from golem_launcher.kernel.sync.remote_folder import Workspace


@dataclass
class Outcome:
    """What a round did."""

    sent: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Sentences for the user: conflicts, and what went to the trash."""
    left_out: dict[str, str] = field(default_factory=dict)
    equal: int = 0
    """How many files are the same on both sides."""
    waiting: int = 0
    """How many will be, with the next save."""
    unfinished: bool = False
    """Whether something is to be looked at again: it was changed meanwhile, or a step follows another."""

    @property
    def moved(self) -> bool:
        """Whether something is other than it was."""
        return bool(self.sent or self.fetched or self.notes or self.unfinished)

    def after(self, before: Outcome) -> Outcome:
        """This one, and what the one before it did."""
        return replace(
            self,
            sent=list(dict.fromkeys(before.sent + self.sent)),
            fetched=list(dict.fromkeys(before.fetched + self.fetched)),
            notes=list(dict.fromkeys(before.notes + self.notes)),
        )


class StepRunner:
    """The steps of one round."""

    def __init__(
        self, folder: Folder, workspace: Workspace, both: Comparison, sent: Mapping[str, tuple[str, Look]]
    ) -> None:
        """``sent``: what waits for a save, as :class:`~golem_launcher.kernel.sync.merge_base.MergeBase` has it."""
        self.outcome = Outcome()
        self.sent: dict[str, tuple[str, Look] | None] = {}
        """What these steps sent, or (``None``) removed there."""
        self._folder = folder
        self._workspace = workspace
        self._both = both
        self._sent_before = sent
        self._at = clock.now().astimezone()

    async def do(self, step: SyncStep, path: str, *, sends: bool) -> None:
        """One step. Raises ``LauncherError`` when the other side is away; what else goes wrong with it costs no other.

        ``sends``: whether something can be sent.
        """
        try:
            await self._do(step, path, sends=sends)
        except FileNotFoundError:
            self.outcome.unfinished = True
        except DamagedObject:
            self.outcome.left_out[path] = LOST
        except OSError as error:
            self.outcome.left_out[path] = f"this computer refuses it: {error.strerror or error}"

    async def _do(self, step: SyncStep, path: str, *, sends: bool) -> None:
        if step is SyncStep.SEND:
            await self._send(path)
        elif step is SyncStep.FETCH:
            await asyncio.to_thread(self._fetch, path, path)
        elif step is SyncStep.KEEP_BOTH:
            await self._keep_both(path, sends=sends)
        elif step is SyncStep.TRASH_HERE:
            await self._trash_here(path)
        else:
            await self._trash_there(path)

    async def _send(self, path: str) -> None:
        file, entry = self._both.here[path], self._both.there.get(path)
        now = await self._workspace.look(path)
        ours = self._sent_before.get(path)
        if ours is not None and same(now, ours[1]):
            if ours[0] == file.version.content:
                return  # it waits for the next save
        elif now is None:
            if entry is not None:
                self.outcome.unfinished = True  # removed meanwhile: the next save says so
                return
        elif entry is None or not same(now, as_saved(entry)):
            self.outcome.unfinished = True  # written to meanwhile: the next save has it
            return
        with self._folder.opened(path) as descriptor:
            made = await self._workspace.send(path, descriptor, now)
        if made is None:
            self.outcome.unfinished = True
            return
        self.sent[path] = (file.version.content, made)
        self.outcome.sent.append(path)

    def _fetch(self, path: str, target: str) -> bool:
        entry = self._both.there[path]
        if entry.data > self._folder.free:
            self.outcome.left_out[path] = f"its {data_size(entry.data)} have no room on the disk here"
            return False
        replaces = self._both.here.get(target)
        if replaces is None and self._folder.has(target):
            self.outcome.left_out[path] = "another file is there, which is left out here"
            return False
        if not self._folder.write(target, self._workspace.pieces(entry), replaces):
            self.outcome.unfinished = True
            return False
        self.outcome.fetched.append(target)
        return True

    async def _keep_both(self, path: str, *, sends: bool) -> None:
        """The version from here keeps its name, on both sides; the other gets a second one."""
        entry = self._both.there[path]
        content = await asyncio.to_thread(lambda: digest(self._workspace.pieces(entry)))
        names = _second_names(path, self._both.here.keys() | self._both.there.keys())
        kept = next((one for one in names if self._has(one, content)), None)
        if kept is None:
            kept = second_name(path, {*self._both.here, *self._both.there})
            if not await asyncio.to_thread(self._fetch, path, kept):
                return
            self.outcome.notes.append(
                f"{clean_line(path)} was changed on both sides: yours is as it was, the provider's is "
                f"{clean_line(kept)}."
            )
        if sends:
            await self._send(path)
        self.outcome.unfinished = True  # the second one goes there with the next round

    def _has(self, path: str, content: str) -> bool:
        found = self._both.here.get(path)
        return found is not None and found.version.content == content

    async def _trash_here(self, path: str) -> None:
        if await self._workspace.look(path) is not None:
            return  # it is there, and not saved: whoever looks after it leaves it out
        file = self._both.here[path]
        if await asyncio.to_thread(self._folder.trash, path, file, self._at):
            self.outcome.notes.append(f"{clean_line(path)} was removed over there: here it is in the trash.")

    async def _trash_there(self, path: str) -> None:
        entry = self._both.there[path]
        if entry.data > self._folder.free:
            self.outcome.left_out[path] = "the trash here has no room for it"
            return
        now = await self._workspace.look(path)
        if now is None or not same(now, as_saved(entry)):
            return  # gone already, or changed: the next save says so
        await asyncio.to_thread(self._folder.write_to_trash, path, self._workspace.pieces(entry), self._at)
        if await self._workspace.remove(path, now):
            self.sent[path] = None
            self.outcome.notes.append(f"{clean_line(path)} was removed here: over there, too. It is in the trash here.")


def _second_names(path: str, names: set[str]) -> Iterator[str]:
    """Those under which a version from over there is kept already."""
    taken: set[str] = set()
    while (name := second_name(path, taken)) in names:
        taken.add(name)
        yield name
