"""What the page shows of a job, from what a command wrote of it; and its results as a zip file."""

from __future__ import annotations

import contextlib
import zipfile
from typing import TYPE_CHECKING

import pytest

from golem_launcher.errors import SessionError
from golem_launcher.request import LaunchRequest
from golem_launcher.tasks import record
from golem_launcher.tasks.job import Job
from golem_launcher.tasks.record import JobRecord, Line
from golem_launcher.tasks.sweep import Sweep
from golem_launcher.ui.cards.job_results import write_made
from golem_launcher.ui.cards.jobs import MOST_CELLS, JobViews
from golem_launcher.ui.cards.view_model import SessionViews
from tests.ui.made import make_session

if TYPE_CHECKING:
    from pathlib import Path

    from golem_launcher.tasks.record import JobDirectory


def make_job(name: str, tasks: int, output: str = "/made") -> JobDirectory:
    job = Job(command=("true",), items=tuple(map(str, range(tasks))), output=output, request=LaunchRequest())
    return record.create(name, job.model_dump(mode="json"))


def write(directory: JobDirectory, *lines: Line) -> None:
    with contextlib.closing(JobRecord(directory)) as written:
        for line in lines:
            written.add(line, sure=False)


def given(task: int, provider: str = "0x1", at: float = 100.0) -> Line:
    return Line(kind="given", task=task, provider=provider, provider_name=f"name-{provider}", at=at)


def test_a_grid_has_a_cell_for_each_task_and_only_what_changed_is_told() -> None:
    directory = make_job("frames", 5)
    views = JobViews()
    with directory.held():
        write(directory, Line(kind="begun", at=99), given(0), given(1, "0x2"), given(2, "0x3"))
        write(directory, Line(kind="done", task=0, provider="0x1", seconds=2.5))
        write(directory, Line(kind="back", task=1, provider="0x2", reason="exit code 1"))
        write(directory, Line(kind="failed", task=1, reason="exit code 1\x1b[2J"))
        view = views.read(["frames", "of-a-program"])["frames"]
        assert (view["state"], view["cells"], view["per"]) == ("running", "dfrww", 1)
        assert (view["tasks"], view["done"], view["failed"], view["running"]) == (5, 1, 1, 1)
        assert view["labels"] == ["0", "1", "2", "3", "4"]
        assert view["failures"] == [["1", "exit code 1"]]
        assert (view["since"], view["fresh"]) == (100.0, 1)
        first, second, third = view["providers"]
        assert first == {"name": "name-0x1", "done": 1, "failed": 0, "seconds": 2.5, "now": ""}
        assert (second["failed"], third["now"]) == (1, "2")
        assert views.read(["frames"]) == {}, "nothing is new"
        write(directory, Line(kind="lost", provider="0x3"))
        directory.ask_to_stop()
        view = views.read(["frames"])["frames"]
        assert (view["state"], view["cells"]) == ("stopping", "dfwww")
        write(directory, given(3))
    view = views.read(["frames"])["frames"]
    assert (view["state"], view["cells"], view["running"]) == ("incomplete", "dfwww", 0), "nobody is at it"
    assert views.all() == {"frames": view}


def test_a_new_run_asks_for_no_stop_and_takes_up_what_failed() -> None:
    directory = make_job("frames", 2)
    with directory.held():
        write(directory, given(0), Line(kind="failed", task=0, reason="why"), given(1))
        directory.ask_to_stop()
    with directory.held():
        assert not directory.stop_asked
        write(directory, Line(kind="begun", at=200), given(0, at=201))
        write(directory, Line(kind="cost", session="then", cost="1"), Line(kind="cost", session="then", cost="0.5"))
        view = JobViews().read(["frames"])["frames"]
    assert view["costs"] == {"then": 0.5}, "what was said last of it"
    assert (view["cells"], view["since"], view["fresh"], view["failed"]) == ("rw", 201.0, 0, 0)


def test_thousands_of_tasks_are_a_grid_of_hundreds_of_cells() -> None:
    tasks = MOST_CELLS * 3 - 1
    directory = make_job("many", tasks)
    with directory.held():
        write(directory, *(Line(kind="done", task=task, provider="0x1") for task in (0, 1, 2, 3, 6, 7, tasks - 1)))
        write(directory, given(8), Line(kind="failed", task=7, reason="late"), Line(kind="failed", task=4))
        write(directory, Line(kind="done", task=tasks + 5, provider="0x1"))
        view = JobViews().read(["many"])["many"]
    assert (len(view["cells"]), view["per"], view["labels"]) == (MOST_CELLS, 3, [])
    assert view["cells"][:4] == "dfrw"
    assert view["cells"][-1] == "p"


def test_what_is_damaged_or_gone_is_not_shown() -> None:
    record.create("damaged", {"items": 3})
    make_job("gone", 1)
    views = JobViews()
    assert list(views.read(["damaged", "gone"])) == ["gone"]
    assert views.read([]) == views.all() == {}


def test_the_session_of_a_job_is_known_as_one() -> None:
    make_session("frames", workload="tasks")
    make_session("lab")
    assert {view["name"]: view["job"] for view in SessionViews().read()[0]} == {"frames": True, "lab": False}


def test_the_results_of_a_job_are_its_own_files_alone(tmp_path: Path) -> None:
    output = tmp_path / "out"
    make_job("frames", 3, str(output))
    with pytest.raises(SessionError, match="Nothing came back"):
        write_made("frames", tmp_path / "zip", lambda *_: None)
    (output / "0" / "deep").mkdir(parents=True)
    (output / "0" / "deep" / "a.png").write_bytes(b"a")
    (output / "0" / "secret").symlink_to("/etc/hostname")
    (output / "1 (failed).txt").write_text("why")
    (output / "mine.txt").write_text("of before")
    (output / "2").symlink_to(tmp_path)
    assert write_made("frames", tmp_path / "zip", lambda *_: None) == ""
    with zipfile.ZipFile(tmp_path / "zip") as archive:
        assert archive.namelist() == ["0/deep/a.png", "1 (failed).txt"]


def test_the_results_of_a_sweep_have_its_summary_as_it_is_now(tmp_path: Path) -> None:
    sweep = Sweep(notebook="n", sets=({"a": 1}, {"a": 2}), output=str(tmp_path / "out"), request=LaunchRequest())
    write(record.create("grid", sweep.model_dump(mode="json")), Line(kind="done", task=0))
    (tmp_path / "out").mkdir()
    for name in ("a=1.ipynb", "summary.csv", "setup.py", "other.ipynb"):
        (tmp_path / "out" / name).write_text("{}")
    write_made("grid", tmp_path / "zip", lambda *_: None)
    with zipfile.ZipFile(tmp_path / "zip") as archive:
        assert archive.namelist() == ["a=1.ipynb", "summary.csv", "summary.html", "summary.parquet"]
        assert archive.read("summary.csv").decode().splitlines()[1:] == ["1,done,0.0,0,,,,1", "2,missing,,,,,,2"]
