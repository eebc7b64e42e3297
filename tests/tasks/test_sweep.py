"""Sweeps: parameter sets, summaries that are safe to open, and notebooks executed on a local network by papermill."""

import asyncio
import contextlib
import csv
import json
import re
import sys

import nbformat
import pyarrow.parquet
import pytest
import typer

from golem_launcher import paths
from golem_launcher.cli.main import app
from golem_launcher.errors import RequestError
from golem_launcher.request import LaunchRequest
from golem_launcher.tasks import record
from golem_launcher.tasks.parameters import check_names, sets_of, unheeded
from golem_launcher.tasks.payload import Answer, TaskOutput
from golem_launcher.tasks.record import JobDirectory, Line
from golem_launcher.tasks.scheduler import Attempt, Fault, Worker
from golem_launcher.tasks.sweep import Sweep, SweepTasks
from golem_launcher.tasks.sweep_summary import write_summary
from tests.tasks.conftest import outcome


def test_sets_are_every_combination_of_parameters_with_the_rows_of_a_file(tmp_path):
    assert sets_of(["lr=0.1,0.01", "depth=2"], None) == ({"lr": 0.1, "depth": 2}, {"lr": 0.01, "depth": 2})
    assert sets_of(['x=1e3,True,None,text,"a,b"'], None) == tuple({"x": x} for x in (1000.0, True, None, "text", "a,b"))
    (tmp_path / "grid.csv").write_text("a,b\n1,x\n2,-0.5\n")
    rows = ({"a": 1, "b": "x"}, {"a": 2, "b": -0.5})
    assert sets_of([], tmp_path / "grid.csv") == rows
    assert sets_of(["b=9"], tmp_path / "grid.csv") == ({"a": 1, "b": 9}, {"a": 2, "b": 9})
    (tmp_path / "grid.json").write_text('[{"a": [1, 2]}]')
    assert sets_of([], tmp_path / "grid.json") == ({"a": [1, 2]},)
    assert sets_of([], None) == ({},)


@pytest.mark.parametrize(
    "options", [["lr"], ["lr="], ["lr=1", "lr=2"], ["1x=2"], ["a=" + ",".join("123456789") for _ in range(6)]]
)
def test_what_is_no_parameter_is_refused(options):
    options = [one.replace("a=", f"a{number}=") for number, one in enumerate(options)]
    with pytest.raises(RequestError):
        sets_of(options, None)


