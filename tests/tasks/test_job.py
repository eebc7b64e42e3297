"""What a job is asked for, and what is refused before anything is begun."""

import asyncio
import contextlib
import os

import pytest

from golem_launcher import paths
from golem_launcher.cli.jobs.run import _new
from golem_launcher.errors import RequestError
from golem_launcher.request import LaunchRequest
from golem_launcher.tasks import record
from golem_launcher.tasks.job import CommandTasks, Job, items_of, parse_job, unheeded
from golem_launcher.tasks.payload import Answer, TaskOutput
from golem_launcher.tasks.scheduler import Attempt, Worker
from golem_launcher.tasks.sweep import Sweep, SweepTasks


def job(**fields):
    return {"command": ["true"], "output": "/x", "request": LaunchRequest(machines=3), **fields}


def test_items_are_a_range_or_the_lines_of_a_file(tmp_path):
    assert items_of("0:60:10") == ("0", "10", "20", "30", "40", "50")
    assert items_of("3:1:-1") == ("3", "2")
    (tmp_path / "urls").write_text("one\n\n two \n")
    assert items_of(str(tmp_path / "urls")) == ("one", "two")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("0:0", "there are none"),
        ("1:5:0", "a step of 0 leads nowhere"),
        ("nothing-there", "as a file it can.t be read: No such file"),
        ("0:999999999", "there are more"),
        ("0:9" * 3, "no range"),
        (f"1:5:{'9' * 5000}", "no range"),
    ],
)
def test_what_is_no_list_of_items_is_refused(text, why):
    with pytest.raises(RequestError, match=why):
        items_of(text)


def test_directories_are_named_by_items_that_differ_else_by_numbers():
    def labels(*items):
        return Job(**job(items=items)).labels

    assert labels("0", "10") == ["0", "10"]
    assert labels("a/b", "a b") == ["1-a_b", "2-a_b"]
    assert labels("A", "a") == ["1-A", "2-a"]
    assert labels("", *"bcdefghij") == ["01", "02-b", *(f"{n:02}-{x}" for n, x in enumerate("cdefghij", 3))]
    assert labels("..", "x") == ["1", "2-x"]


@pytest.mark.parametrize(
    "wrong",
    [{"command": []}, {"timeout": 0}, {"attempts": 0}, {"verify": 4}, {"odd": 1}, {"check": ["./is-not-there"]}],
)
def test_impossible_ones_are_refused(wrong):
    with pytest.raises(RequestError):
        parse_job(job(**wrong))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("comand: echo\n", "There is no 'comand' in a job. Did you mean 'command'"),
        ("command: echo\nworkers: many\n", "must be a whole number"),
        ("command: echo\nverify: twice\n", "Verify"),
        ("command: echo 'x\n", "The command can't be read as words"),
        ("name: x\n", "There is no command"),
    ],
)
def test_a_slip_in_a_file_is_answered_in_words(tmp_path, monkeypatch, text, why):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))
    (tmp_path / "job.yaml").write_text(text)
    with pytest.raises(RequestError, match=why):
        _new(tmp_path / "job.yaml", {}, {})


def test_a_file_may_list_its_items(tmp_path):
    (tmp_path / "job.yaml").write_text("command: echo {item}\nmap: [anna, bob]\nworkers: 5\n")
    made = _new(tmp_path / "job.yaml", {}, {})
    assert made.items == ("anna", "bob")
    assert made.request.machines == 2, "no more than there is work for"


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (["render", "{itm}"], r"A command has no \{itm\}. Did you mean \{item\}"),
        (["sh", "-c", "render {idx} > {idx}.png"], r"Did you mean \{index\}"),
        (["render", "{Item}"], r"Did you mean \{item\}"),
    ],
)
def test_a_slip_in_a_place_of_the_command_costs_nothing(command, why):
    with pytest.raises(RequestError, match=why):
        parse_job(job(command=command, items=["a", "b"]))


def test_a_command_without_its_item_is_told_of(tmp_path):
    with pytest.raises(RequestError, match="there are no items"):
        parse_job(job(command=["render", "{item}"]))
    (said,) = unheeded(parse_job(job(command=["render", "{frame}"], items=["a", "b"])), tmp_path)
    assert "$GOLEM_ITEM" in said
    for command in (["echo", "{item}"], ["echo", "{index}.png"], ["sh", "-c", "render $GOLEM_ITEM ${items} {items}"],
                    ["python3", "-c", "items = [{item}]; print(f'{items}')"]):  # fmt: skip
        assert unheeded(parse_job(job(command=command, items=["a", "b"])), tmp_path) == []
    assert unheeded(parse_job(job(command=["date"])), tmp_path) == []


