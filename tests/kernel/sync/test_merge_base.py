"""What was equal last, which all notebooks of this computer that keep one folder equal know alike."""

import hashlib
import resource

import pytest

from golem_launcher import paths
from golem_launcher.errors import SessionError
from golem_launcher.kernel.contents import Look
from golem_launcher.kernel.sync.comparison import Comparer
from golem_launcher.kernel.sync.local_folder import Folder
from golem_launcher.kernel.sync.merge import SyncStep
from golem_launcher.kernel.sync.merge_base import MergeBase
from golem_launcher.kernel.sync.remote_folder import Workspace
from golem_launcher.workspace.repository.entries import Entries
from golem_launcher.workspace.repository.entry import Entry


class _Store:
    """A store whose newest generation is given as texts by path."""

    def __init__(self):
        self.left_out = ()
        self.newest = 0
        self._chunks = {}

    def save(self, **texts):
        self.newest += 1
        self._chunks |= {hashlib.sha256(text.encode()).hexdigest(): text.encode() for text in texts.values()}
        self.entries = Entries.of(
            Entry(
                path, "file", size=len(text), chunks=(hashlib.sha256(text.encode()).hexdigest(),), mtime_ns=self.newest
            )
            for path, text in texts.items()
        )

    def manifest(self, _workspace, generation):
        assert generation == self.newest
        return self

    def get_chunk(self, chunk, *_):
        return self._chunks[chunk if isinstance(chunk, str) else chunk.hex()]


@pytest.fixture
def store():
    return _Store()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))
    (tmp_path / "project").mkdir()
    return Folder(tmp_path / "project")


@pytest.fixture
def notebooks(folder, store):
    """Two notebooks that keep one folder equal: what each finds to be done, and what it notes as sent."""

    def notebook():
        workspace = Workspace(None, store, "work", "", 10**9)
        return Comparer(folder, workspace, MergeBase(folder.path, None, "work", ""))

    return notebook(), notebook()


def _steps(notebook, store, agreement="one"):
    return notebook.look(agreement, lambda: store.newest).steps


def test_what_one_notebook_made_equal_the_other_knows(notebooks, folder, store):
    one, other = notebooks
    (folder.path / "kept").write_text("first")
    store.save(kept="first")
    assert _steps(one, store) == _steps(other, store) == ()
    for name, text in (("kept", "second"), ("new", "there")):  # as the one fetches them
        (folder.path / name).write_text(text)
    store.save(kept="second", new="there")
    assert _steps(one, store) == ()

    (folder.path / "kept").write_text("the third")
    (folder.path / "new").unlink()
    due = ((SyncStep.TRASH_THERE, "new"), (SyncStep.SEND, "kept"))
    assert _steps(other, store) == due
    assert _steps(one, store) == due


def test_what_one_notebook_sent_is_no_conflict_for_the_other(notebooks, folder, store):
    one, other = notebooks
    (folder.path / "a").write_text("first")
    store.save(a="first")
    assert _steps(one, store) == ()
    (folder.path / "a").write_text("second")
    content = one.look("one", lambda: store.newest).here["a"].version.content
    one.note_sent("one", {"a": (content, Look(6, 2.0))})
    (folder.path / "a").write_text("the third")
    store.save(a="second")
    assert _steps(other, store) == ((SyncStep.SEND, "a"),)
    assert _steps(other, store, "another provider") == ((SyncStep.KEEP_BOTH, "a"),)


def test_what_can_not_be_written_down_is_said_before_anything_is_done(notebooks, folder, store):
    one, _ = notebooks
    (folder.path / "a").write_text("first")
    store.save(a="first")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        with pytest.raises(SessionError, match="can't be written down: File too large"):
            _steps(one, store)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert _steps(one, store) == ()


def test_what_nobody_was_told_is_kept_for_who_syncs_the_folder_next(folder):
    one, other = (MergeBase(folder.path, None, "work", "src") for _ in range(2))
    with one.held(1), pytest.raises(TimeoutError), other.held(0):
        pass
    one.leave_untold(["first"])
    one.leave_untold(["second"])
    assert other.take_untold() == ["first", "second"]
    assert one.take_untold() == []
    assert MergeBase(folder.path, None, "another", "src").take_untold() == []
