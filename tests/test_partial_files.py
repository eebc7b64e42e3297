"""Files that are not whole yet: what a process that is killed leaves is removed later, and nobody else's."""

import signal
import subprocess
import sys

import pytest

from golem_launcher import partial_files, paths
from golem_launcher.session.cleanup import housekeeping

_WRITES = """
import pathlib, signal, sys
from golem_launcher.partial_files import partial_file_of
with partial_file_of(pathlib.Path(sys.argv[1])) as partial:
    partial.write_bytes(b"a part")
    print("there", flush=True)
    signal.pause()
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))
    folder = tmp_path / "mine"
    folder.mkdir()
    return folder


def test_what_a_killed_process_left_is_removed_by_the_next_command(home):
    users = home / ".mine.0123abcd"  # might be one of ours, by its name
    users.touch()
    with subprocess.Popen([sys.executable, "-c", _WRITES, home / "big.zip"], stdout=subprocess.PIPE) as writer:
        assert writer.stdout.readline() == b"there\n"
        housekeeping.tidy()
        (partial,) = home.glob(".big.zip.*")  # it is being written
        writer.send_signal(signal.SIGKILL)
    assert partial.read_bytes() == b"a part"
    housekeeping.tidy()
    assert list(home.iterdir()) == [users]
    assert not list((paths.home() / "partial_files").iterdir())


_WRITES_DIRECTORY = """
import pathlib, signal, sys
from golem_launcher.partial_files import partial_directory_of
with partial_directory_of(pathlib.Path(sys.argv[1])) as partial:
    (partial / "closed" / "deep").mkdir(parents=True)
    (partial / "closed" / "deep" / "file").write_bytes(b"a part")
    (partial / "away").symlink_to(pathlib.Path(sys.argv[1]).parent)
    (partial / "closed").chmod(0o500)
    print("there", flush=True)
    signal.pause()
"""


def test_a_directory_that_a_killed_process_left_is_removed_likewise_and_nothing_that_it_leads_to(home):
    mine = home / "mine"
    mine.touch()
    program = [sys.executable, "-c", _WRITES_DIRECTORY, home / "restored"]
    with subprocess.Popen(program, stdout=subprocess.PIPE) as writer:
        assert writer.stdout.readline() == b"there\n"
        housekeeping.tidy()
        (partial,) = home.glob(".restored.*")
        writer.send_signal(signal.SIGKILL)
    assert (partial / "closed" / "deep" / "file").read_bytes() == b"a part"
    housekeeping.tidy()
    assert list(home.iterdir()) == [mine]
    assert not list((paths.home() / "partial_files").iterdir())


def test_a_draft_is_gone_when_its_block_is_left_or_has_its_name(home):
    with pytest.raises(ZeroDivisionError), partial_files.partial_file_of(home / "a"):
        raise ZeroDivisionError
    with partial_files.partial_file_of(home / ("\U0001f40d" * 63)) as partial:  # the longest name that a file can have
        partial.rename(home / "b")
    assert [one.name for one in home.iterdir()] == ["b"]
    assert not list((paths.home() / "partial_files").iterdir())
