"""The server of tasks at a machine, as a provider runs it, and what a hostile one can do to its client."""

import asyncio
import json
import os
import time
import uuid
from pathlib import Path

import pytest
from aiohttp import web

from golem_launcher.agent.program_workload import TASKS
from golem_launcher.errors import ProviderError
from golem_launcher.tasks import task_client
from golem_launcher.tasks.payload import Payload
from golem_launcher.tasks.task_client import TaskClient
from tests.agent.conftest import TOKEN, Agent, eventually
from tests.dialling import to_origin
from tests.patience import slower


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """An agent whose workload is the task server."""
    agent = Agent(tmp_path_factory.mktemp("machine"))
    about = {
        "name": "The task server",
        "argv": list(TASKS),
        "unsaved": [],
        "stays": True,
        "port": agent.port,
        "probe": "",
    }
    try:
        (agent.work / "brought.txt").write_text("brought")
        done = agent.start(workload=about)
        assert (done.returncode, done.stderr) == (0, "")
        eventually(lambda: agent.get("/tasks")[0] == 200)
        yield agent
    finally:
        agent.stop()


def run(machine, payload, tmp_path, *, told=None, most_bytes=10_000_000, token=TOKEN):
    async def run():
        dial = to_origin(f"http://{machine.address}:{machine.port}")
        async with TaskClient(dial, token, tmp_path, most_bytes=most_bytes) as client:
            return await client.run(uuid.uuid4().hex, payload, told)

    return asyncio.run(run())


def shell(script, seconds=20.0, blobs=(), **about):
    return Payload({"argv": ["/bin/sh", "-c", script], "outputs": [], **about}, blobs, seconds)


def test_a_task_has_what_was_brought_and_a_directory_of_its_own(machine, tmp_path):
    heard = []
    script = "cat brought.txt sub/in.txt; sleep 1; mkdir out; echo done > out/a.txt; touch .hidden; ln -s /etc/passwd p"
    answer = run(machine, shell(script, blobs=(("sub/in.txt", b" and sent"),)), tmp_path, told=heard.append)
    assert (answer.exit, answer.log) == (0, b"brought and sent")
    assert [(one.name, one.content) for one in answer.outputs] == [
        ("out/a.txt", b"done\n"),
        ("sub/in.txt", b" and sent"),
    ]
    assert heard == [b"brought and sent"], "while it ran"
    assert answer.seconds >= 1
    assert sorted(path.name for path in machine.work.iterdir()) == ["brought.txt"]


def test_what_is_large_comes_by_files_and_never_more_than_allowed(machine, tmp_path):
    payload = shell("head -c 3000000 /dev/zero > a; echo > b; seq 1 200000")
    answer = run(machine, payload, tmp_path)
    assert [(one.name, one.size, isinstance(one.content, Path)) for one in answer.outputs] == [
        ("a", 3_000_000, True),
        ("b", 1, True),
    ]
    assert answer.outputs[0].content.read_bytes() == bytes(3_000_000)
    assert len(answer.log) == 1024 * 1024, "and no more of what it printed"
    with pytest.raises(ProviderError, match="more than the 1000 bytes"):
        run(machine, payload, tmp_path, most_bytes=1000)


def test_its_time_ends_it_with_all_that_it_started(machine, tmp_path):
    mark = f"sleep 10{os.getpid()}"
    answer = run(machine, shell(f"setsid sleep 0; {mark} & {mark}", seconds=1.0), tmp_path)
    assert answer.timed_out
    eventually(lambda: not any(mark in line for line in machine.processes().values()))


def test_one_that_cannot_be_started_says_why(machine, tmp_path):
    answer = run(machine, Payload({"argv": ["/no/such/program"], "outputs": []}), tmp_path)
    assert answer.exit == 127
    assert b"No such file" in answer.log


def test_a_task_is_begun_once_and_forgotten_when_that_is_wanted(machine, tmp_path):
    async def main():
        dial = to_origin(f"http://{machine.address}:{machine.port}")
        async with TaskClient(dial, TOKEN, tmp_path, most_bytes=1000) as client:
            first = await client.run("a" * 32, shell("date +%N"))
        async with TaskClient(dial, TOKEN, tmp_path, most_bytes=1000) as client:
            again = await client.run("a" * 32, shell("echo another"))
            assert (again.exit, again.log) == (first.exit, first.log)
            await client.clear()
            assert (await client.run("a" * 32, shell("echo another"))).log == b"another\n"

    asyncio.run(main())
    assert machine.get("/tasks", token="")[0] == 403
    assert [machine.get(path)[0] for path in ("/output?id=x&n=0", "/nowhere")] == [400, 404]
    head = b'{"forget": [], "heard": {}}\n'
    for odd in (
        {"id": "b" * 32, "argv": ["true"], "seconds": 5, "blobs": [["../../x", 1]]},
        {"id": "../../x", "argv": ["true"], "seconds": 5},
        {"id": "c" * 32, "argv": ["true"]},
    ):
        assert machine.request("POST", "/work", body=head + json.dumps(odd).encode() + b"\nx")[0] == 400
    assert machine.request("POST", "/work", body=b'{"forget": [], "heard": {"../x": 0}}\n')[0] == 400