@pytest.mark.parametrize("text", ["", "a b,c\n1,2\n", "a\n1,2\n", "\xff"])
def test_what_is_no_list_of_parameters_is_refused(tmp_path, text):
    (tmp_path / "grid.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(RequestError):
        sets_of([], tmp_path / "grid.csv")


def test_a_summary_is_text_whatever_a_provider_said(tmp_path):
    sweep = Sweep(notebook="n<b>", sets=({"a": 1}, {"a": 2}), output=str(tmp_path / "out"), request=LaunchRequest())
    hostile = {"=1+1": "<script>alert(1)</script>", "loss": "=HYPERLINK(1)", "n": -1.5, "status": "done"}
    lines = [
        Line(kind="failed", task=1, reason="-cmd", more={"notebook": "a=2.ipynb", "scraps": []}),
        Line(kind="done", task=0, seconds=1.5, more={"notebook": "a=1.ipynb", "scraps": hostile}),
    ]
    table, page, _ = write_summary(sweep, lines)
    first, second = csv.DictReader(table.read_text().splitlines())
    assert (first["status"], first["scrap.loss"], first["scrap.n"]) == ("done", "'=HYPERLINK(1)", "-1.5")
    assert (second["status"], second["error"], second["scrap.loss"]) == ("failed", "'-cmd", "")
    assert "<script>" not in page.read_text()
    assert "n&lt;b&gt;" in page.read_text()


def test_no_name_of_what_a_notebook_glued_is_a_formula(tmp_path):
    """Behind a semicolon a cell begins for half of the world's spreadsheets."""
    sweep = Sweep(notebook="n", sets=({"a": 1},), output=str(tmp_path / "out"), request=LaunchRequest())
    lines = [Line(kind="done", task=0, more={"scraps": {"x;=HYPERLINK(A1)": 1.0, "y\t@SUM(A1)": 2.0}})]
    table, *_ = write_summary(sweep, lines)
    heads = table.read_text().splitlines()[0]
    assert not re.search(r"[;\t][=@]", heads)
    assert "scrap.x;'=HYPERLINK(A1)" in heads


def test_names_that_a_provider_makes_up_make_no_table_without_end(tmp_path):
    tasks = 60
    sweep = Sweep(
        notebook="n", sets=tuple({"a": a} for a in range(tasks)), output=str(tmp_path), request=LaunchRequest()
    )
    lines = [
        Line(
            kind="done",
            task=task,
            more={"scraps": {**{f"{task} {number}": number for number in range(199)}, "loss": task / 2}},
        )
        for task in range(tasks)
    ]
    table, page, _ = write_summary(sweep, lines)
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert len(rows[0]) < 220
    assert [row["scrap.loss"] for row in rows] == [str(task / 2) for task in range(tasks)]
    assert page.stat().st_size < 200_000


def test_a_summary_as_parquet_has_numbers_where_all_are_and_text_elsewhere(tmp_path, monkeypatch):
    sets = (
        {"a": 1, "b": 1, "c": "=x", "d": True},
        {"a": 2, "b": 0.5, "c": [1], "d": None},
        {"a": 3, "b": 2, "c": None},
    )
    sweep = Sweep(notebook="n", sets=sets, output=str(tmp_path), request=LaunchRequest())
    scraps = {"loss": 0.5, "big": 10**30}
    lines = [Line(kind="done", task=0, seconds=1.5, cost="0.00012", more={"notebook": "x.ipynb", "scraps": scraps})]
    *_, parquet = write_summary(sweep, lines)
    table = pyarrow.parquet.read_table(parquet)
    types = {field.name: str(field.type) for field in table.schema}
    assert {name: types[name] for name in ("a", "b", "c", "d", "status", "cost", "scrap.loss", "scrap.big")} == {
        "a": "int64", "b": "double", "c": "string", "d": "bool", "status": "string", "cost": "double",
        "scrap.loss": "double", "scrap.big": "double",
    }  # fmt: skip
    first, second, third = table.to_pylist()
    assert (first["c"], first["cost"], second["c"], second["cost"], third["c"]) == ("=x", 0.00012, "[1]", None, None)
    assert [row["status"] for row in (first, second, third)] == ["done", "missing", "missing"]
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert [path.name for path in write_summary(sweep, lines)] == ["summary.csv", "summary.html"]


def test_what_a_provider_says_of_scraps_is_bounded_and_the_line_can_be_read_again(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))
    sweep = Sweep(notebook="n", sets=({"a": 1},), output=str(tmp_path / "out"), request=LaunchRequest())
    directory = record.create("grid", sweep.model_dump(mode="json"))
    scraps = {"lone\ud800": "\ud800", "long": "x" * 100_000, "deep": {"a": [1, "\ud800"]}, "n": 0.5, "big": 10**30}
    scraps |= {"bytes": {"$golem": "bytes", "blob": 0}, "inside": [{"$golem": "bytes", "blob": 7}]}
    scraps |= {f"more {number}": float(number) for number in range(5000)}
    value = json.dumps({"error": "", "scraps": scraps}).encode()
    value = value.replace(b'"n": 0.5', b'"n": 0.5, "endless": 1e999')
    outputs = (TaskOutput("value.json", len(value), "", value), TaskOutput("0/a.ipynb", 2, "", b"{}"))
    written = record.JobRecord(directory)
    tasks = SweepTasks(sweep, directory, written, lambda _: None, lambda: None)
    answer = Answer(0, timed_out=False, seconds=1.0, log=b"", outputs=outputs)
    asyncio.run(tasks.keep([(Attempt(0, 1, Worker(1, "0x1", "agreement")), answer)]))
    written.close()
    (line,) = directory.lines()
    assert (line.kind, line.task, line.more["scraps"]["n"]) == ("done", 0, 0.5)
    table, *_ = write_summary(sweep, [line])
    assert len(table.read_text()) < 20_000
    assert len(next(csv.reader(table.read_text().splitlines()))) < 220


