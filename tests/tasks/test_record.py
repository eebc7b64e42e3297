"""A job's record survives whatever ends its writer."""

import contextlib
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from golem_launcher import paths
from golem_launcher.errors import SessionError, SessionNameTaken
from golem_launcher.tasks import record
from golem_launcher.tasks.record import JobRecord, Line
from tests.agent.conftest import eventually


@pytest.fixture
def directory(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    return record.create("mine", {"what": 1})


def add(directory, *tasks):
    with contextlib.closing(JobRecord(directory)) as written:
        for task in tasks:
            written.add(Line(kind="done", task=task, provider="0x1"), sure=True)


def test_a_line_that_was_cut_off_is_none_and_harms_no_other(directory):
    add(directory, 1, 2)
    file = directory.path / "record.jsonl"
    whole = file.read_bytes()
    for cut in range(len(whole) // 2 + 1, len(whole)):
        file.write_bytes(whole[:cut])
        add(directory, 3)
        expected = [1, 3] if cut < len(whole) - 1 else [1, 2, 3]
        assert [line.task for line in directory.lines()] == expected, cut


def test_lines_of_several_threads_go_to_the_disk_together_and_none_is_sure_before(directory, monkeypatch):
    file, count, sure = directory.path / "record.jsonl", 40, []
    others_wait, fsync = threading.Event(), os.fsync

    def slowly(descriptor):
        size = os.fstat(descriptor).st_size
        assert others_wait.wait(20)
        fsync(descriptor)
        sure.append(size)

    monkeypatch.setattr(os, "fsync", slowly)

    def write(task):
        written.add(Line(kind="done", task=task), sure=True)
        lines = file.read_bytes()[: sure[-1]].splitlines()
        return any(json.loads(line)["task"] == task for line in lines)

    with contextlib.closing(JobRecord(directory)) as written, ThreadPoolExecutor(count) as threads:
        writing = [threads.submit(write, task) for task in range(count)]
        eventually(lambda: file.read_bytes().count(b"\n") == count)
        others_wait.set()
        assert all(one.result() for one in writing)
    assert len(sure) <= 2
    assert sorted(line.task for line in directory.lines()) == list(range(count))


def test_one_process_at_a_time_is_at_a_job(directory):
    with directory.held():
        (directory.incoming / "left").write_text("of a run that was killed")
        with pytest.raises(SessionNameTaken), directory.held():
            pass
    with directory.held():
        assert list(directory.incoming.iterdir()) == []


def test_names(directory):
    assert directory.description() == {"what": 1}
    with pytest.raises(SessionNameTaken):
        record.create("mine", {})
    assert record.find("mine") == directory
    for name in ("other", "../mine", ""):
        with pytest.raises(SessionError, match="There is no job"):
            record.find(name)
