"""The directories of a machine's tasks, and the Python that waits for functions among them."""

import json
import socket
import subprocess
import sys
import uuid

from golem_launcher.agent.task_server import told_of
from golem_launcher.agent.task_service import AgentTask, Tasks
from golem_launcher.workload.archive import agent_archive
from tests.agent.conftest import eventually

_WAITS_FOR_FUNCTIONS = """
import sys
sys.path.insert(0, sys.argv[1])
from golem_launcher_agent.task_forks import serve
del sys.path[0]
serve(int(sys.argv[2]))
"""
_LOOKED_INTO = """
import sys, zipimport
def looked_into():
    return [path for path, finder in sys.path_importer_cache.items() if isinstance(finder, zipimport.zipimporter)]
"""


def shell(tasks, script):
    """Have a script be run; its id."""
    task_id = uuid.uuid4().hex
    about = {"argv": ["/bin/sh", "-c", script], "outputs": [], "seconds": 60}
    tasks.add(task_id, about, tasks.place(task_id))
    return task_id


def test_what_small_tasks_leave_is_removed_once_nothing_runs_and_what_is_large_at_once(tmp_path):
    base, workspace, go_on = tmp_path / "tasks", tmp_path / "work", tmp_path / "go-on"
    workspace.mkdir()
    tasks = Tasks(base, workspace)
    small, large = shell(tasks, "echo small"), shell(tasks, "head -c 100000 /dev/zero > .hidden")
    eventually(lambda: all(tasks.ids()[each] for each in (small, large)))
    waiting = shell(tasks, f"until [ -e {go_on} ]; do sleep 0.05; done")

    tasks.forget([small, large])

    assert not any((base / each).exists() for each in (small, large)), "whoever has the same id begins anew"
    assert {path.parent.parent for path in base.rglob("log")} == {base, base / "forgotten"}
    assert [path.read_text() for path in (base / "forgotten").rglob("log")] == ["small\n"]
    again = tasks.place(small)
    assert list(again.rglob("log")) == []
    go_on.touch()
    eventually(lambda: not list((base / "forgotten").iterdir()))
    assert tasks.known(waiting)
    assert again.exists(), "it was only the old one that was removed"


def test_a_task_that_ends_while_it_is_told_of_is_told_as_it_was(tmp_path):
    """Its news is that it printed; by when the answer is made it is over."""
    workspace, go_on = tmp_path / "work", tmp_path / "go-on"
    workspace.mkdir()
    tasks = Tasks(tmp_path / "tasks", workspace)
    task_id = shell(tasks, f"echo runs; until [ -e {go_on} ]; do sleep 0.05; done; echo made > made")
    heard = {task_id: 0}
    (news,) = tasks.wait(heard, 30)

    class EndsMeanwhile(AgentTask):
        """The same task, which ends once it has been told how it stands."""

        def told(self):
            told = super().told()
            go_on.touch()
            eventually(lambda: tasks.ids()[task_id])
            return told

    news.__class__ = EndsMeanwhile
    line, _, printed = told_of([news], heard).partition(b"\n")

    assert json.loads(line) == {"id": task_id, "over": False, "log": len(printed), "inline": False}
    assert printed.startswith(b"runs\n")


def test_a_functions_process_does_not_read_the_agents_archive_again(tmp_path):
    archive, place = tmp_path / "agent.pyz", tmp_path / "task"
    archive.write_bytes(agent_archive())
    for name in ("in", "out", "work"):
        (place / name).mkdir(parents=True)
    call = {"source": _LOOKED_INTO, "name": "looked_into", "args": [], "kwargs": {}, "constants": {}, "files": {}}
    (place / "in" / "call.json").write_text(json.dumps(call))
    (place / "log").touch()
    about = {"place": place, "directory": place / "work", "log": place / "log", "environment": {}}
    ours, its = socket.socketpair()
    with ours, its, ours.makefile("rb") as answers:
        argv = [sys.executable, "-c", _WAITS_FOR_FUNCTIONS, archive, str(its.fileno())]
        with subprocess.Popen(argv, pass_fds=(its.fileno(),)) as waits:
            ours.sendall(json.dumps(about, default=str).encode() + b"\n")

            assert int(answers.readline()) != waits.pid
            assert int(answers.readline()) == 0, (place / "log").read_text()
            ours.shutdown(socket.SHUT_WR)
            assert waits.wait(30) == 0

    assert json.loads((place / "out" / "value.json").read_text()) == [], "its list of files would be read for each task"
