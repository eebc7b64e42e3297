"""The directories of a machine's tasks: when they are removed."""

import uuid

from golem_launcher.agent.task_service import Tasks
from tests.agent.conftest import eventually


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
