"""``golem-launcher jobs``: what there is, and what is forgotten."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from golem_launcher import paths
from golem_launcher.cli.main import app
from golem_launcher.request import LaunchRequest
from golem_launcher.tasks import record
from golem_launcher.tasks.job import Job
from golem_launcher.tasks.record import JobRecord, Line

if TYPE_CHECKING:
    from pathlib import Path

LINES = [
    Line(kind="failed", task=0, reason="exit code 1"),
    Line(kind="done", task=0),
    Line(kind="failed", task=1, reason="exit code 1"),
    Line(kind="failed", task=1, reason="exit code 1"),
    Line(kind="cost", session="2026-01-01", cost="0.25"),
    Line(kind="cost", session="2026-01-02", cost="0.5"),
]


@pytest.fixture(autouse=True)
def frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> record.JobDirectory:
    """A job of three tasks, of which one is done and one failed; and a sweep of one notebook that is damaged."""
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))
    asked = Job(command=("true",), items=("a", "b", "c"), output="/made", request=LaunchRequest(network="polygon"))
    directory = record.create("frames", asked.model_dump(mode="json"))
    with contextlib.closing(JobRecord(directory)) as written:
        for line in LINES:
            written.add(line, sure=True)
    (record.create("broken", {}).path / "job.json").write_text("{")
    return directory


def jobs(*arguments: str, code: int = 0) -> str:
    ended = CliRunner().invoke(app, ["jobs", *arguments])
    assert ended.exit_code == code, ended.output
    return ended.output


def told() -> dict[str, Any]:
    return {one["job"]: one for one in json.loads(jobs("--json"))}


def test_each_is_told_with_how_far_it_is(frames: record.JobDirectory) -> None:
    about = told()["frames"]
    assert {name: about[name] for name in ("by", "state", "tasks", "done", "failed", "cost", "coin", "output")} == {
        "by": "run", "state": "incomplete", "tasks": 3, "done": 1, "failed": 1, "cost": "0.75", "coin": "GLM",
        "output": "/made",
    }  # fmt: skip
    assert told()["broken"]["state"] == "damaged"
    with frames.held():
        assert told()["frames"]["state"] == "running"
    shown = jobs()
    assert "1 of 3" in shown
    assert shown.index("broken") < shown.index("frames"), "the last one first"


def test_a_change_that_is_refused_changes_nothing(frames: record.JobDirectory) -> None:
    before = frames.description()
    with frames.held():
        ended = CliRunner().invoke(app, ["run", "--resume", "frames", "--budget", "9", "--workers", "2"])
    assert (ended.exit_code, frames.description()) == (1, before), "another command is at it"
    with contextlib.closing(JobRecord(frames)) as written:
        written.add(Line(kind="begun"), sure=True)
    ended = CliRunner().invoke(app, ["run", "--resume", "frames", "--budget", "0.5", "--workers", "2"])
    assert (ended.exit_code, frames.description()) == (1, before), "it has cost more than that"


def test_one_is_forgotten_once_that_is_sure(frames: record.JobDirectory) -> None:
    assert "2 tasks could still be done" in jobs("--remove", "frames", code=2)
    with frames.held():
        assert "is being done already" in jobs("--remove", "frames", "--yes", code=1)
    assert frames.path.exists()
    assert "'frames' is forgotten. Results: /made." in jobs("--remove", "frames", "--yes")
    assert not frames.path.exists()
    assert "There is no job 'frames'" in jobs("--remove", "frames", "--yes", code=1)
    jobs("--remove", "broken", "--yes")
    assert "There are no jobs yet" in jobs()


@pytest.mark.parametrize(
    "damage",
    [
        {"items": 3},
        {"request": ["polygon"]},
        {"request": {"network": ["polygon"]}},
        {"output": 7},
        {"sets": None},
        ["items"],
    ],
)
def test_a_job_that_is_damaged_is_told_so_among_the_others(damage: Any) -> None:
    (record.create("odd", {}).path / "job.json").write_text(json.dumps(damage))
    about = told()
    assert about["odd"]["state"] == "damaged"
    assert about["frames"]["cost"] == "0.75"
    assert "odd" in jobs()


@pytest.mark.parametrize("cost", ["much", "NaN", "sNaN", "-1", "Infinity", "1E+999999", ""])
def test_a_cost_that_is_no_money_is_not_counted(frames: record.JobDirectory, cost: str) -> None:
    with (frames.path / "record.jsonl").open("a") as file:
        file.write(json.dumps({"kind": "cost", "session": "2026-01-03", "cost": cost}) + "\n")
    assert told()["frames"]["cost"] == "0.75"
    assert "0.75" in jobs()


def test_what_is_forgotten_is_a_job(frames: record.JobDirectory) -> None:
    for above in (frames.path.parent, frames.path.parent.parent):
        (above / "job.json").write_text("{}")
    for name in ("..", ".", "", "frames/../frames"):
        assert f"There is no job '{name}'" in jobs("--remove", name, "--yes", code=1)
    assert frames.path.exists()
