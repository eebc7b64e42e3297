"""The exe-unit, called over a real daemon's bus as a requestor's yagna calls it."""

from __future__ import annotations

import asyncio
import itertools

import psutil
import pytest

from golem_launcher.errors import BusCallError
from golem_launcher.localnet.misbehaviour import Misbehaviour
from golem_launcher.localnet.runtime.process_runtime import ProcessRuntime
from golem_launcher.localnet.runtime.sandbox_runtime import SandboxRuntime, why_no_sandbox
from tests.patience import slower

AT_END = {"stdout": {"atEnd": {}}, "stderr": {"atEnd": {}}}
STREAM = {"stdout": {"stream": {}}, "stderr": {"stream": {}}}


def run(entry_point, *args, capture=None):
    return {"run": {"entry_point": entry_point, "args": list(args), "capture": capture or STREAM}}


def shell(text, **more):
    return run("/bin/sh", "-c", text, **more)


@pytest.mark.slow
def test_a_script_from_deploy_to_result(bench):
    async def main():
        async with bench() as b:
            results = await b.run({"deploy": {}}, {"start": {"args": []}}, shell("echo out; echo err >&2"))
            assert [r["result"] for r in results] == ["Ok"] * 3
            assert (results[2]["stdout"], results[2]["stderr"]) == ("out\n", "err\n")
            assert [r["isBatchFinished"] for r in results] == [False, False, True]
            assert b.states == [
                ["Initialized", None], ["Initialized", "Deployed"], ["Deployed", None],
                ["Deployed", "Ready"], ["Ready", None], ["Ready", "Ready"], ["Ready", None],
            ]  # fmt: skip
            assert (await b.call("GetActivityState"))["state"] == ["Ready", None]
            cpu, seconds = (await b.call("GetActivityUsage"))["currentUsage"]
            assert seconds > 0 <= cpu
        assert b.states[-1] == ["Terminated", None]
        assert b.usages

    asyncio.run(main())


def test_a_failed_command_ends_its_script(bench):
    async def main():
        async with bench() as b:
            await b.ready()
            results = await b.run(shell("echo before; exit 7"), shell("echo never"))
            assert [r["result"] for r in results] == ["Error"]
            assert results[0]["isBatchFinished"]
            assert results[0]["stdout"] == "before\n"
            assert results[0]["message"] == "ExeScript command exited with code 7"
            for silent in (run("/no/such/program"), run("sh", "-c", "echo never"), shell("kill -9 $$")):
                (result,) = await b.run(silent)
                assert result["message"] == "ExeScript command exited with code 9"
                assert (result["stdout"], result["stderr"]) == (None, None)
            (result,) = await b.run(shell("kill -TERM $$"))
            assert result["message"] == "ExeScript command exited with code 15"
            (result,) = await b.run({"sign": {}})
            assert result["message"] == "signing not supported: binary built without the 'sgx' feature"
            (result,) = await b.run({"transfer": {"from": "ftp://host/a", "to": "container:/golem/work/a"}})
            assert result["message"].startswith("Local service error: Transfer error: ")
            (result,) = await b.run({"deploy": {}})
            assert result["message"].endswith("State error: Cannot send command after a successful start()")

    asyncio.run(main())


def test_events_come_as_they_happen_and_are_replayed_to_who_comes_late(bench):
    async def main():
        async with bench() as b:
            await b.ready()
            batch = await b.send(shell("echo one; read x < pipe || true; echo two >&2; exit 3"))
            await b.results(batch)
            for _ in range(2):
                kinds = [event["kind"] for event in await b.events(batch)]
                assert list(kinds[0]) == ["started"]
                assert kinds[0]["started"]["command"]["run"]["entry_point"] == "/bin/sh"
                assert {"stdout": "one\n"} in kinds
                assert kinds[-1]["finished"]["return_code"] == 3

    asyncio.run(main())


def test_a_stream_follows_a_running_command(bench):
    async def main():
        async with bench() as b:
            await b.ready()
            batch = await b.send(shell("mkfifo gate; echo waiting; cat gate"))
            seen = asyncio.Event()

            async def follow():
                kinds = []
                address = "/public/exeunit/" + "a" * 32 + "/StreamExecBatchResults"
                async for event in b.bus.stream(address, {"activity_id": "a" * 32, "batch_id": batch}):
                    kinds.append(event["kind"])
                    if event["kind"].get("stdout") == "waiting\n":
                        seen.set()
                return kinds

            following = asyncio.create_task(follow())
            await asyncio.wait_for(seen.wait(), 10 * slower())
            (running,) = await b.call("GetRunningCommand")
            assert running["command"] == "Run"
            assert running["params"][0] == "/bin/sh"
            gate = b.unit.runtime.volumes.path("/golem/work/gate")
            await asyncio.to_thread(gate.write_text, "open\n")
            kinds = await asyncio.wait_for(following, 10 * slower())
            assert {"stdout": "open\n"} in kinds

    asyncio.run(main())


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ({"atEnd": {}}, "0123456789"),
        ({"atEnd": {"head": 4}}, "0123"),
        ({"atEnd": {"tail": 3}}, "789"),
        ({"atEnd": {"headTail": 5}}, "01289"),
        ({"stream": {"limit": 2}}, "01"),
        ({"atEnd": {"head": 2, "format": "bin"}}, [48, 49]),
        (None, None),
    ],
)
def test_captures(bench, mode, expected):
    async def main():
        async with bench() as b:
            await b.ready()
            (result,) = await b.run(shell("printf 0123456789", capture={"stdout": mode}))
            assert result["stdout"] == expected

    asyncio.run(main())