def several(machine, tmp_path, *payloads, drop=()):
    """Give all at once; what came of each, by its number, in the order in which it was heard."""

    async def main():
        ids, heard = [uuid.uuid4().hex for _ in payloads], []
        dial = to_origin(f"http://{machine.address}:{machine.port}")
        async with TaskClient(dial, TOKEN, tmp_path, most_bytes=1_000_000) as client:
            for known_as, payload in zip(ids, payloads, strict=True):
                client.give(known_as, payload)
            while len(heard) < len(payloads) - len(drop):
                heard += await client.hear()
                if client.first_seconds > 1:
                    client.drop(*(ids[number] for number in drop))
        return [(ids.index(known_as), answer) for known_as, answer in heard]

    return asyncio.run(main())


def test_tasks_that_were_given_together_run_one_after_the_other(machine, tmp_path):
    alone = "mkdir /tmp/$MARK && sleep 0.02 && rmdir /tmp/$MARK && echo {number} > made"
    marked = {"MARK": uuid.uuid4().hex}
    asked = [shell(alone.format(number=number), environment=marked) for number in range(30)]
    heard = several(machine, tmp_path, *asked)
    assert [number for number, _ in heard] == list(range(30))
    assert all((answer.exit, answer.log) == (0, b"") for _, answer in heard)
    assert [answer.outputs[0].content for _, answer in heard] == [b"%d\n" % number for number in range(30)]
    assert machine.get("/tasks")[1] == b'{"tasks": {}}' or len(json.loads(machine.get("/tasks")[1])["tasks"]) < 30


def test_those_behind_one_that_runs_long_can_be_done_without_and_never_run(machine, tmp_path):
    began = tmp_path / "began"
    first, *behind = [shell(f"echo {number} >> {began}; sleep 3") for number in range(3)]
    heard = several(machine, tmp_path, first, *behind, drop=(1, 2))
    assert [(number, answer.exit) for number, answer in heard] == [(0, 0)]
    assert run(machine, shell("true"), tmp_path).exit == 0, "and whoever comes later is not behind them"
    assert began.read_text() == "0\n"


def call(source, seconds=20.0):
    about = {"source": source, "name": "f", "args": [], "kwargs": {}, "constants": {}}
    return Payload({"call": about}, seconds=seconds)


def test_functions_share_nothing_and_end_as_programs_do(machine, tmp_path):
    marks = "import os, sys; os.environ['LEFT'] = sys.modules['left'] = 'x'; open('file', 'w'); os.chdir('/')"
    rest = "import atexit, threading, time; atexit.register(print, 'at exit')"
    late = "threading.Thread(target=lambda: (time.sleep(0.3), print('thread', flush=True))).start()"
    state = "os.getpid(), os.getsid(0), os.environ.get('LEFT'), 'left' in sys.modules, os.listdir()"
    where = f"import os, sys; return [{state}]"
    heard = several(
        machine, tmp_path, call(f"def f(): {marks}"), call(f"def f(): {where}"),
        call(f"def f():\n {rest}\n {late}"), call("def f(): import sys; sys.exit(3)"),
        call("def f(): import sys; sys.exit('why')"), call(f"def f(): {where}"),
    )  # fmt: skip
    found = [json.loads(heard[number][1].outputs[0].content) for number in (1, 5)]
    assert [(pid == session, left, known) for pid, session, left, known, _ in found] == [(True, None, False)] * 2
    assert all("file" not in files for *_, files in found)
    assert found[0][0] != found[1][0]
    assert heard[2][1].log == b"thread\nat exit\n"
    assert [(answer.exit, answer.log) for _, answer in heard[3:5]] == [(3, b""), (1, b"why\n")]