def test_a_file_of_here_that_nothing_brings_is_told_of(tmp_path):
    (tmp_path / "scripts").mkdir()
    for name in ("render.py", "scripts/crop.sh"):
        (tmp_path / name).touch()

    def told(*command, **more):
        return unheeded(parse_job(job(command=command, **more)), tmp_path)

    assert told("python3", "render.py") == [
        "render.py is a file here, and nothing brings it to the machines: --file render.py"
    ]
    assert "scripts/crop.sh" in told("sh", "-c", "sh scripts/crop.sh | wc")[0]
    assert told("sh", "scripts/crop.sh", request=LaunchRequest(inputs=(str(tmp_path / "scripts"),))) == []
    assert told("python3", "render.py", setup="touch render.py") == []
    for not_of_here in ("/bin/sh", "scripts", "x" * 5000, "a\0b"):
        assert told("echo", not_of_here) == []


def test_what_a_task_printed_may_be_shown_on_a_terminal(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))
    printed = b"\x1b]0;owned\x07one\x1b[2J\r\ntwo\xff \xe2\x80\xaeknil\n" + b"x" * 10_000 + b"\n"
    asked = Job(**job(items=["a", "b"], output=str(tmp_path / "out")))
    directory = record.create("shown", {})
    answer = Answer(exit=0, timed_out=False, seconds=1.0, log=printed, outputs=())
    failed = Answer(exit=1, timed_out=False, seconds=1.0, log=printed, outputs=())

    async def work(tasks):
        worker = Worker(1, "0x1", "agreement")
        await tasks.keep([(Attempt(0, 1, worker), answer)])
        assert tasks.fault(Attempt(1, 1, worker), failed) is not None
        await tasks.give_up(1, "exit code 1")

    with contextlib.closing(record.JobRecord(directory)) as written:
        asyncio.run(work(CommandTasks(asked, written, lambda _: None)))
    shown = "one\ntwo\ufffd \\u202eknil\n" + "x" * 10_000 + "\n"
    assert (tmp_path / "out" / "a" / "log.txt").read_text() == shown
    assert (tmp_path / "out" / "b (failed).txt").read_text() == shown


def _commands(output, _directory, written):
    return CommandTasks(Job(**job(items=["a"], output=output)), written, lambda _: None)


def _notebooks(output, directory, written):
    sweep = Sweep(notebook="n", sets=({"a": 1},), output=output, request=LaunchRequest())
    return SweepTasks(sweep, directory, written, lambda _: None, lambda: None)


@pytest.mark.parametrize("source", [_commands, _notebooks])
def test_what_came_back_is_on_the_disk_before_a_line_says_so(tmp_path, monkeypatch, source):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))
    directory, out, large = record.create("synced", {}), tmp_path / "out", tmp_path / "incoming"
    large.write_bytes(b"{}")
    told = b'{"error": "", "scraps": {}}'
    outputs = (TaskOutput("value.json", len(told), "", told), TaskOutput("deep/x.ipynb", 2, "", large))
    synced, fsync = [], os.fsync

    def sync(descriptor):
        fsync(descriptor)
        synced.append(os.fstat(descriptor).st_ino)

    monkeypatch.setattr(os, "fsync", sync)
    with contextlib.closing(record.JobRecord(directory)) as written:
        answer = Answer(exit=0, timed_out=False, seconds=1.0, log=b"said", outputs=outputs)
        attempt = Attempt(0, 1, Worker(1, "0x1", "agreement"))
        asyncio.run(source(str(out), directory, written).keep([(attempt, answer)]))
    line = (directory.path / "record.jsonl").stat().st_ino
    made = {path.stat().st_ino for path in (out, *out.rglob("*"))}
    assert synced[-1] == line
    assert made <= set(synced[:-1])


def test_of_several_those_count_that_came_before_one_for_which_there_is_no_place(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))
    directory, out, worker = record.create("full", {}), tmp_path / "out", Worker(1, "0x1", "agreement")
    out.mkdir()
    (out / "b").touch()
    answer = Answer(exit=0, timed_out=False, seconds=1.0, log=b"said", outputs=())
    results = [(Attempt(task, 1, worker), answer) for task in range(3)]
    with contextlib.closing(record.JobRecord(directory)) as written:
        tasks = CommandTasks(Job(**job(items=["a", "b", "c"], output=str(out))), written, lambda _: None)
        with pytest.raises(NotADirectoryError):
            asyncio.run(tasks.keep(results))
    assert [line.task for line in directory.lines() if line.kind == "done"] == [0]
    assert (out / "a" / "log.txt").read_text() == "said"
