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
from golem_launcher.tasks.record import Line, Record

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
    with contextlib.closing(Record(directory)) as written:
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