def test_an_error_that_a_provider_makes_up_is_one_line(tmp_path):
    sweep = Sweep(notebook="n", sets=({"a": 1},), output=str(tmp_path / "out"), request=LaunchRequest())
    value = json.dumps({"error": "\x1b[2J\nline" * 100_000, "scraps": {}}).encode()
    made = TaskOutput("value.json", len(value), "", value)
    answer = Answer(0, timed_out=False, seconds=1.0, log=b"", outputs=(made,))
    tasks = SweepTasks(sweep, JobDirectory(tmp_path), None, lambda _: None, lambda: None)
    reason, fault = tasks.fault(Attempt(0, 1, Worker(1, "0x1", "agreement")), answer)
    assert fault is Fault.FINAL
    assert len(reason) < 5000
    assert not set("\n\x1b") & set(reason)


def test_what_a_notebook_glued_is_bounded_in_all(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))
    sweep = Sweep(notebook="n", sets=({"a": 1},), output=str(tmp_path / "out"), request=LaunchRequest())
    directory = record.create("grid", sweep.model_dump(mode="json"))
    scraps = {"loss": 0.5, **{f"long {number}": "x" * 4000 for number in range(199)}}
    value = json.dumps({"error": "", "scraps": scraps}).encode()
    outputs = (TaskOutput("value.json", len(value), "", value), TaskOutput("0/a.ipynb", 2, "", b"{}"))
    answer = Answer(0, timed_out=False, seconds=1.0, log=b"", outputs=outputs)
    with contextlib.closing(record.JobRecord(directory)) as written:
        tasks = SweepTasks(sweep, directory, written, lambda _: None, lambda: None)
        asyncio.run(tasks.keep([(Attempt(0, 1, Worker(1, "0x1", "agreement")), answer)]))
    (line,) = directory.lines()
    assert line.more["scraps"]["loss"] == 0.5
    assert len(json.dumps(line.more)) < 80_000


def notebook_of(*cells):
    cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    cells[0]["metadata"]["tags"] = ["parameters"]
    kernel = {"kernelspec": {"name": "of-my-computer", "display_name": "Mine", "language": "python"}}
    return nbformat.writes(nbformat.v4.new_notebook(cells=cells, metadata=kernel))


def test_parameters_that_a_notebook_may_not_heed_are_told_before_anything_is_paid():
    tagged = notebook_of("lr = 1\ndepth = 1", "print(lr)").encode()
    assert unheeded(tagged, [{"lr": 2}, {"depth": 1}]) == ""
    assert "No cell" in unheeded(tagged.replace(b"parameters", b"else"), [{"lr": 2}])
    for silent in (notebook_of("%matplotlib inline\nx <- 1"), notebook_of("lr = 1").replace("parameters", "else")):
        assert unheeded(silent.encode(), [{}]) == ""
    assert unheeded(notebook_of("x <- 1 %in% y").encode(), [{"x": 2}]) == ""


def test_a_parameter_that_the_notebook_does_not_have_is_refused_with_the_nearest_that_it_has():
    tagged = notebook_of("lr = 1\nfor depth in (1,): pass", "print(lr)").encode()
    with pytest.raises(RequestError) as refused:
        check_names(tagged, [{"lr": 2}, {"depth": 1, "dept": 2}])
    assert refused.value.what == "The notebook has no parameter 'dept'."
    assert refused.value.remedy == "Did you mean 'depth'? Its cell tagged 'parameters' sets lr, depth."
    assert refused.value.field == "dept"
    unknown = [notebook_of(source).encode() for source in ("x <- 1 %in% y", "from defaults import *\nx = 1", "# none")]
    for notebook in (tagged.replace(b"parameters", b"else"), *unknown):
        check_names(notebook, [{"dept": 2}])
    check_names(tagged, [{"lr": 2, "depth": 3}, {}])


