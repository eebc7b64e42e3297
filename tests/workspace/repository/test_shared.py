"""Several who save into one store, prune it and lose power at any moment: no generation ever loses a part."""

import contextlib
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from golem_launcher.errors import WorkspaceError
from golem_launcher.workspace.backends.directory import DirectoryLocation
from golem_launcher.workspace.repository import packs
from golem_launcher.workspace.repository.entry import Entry, chunk_id
from golem_launcher.workspace.repository.sealing import Sealing
from golem_launcher.workspace.repository.store import Store
from tests.examples import examples

WHO = st.integers(0, 2)
CONTENT = st.lists(st.sampled_from([b"%d" % number * 50 for number in range(8)]), min_size=1, max_size=5)


class PowerCut(BaseException):
    pass


class Disk(DirectoryLocation):
    """Loses power after ``left`` changes; a change is seen whole or not at all."""

    left = None

    def _change(self):
        if self.left is not None:
            if self.left == 0:
                raise PowerCut
            self.left -= 1

    def write(self, name, pieces):
        self._change()
        super().write(name, pieces)

    def delete(self, name):
        self._change()
        super().delete(name)


class Shared(RuleBasedStateMachine):
    @initialize()
    def begin(self):
        self.stack = contextlib.ExitStack()
        self.place = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.cache = Path(self.stack.enter_context(tempfile.TemporaryDirectory())) / "cache"
        self.stack.enter_context(mock.patch.object(packs, "MANY", 4))
        self.stack.enter_context(mock.patch.object(packs, "_MUCH", 2))
        self.stack.enter_context(mock.patch.object(packs, "_MANY_NEW", 2))
        self.stack.enter_context(mock.patch("golem_launcher.workspace.backends.directory.os.fsync"))
        self.stack.enter_context(mock.patch("golem_launcher.files.os.fsync"))
        self.now = datetime(2026, 5, 6, tzinfo=UTC)
        self.saved = {}
        self.stores = {}

    def store(self, who):
        if who not in self.stores:
            disk = Disk(self.place)
            self.stores[who] = Store(disk, Sealing(), cache=self.cache), disk
        return self.stores[who]

    @rule(who=WHO, pieces=CONTENT, cut=st.none() | st.integers(0, 4))
    def save(self, who, pieces, cut):
        store, disk = self.store(who)
        ids = tuple(map(chunk_id, pieces))
        disk.left = cut
        try:
            for _ in range(2):  # what a save does that is told to save again
                missing = store.missing(ids)
                for identifier, piece in zip(ids, pieces, strict=True):
                    if identifier in missing:
                        store.put_chunk(identifier, piece)
                try:
                    entry = Entry("a", "file", size=sum(map(len, pieces)), chunks=ids)
                    generation = store.commit("work", [entry], created_at=self.now)
                except WorkspaceError:
                    continue
                self.saved[generation.number] = b"".join(pieces)
                break
            else:
                raise AssertionError("saving again does not help")
        except PowerCut:
            del self.stores[who]
        disk.left = None

    @rule(who=WHO, cut=st.none() | st.integers(0, 12))
    def prune(self, who, cut):
        store, disk = self.store(who)
        disk.left = cut
        try:
            store.prune(at=self.now)
        except PowerCut:
            del self.stores[who]
        disk.left = None

    @rule(minutes=st.sampled_from([5, 40, 70, 60 * 25]))
    def time_passes(self, minutes):
        self.now += timedelta(minutes=minutes)

    @rule(who=WHO)
    def leave(self, who):
        self.stores.pop(who, None)

    @invariant()
    def every_generation_is_whole(self):
        fresh = Store(DirectoryLocation(self.place), Sealing())
        remembering = Store(DirectoryLocation(self.place), Sealing(), cache=self.cache)
        numbers = [generation.number for generation in fresh.generations("work")]
        for number in numbers:
            (entry,) = fresh.manifest("work", number).entries
            whole = b"".join(map(fresh.get_chunk, entry.chunks))
            assert whole == self.saved.setdefault(number, whole)
            assert not remembering.lost(fresh.manifest("work", number).entries)
            assert b"".join(map(remembering.get_chunk, entry.chunks)) == whole
        if self.saved:
            assert max(numbers) == max(self.saved)

    def teardown(self):
        if hasattr(self, "stack"):
            self.stack.close()


TestShared = Shared.TestCase
TestShared.settings = settings(max_examples=examples(40), stateful_step_count=25, deadline=None)