def test_a_function_that_kills_what_started_it_harms_no_other(machine, tmp_path):
    kill = call("def f():\n import os, signal, time\n os.kill(os.getppid(), signal.SIGKILL)\n time.sleep(60)")
    _, other = (answer for _, answer in several(machine, tmp_path, kill, call("def f(): return 7")))
    assert other.outputs[0].content == b"7"


def test_a_functions_time_ends_it_with_all_that_it_started(machine, tmp_path):
    mark = f"sleep 20{os.getpid()}"
    answer = run(machine, call(f"def f(): import os; os.system({mark!r})", seconds=1.0), tmp_path)
    assert answer.timed_out
    eventually(lambda: not any(mark in line for line in machine.processes().values()))


def said(**told):
    about = {
        "id": "c" * 32,
        "over": True,
        "exit": 0,
        "timed_out": False,
        "seconds": 1,
        "outputs": [],
        "log": 0,
        "inline": True,
    }
    return json.dumps({**about, **told}).encode() + b"\n"


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"no json\n", b"[]\n", b"{}\n{}", said(outputs=5), said(outputs=[["a"]]), said(outputs=[["a", -1]]),
        said(outputs=[["a", True]]), said(outputs=[["a", 5]]) + b"four", said(outputs=[["a", 10**15]]),
        said(outputs=[["a", 1]] * 20_000), said(log="x"), said(outputs=[["a", 10]], inline=False), b"x" * 5_000_000,
        b"[" * 200_000 + b"\n", said(over=False), said(log=-1), said(log=True), said(log=1.5),
        said().replace(b'"log": 0', b'"log": 1e999'),
    ],
)  # fmt: skip
def test_an_answer_that_makes_no_sense_is_a_providers_failure(tmp_path, monkeypatch, answer):
    monkeypatch.setattr(task_client, "_GRACE_SECONDS", 0.2)
    monkeypatch.setattr(task_client, "_AGAIN_SECONDS", 0.01)

    async def anything(request):
        if request.path == "/output":
            return web.Response(body=b"x" * 100)
        return web.Response(body=answer)

    began = time.monotonic()
    with pytest.raises(ProviderError):
        at_a_stranger(anything, tmp_path)
    assert time.monotonic() - began < 60 * slower()


def at_a_stranger(answers, tmp_path, seconds=0.2):
    async def main():
        runner = web.AppRunner(web.Application(client_max_size=10**9))
        runner.app.router.add_route("*", "/{any}", answers)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        dial = to_origin(f"http://127.0.0.1:{runner.addresses[0][1]}")
        try:
            async with TaskClient(dial, TOKEN, tmp_path, most_bytes=10_000) as client:
                return await client.run("c" * 32, Payload({"argv": ["true"]}, seconds=seconds))
        finally:
            await runner.cleanup()

    return asyncio.run(main())


def test_one_that_says_at_once_that_it_is_not_over_is_not_asked_all_the_time(tmp_path, monkeypatch):
    monkeypatch.setattr(task_client, "_GRACE_SECONDS", 1.0)
    asked = []

    async def not_yet(request):
        asked.append(request.path)
        return web.Response(body=said(over=False, log=1) + b".")

    with pytest.raises(ProviderError, match="too long"):
        at_a_stranger(not_yet, tmp_path)
    assert len(asked) < 10


def test_a_file_that_comes_by_drops_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(task_client, "_ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(task_client, "_SLOWEST", 10_000)

    async def by_drops(request):
        if request.path != "/output":
            return web.Response(body=said(outputs=[["a", 9999]], inline=False))
        response = web.StreamResponse(headers={"Content-Length": "9999"})
        await response.prepare(request)
        while True:
            await response.write(b"x")
            await asyncio.sleep(0.1)

    with pytest.raises(ProviderError, match="too slowly"):
        at_a_stranger(by_drops, tmp_path)
    assert list(tmp_path.iterdir()) == [], "what came of it takes no room"


def test_what_the_disk_has_no_room_for_is_not_begun(tmp_path, monkeypatch):
    monkeypatch.setattr(task_client, "_LEFT_FREE", 1 << 60)

    async def large(request):
        assert request.path != "/output"
        return web.Response(body=said(outputs=[["a", 9999]], inline=False))

    with pytest.raises(ProviderError, match="the disk here has room for 0"):
        at_a_stranger(large, tmp_path)


def test_what_it_says_of_time_and_of_its_end_is_bounded(tmp_path):
    async def boasting(_):
        return web.Response(body=said(seconds=1e300, exit=10**100))

    answer = at_a_stranger(boasting, tmp_path)
    assert (answer.exit, answer.seconds < 100) == (1, True)