def test_waiting_for_results_ends_with_the_script_or_the_time(bench):
    async def main():
        async with bench() as b:
            await b.ready()
            batch = await b.send(shell("echo first"), run("/bin/sleep", "1000"))
            assert [r["index"] for r in await b.results(batch, index=0)] == [0]
            assert [r["index"] for r in await b.results(batch, timeout=0.05)] == [0]
            with pytest.raises(BusCallError, match="timeout"):
                await b.results(batch, index=1, timeout=0.05)
            (busy,) = await b.run(shell("true"))
            assert busy["message"] == "Local service error: State error: Busy: StatePair(Ready, Some(Ready))"

    asyncio.run(main())


def test_terminate_kills_a_hung_command_and_the_activity_can_be_deployed_again(bench):
    async def main():
        async with bench() as b:
            await b.ready()
            hung = await b.send(run("/bin/sleep", "1000"))
            (result,) = await b.run({"terminate": {}})
            assert result["result"] == "Ok"
            (result,) = await b.results(hung)
            assert result["result"] == "Error"
            assert "Unexpected state: current: StatePair(Initialized, None)" in result["message"]
            (result,) = await b.run(shell("true"))
            assert "deploy() command is expected now" in result["message"]
            await b.ready()
            (result,) = await b.run(shell("ls /golem/work | wc -l"))
            assert result["stdout"].strip() == "0"

    asyncio.run(main())


def test_the_end_of_the_activity_leaves_nothing(bench, short_path):
    async def main():
        async with bench() as b:
            await b.ready()
            await b.send(shell("setsid sh -c 'sleep 4242 & sleep 4343' & exec sleep 4444"))
            await asyncio.wait_for(until(lambda: len(sleepers()) == 3), 10 * slower())
            await b.unit.aclose()
            assert not sleepers()
            assert not (short_path / "activity").exists()
            with pytest.raises(BusCallError):
                await b.bus.call(
                    "/public/exeunit/" + "a" * 32 + "/GetActivityState", {"activityId": "a" * 32}, timeout=2
                )

    async def until(condition):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110 - the system tells nobody
            await asyncio.sleep(0.02)

    def sleepers():
        wanted = {"4242", "4343", "4444"}
        found = []
        for process in psutil.process_iter(["cmdline"]):
            line = process.info["cmdline"] or []
            if line[:1] == ["sleep"] and wanted & set(line):
                found.append(process)
        return found

    asyncio.run(main())


@pytest.mark.parametrize(
    "runtime",
    [
        ProcessRuntime,
        pytest.param(SandboxRuntime, marks=pytest.mark.skipif(bool(why_no_sandbox()), reason="no sandbox here")),
    ],
)
def test_an_activity_ends_when_its_runtime_is_killed(bench, runtime):
    async def main():
        others = psutil.Process().children(recursive=True)  # of a network that other tests keep up
        async with bench(runtime=runtime) as b:
            await b.ready()
            await b.send(run("/bin/sleep", "1000"))
            victims = [one for one in psutil.Process().children(recursive=True) if one not in others and own(one)]
            victims[-1].kill()
            await asyncio.wait_for(until(lambda: b.states[-1] == ["Terminated", None]), 10 * slower())
            assert b.unit.runtime is None

    def own(process):
        try:
            return process.name() == "bwrap" or "init.py" in " ".join(process.cmdline())
        except psutil.Error:  # it has ended
            return False

    async def until(condition):
        while not condition():  # noqa: ASYNC110 - the reports are a list
            await asyncio.sleep(0.02)

    asyncio.run(main())