def test_a_sweep_of_a_parameter_that_there_is_not_begins_no_job(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))
    notebook = tmp_path / "train.ipynb"
    notebook.write_text(notebook_of("rate = 1", "print(rate)"))
    with pytest.raises(SystemExit) as ended:
        typer.main.get_command(app).main(
            ["sweep", str(notebook), "--param", "rat=1,2", "--output", str(tmp_path / "o")]
        )
    assert ended.value.code == 2
    assert "Did you mean 'rate'?" in capsys.readouterr().err
    assert list(record.jobs_directory().iterdir()) == []


def test_what_is_no_notebook_begins_no_job(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))
    (tmp_path / "broken.ipynb").write_text("{")
    for name in ("broken", "not-there"):
        with pytest.raises(SystemExit) as ended:
            typer.main.get_command(app).main(["sweep", str(tmp_path / f"{name}.ipynb"), "--name", "mine"])
        assert ended.value.code == 2
        assert f"{name}.ipynb" in capsys.readouterr().err
        assert list(record.jobs_directory().iterdir()) == [], "the name is free for the next try"


_SCRAP = """
from IPython.display import display
about = {"name": "loss", "data": lr * depth, "encoder": "json", "version": 1}
display({"application/scrapbook.scrap.json+json": about}, raw=True)
"""


@pytest.mark.slow
def test_a_grid_of_six_of_which_one_fails_and_is_done_again(job, tmp_path):
    (tmp_path / "train.ipynb").write_text(
        notebook_of("lr = 1\ndepth = 1", "import os\nassert lr < 0.9 or os.path.exists('fixed'), 'too much'", _SCRAP)
    )
    process = job("train.ipynb", "--param", "lr=0.5,0.25,0.9", "-p", "depth=2,3", "--workers", "2", "--output", "runs",
                  command="sweep", name="grid")  # fmt: skip
    told = outcome(process, code=1, seconds=170)
    assert told["done"] == 4
    runs = tmp_path / "runs"
    rows = list(csv.DictReader((runs / "summary.csv").read_text().splitlines()))
    assert [row["status"] for row in rows] == ["done"] * 4 + ["failed"] * 2
    assert [row["scrap.loss"] for row in rows[:4]] == ["1.0", "1.5", "0.5", "0.75"]
    assert rows[4]["error"].startswith("AssertionError: too much")
    assert all(float(row["cost"]) > 0 and float(row["seconds"]) > 0 for row in rows)
    for row in rows:
        notebook = nbformat.read(runs / row["notebook"], as_version=4)
        about = notebook.metadata.papermill
        assert about.parameters == {"lr": float(row["lr"]), "depth": int(row["depth"])}
        assert bool(about.exception) == (row["status"] == "failed")
        (injected,) = [one for one in notebook.cells if "injected-parameters" in one.metadata.get("tags", [])]
        assert f"lr = {row['lr']}" in injected.source
    assert json.loads((runs / "lr=0.9-depth=2.ipynb").read_text())["cells"][0]["metadata"]["tags"] == [
        "papermill-error-cell-tag"
    ]
    done = [line.task for line in record.find("grid").lines() if line.kind == "done"]
    assert sorted(done) == [0, 1, 2, 3]

    told = outcome(job("--stop-at-failure", "--workers", "1", command="sweep", resume="grid"), code=1, seconds=170)
    assert told["done"] == 4
    lines = [line.task for line in record.find("grid").lines() if line.kind in {"done", "failed"}]
    assert len(lines) == 7, "the first failure ends it, and nothing is done again"
