"""Files from a provider: plain names below one directory, whole or absent."""

import json

import pytest
import typer
from nbformat import v4

from golem_launcher import paths
from golem_launcher.cli.main import app
from golem_launcher.errors import RequestError
from golem_launcher.tasks import record, result_files
from golem_launcher.tasks.payload import TaskOutput


def output(name, data=b"x"):
    return TaskOutput(name, len(data), "", data)


@pytest.mark.parametrize(
    "names",
    [
        ["../a"], ["/etc/passwd"], ["a/../../b"], [""], ["a//b"], [".bashrc"], ["a/.git/config"], ["a\nb"], ["a\\b"],
        ["x" * 300], ["a", "a"], ["a", "a/b"], ["/".join("x" * 30)], ["a\u202eb"],
        ["/".join(["x" * 250] * 19)],
    ],
)  # fmt: skip
def test_names_that_lead_away_or_hide_are_refused(names):
    assert result_files.unfit([output(name) for name in names])


def test_a_file_of_ours_is_in_nobodys_way():
    for name in ("log.txt/x", "log.txt/y/z"):
        assert result_files.unfit([output(name)], beside="log.txt")
    assert result_files.unfit([output("logs/x"), output("a/log.txt"), output("log.txt")], beside="log.txt") == ""


def test_plain_ones_are_placed_and_replace_what_was_there(tmp_path):
    outputs = [output("a.txt"), output("deep/b c.txt", b"two"), output("ünïcode.png")]
    assert result_files.unfit(outputs) == ""
    target = tmp_path / "made" / "here"
    result_files.place(target, [output("old.txt")], {})
    large = tmp_path / "large"
    large.write_bytes(b"much")
    result_files.place(target, [*outputs, TaskOutput("large.bin", 4, "", large)], {"log.txt": b"said"})
    found = {path.relative_to(target).as_posix(): path.read_bytes() for path in target.rglob("*") if path.is_file()}
    assert found == {
        "a.txt": b"x", "deep/b c.txt": b"two", "ünïcode.png": b"x", "large.bin": b"much", "log.txt": b"said",
    }  # fmt: skip
    assert not any(path.stat().st_mode & 0o111 for path in target.rglob("*") if path.is_file())
    assert [path.name for path in target.parent.iterdir()] == ["here"]


@pytest.mark.parametrize(
    ("mine", "command"),
    [
        ("alpha/thesis.txt", ["run", "--map", "items", "--", "echo", "{item}"]),
        ("lr=1.ipynb", ["sweep", "train.ipynb", "--param", "lr=1,2"]),
        ("summary.csv", ["sweep", "train.ipynb", "--param", "lr=1,2"]),
    ],
)
def test_a_new_job_takes_the_place_of_nothing_that_is_there(tmp_path, monkeypatch, capsys, mine, command):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "items").write_text("alpha\nbeta\n")
    (tmp_path / "train.ipynb").write_text(json.dumps(v4.new_notebook()))
    (tmp_path / mine).parent.mkdir(exist_ok=True)
    (tmp_path / mine).write_text("years of work")
    with pytest.raises(SystemExit) as ended:
        typer.main.get_command(app).main([command[0], "--name", "mine", "--output", ".", *command[1:]])
    assert ended.value.code == 2
    assert f"There is {tmp_path / mine.partition('/')[0]} already" in " ".join(capsys.readouterr().err.split())
    assert list(record.jobs_directory().iterdir()) == [], "nothing is begun"


def test_the_job_is_named_whose_results_are_there(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))
    place = tmp_path / "out"
    for name in ("alpha", "mine", "lr=1.ipynb", "summary.csv"):
        result_files.place(place / name, [], {})
    run = record.create("render", {"items": ["alpha", "beta"], "output": str(place)})
    record.create("train", {"sets": [{"lr": 1}, {"lr": 2}], "output": str(place)})
    record.create("other", {"items": ["mine"], "output": str(tmp_path)})
    for name, job in (("alpha", "render"), ("lr=1.ipynb", "train"), ("summary.csv", "train")):
        with pytest.raises(RequestError) as refused:
            result_files.check_free(place, ["free", name])
        assert refused.value.what == f"There is {place / name} already: the job '{job}' made it."
        assert refused.value.remedy.endswith(f"--resume {job}")
    with run.held(), pytest.raises(RequestError, match="the job 'render' is at work there") as refused:
        result_files.check_free(place, ["alpha"])
    assert "--resume" not in refused.value.remedy
    with pytest.raises(RequestError, match="would take its place"):
        result_files.check_free(place, ["mine"])


def test_one_that_cannot_be_written_leaves_nothing(tmp_path):
    with pytest.raises(FileNotFoundError):
        result_files.place(tmp_path / "here", [output("a"), TaskOutput("b", 1, "", tmp_path / "gone")], {})
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_was_placing_is_removed_and_nothing_else(tmp_path):
    long = "x" * 200
    for name in (".7.0123abcd", f".{'x' * 100}.0123abcd", ".8.0123abcd", ".7.mine", ".7.0123abcde", "7", ".hidden"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("")
    (tmp_path / ".7.89abcdef").symlink_to(tmp_path / "7")
    result_files.clear(tmp_path, ["7", long])
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {".8.0123abcd", ".7.mine", ".7.0123abcde", "7", ".hidden", ".7.89abcdef"}
    result_files.clear(tmp_path / "nowhere", ["7"])