@pytest.mark.parametrize("turns", range(5))
def test_an_end_in_the_moment_of_a_report(bench, turns):
    """The answer to a report of usage is in when the reporter is told to end: it must end all the same."""

    async def main():
        async with bench() as b:
            reported, loop = asyncio.Event(), asyncio.get_running_loop()
            pending = b.unit._reports._bus._client._pending
            replied = pending.replied

            def close(turns_left):
                if turns_left:
                    loop.call_soon(close, turns_left - 1)
                else:
                    b.unit._reports._reporter.cancel()
                    reported.set()

            def replied_and_closed(reply):
                replied(reply)
                close(turns)

            pending.replied = replied_and_closed
            await asyncio.wait_for(reported.wait(), 10 * slower())
            pending.replied = replied
            await asyncio.wait({b.unit._reports._reporter}, timeout=1)
            assert b.unit._reports._reporter.cancelled()

    asyncio.run(main())


def test_nonsense_is_refused(bench):
    async def main():
        async with bench() as b:
            for script in ("x", [{"fly": {}}], [{"run": {}}], [{"deploy": {"net": [{"id": "../x"}]}}], [7]):
                with pytest.raises(BusCallError, match="badRequest"):
                    await b.call("Exec", batchId="b", exeScript=script, timeout=None)
            with pytest.raises(BusCallError, match="notFound"):
                await b.results("unknown")
            with pytest.raises(BusCallError):
                await b.call("NoSuchComponent")
            with pytest.raises(BusCallError, match="not for this activity"):
                await b.bus.call(f"/public/exeunit/{'a' * 32}/GetActivityState", {"activityId": "b"})
            address = f"/public/exeunit/{'a' * 32}/GetActivityState"
            with pytest.raises(BusCallError, match="forbidden"):
                await b.bus.call(address, {"activityId": "a" * 32}, caller="0x" + "2" * 40)
            (result,) = await b.run({"start": {}})
            assert "deploy() command is expected now" in result["message"]
            (result,) = await b.run({"deploy": {"volumes": ["/../etc"]}})
            assert "volume" in result["message"]
            assert result["message"].startswith('Runtime error: Error { code: Internal, message: "')
            for volumes in (
                {"/a": {"disk": {}}}, {"/a": {"ram": {}}}, {"/a": {"host": {"size": "1gib"}}},
                {"/a": {"storage": {"size": "much"}}}, {"/a": {"ram": {"size": 1}, "host": {}}},
            ):  # fmt: skip
                with pytest.raises(BusCallError):
                    await b.run({"deploy": {"volumes": volumes}})

    asyncio.run(main())


def test_misbehaviour(bench):
    async def main():
        async with bench(misbehaviour=Misbehaviour(hostile_output=True, hang_in="transfer", slow_deploy=0.2)) as b:
            await b.ready()
            (result,) = await b.run(shell("echo own"))
            assert "<script>" in result["stdout"]
            assert len(result["stdout"]) > 1_000_000
            assert result["stdout"].endswith("own\n")
            batch = await b.send({"transfer": {"from": "container:/golem/work/a", "to": "container:/golem/work/b"}})
            assert await b.results(batch, timeout=0.3) == []

    asyncio.run(main())


def test_when_deployed_only_start_is_allowed_and_a_failed_deploy_is_not_tried_again(bench):
    async def main():
        async with bench() as b:
            await b.run({"deploy": {}})
            copy = {"transfer": {"from": "container:/golem/work/a", "to": "container:/golem/work/b"}}
            for command in (copy, shell("true"), {"deploy": {}}):
                (result,) = await b.run(command)
                assert result["message"].endswith("Activity is deployed - start() command is expected now")
        async with bench() as b:
            (result,) = await b.run({"deploy": {"volumes": ["/../etc"]}})
            assert result["result"] == "Error"
            assert (await b.call("GetActivityState"))["state"] == ["Deployed", None]
            (result,) = await b.run({"deploy": {}})
            assert "start() command is expected" in result["message"]
            (result,) = await b.run({"start": {}})
            assert result["message"].startswith("Runtime error: ")
            (result,) = await b.run(shell("true"))
            assert result["message"].startswith("Runtime error: ")

    asyncio.run(main())


def test_of_a_flood_of_output_the_last_4_kib_arrive(bench):
    async def main():
        async with bench() as b:
            await b.ready()
            (result,) = await b.run(shell("head -c 40000000 /dev/zero | tr '\\0' x; echo end", capture=AT_END))
            assert result["stdout"].endswith("x" * 4000 + "end\n")
            assert len(result["stdout"]) < 40_000_000
            (result,) = await b.run(shell("printf %08192d%04096d 1 2", capture=AT_END))
            assert 4096 <= len(result["stdout"]) < 12288
            assert result["stdout"].endswith("0002")

    asyncio.run(main())


def test_usage_is_told_every_second(bench):
    async def main():
        async with bench() as b:
            while len(b.usages) < 4:  # noqa: ASYNC110 - the reports are a list
                await asyncio.sleep(0.02)
            seconds = [usage[1] for usage in b.usages]
            assert 0.9 < min(later - earlier for earlier, later in itertools.pairwise(seconds)) < 1.5

    asyncio.run(main())
