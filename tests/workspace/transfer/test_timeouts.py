"""A provider that answers without ever being done, in the ways that HTTP and transfers allow."""

import asyncio
import itertools
import os

import pytest

from golem_launcher.errors import ProviderError
from golem_launcher.workspace.transfer import agent_workspace as remote
from golem_launcher.workspace.transfer import saver as saver_module
from golem_launcher.workspace.transfer import timeouts
from golem_launcher.workspace.transfer.agent_workspace import AgentWorkspace
from golem_launcher.workspace.transfer.saver import Saver
from golem_launcher.workspace.transfer.timeouts import Timeouts
from tests.dialling import to_socket
from tests.patience import slower
from tests.workspace.transfer.conftest import TOKEN

_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
_WAYS = {
    "it says nothing": lambda: [b""],
    "it says 'wait' for ever": lambda: itertools.repeat(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"),
    "its head has no end": lambda: itertools.chain(
        [b"HTTP/1.1 200 OK\r\n"], (b"X-%d: y\r\n" % number for number in itertools.count())
    ),
    "it sends a byte now and then": lambda: itertools.chain([_HEAD], itertools.repeat(b"1\r\nx\r\n")),
    "its chunks have endless words": lambda: itertools.chain([_HEAD, b"5;"], itertools.repeat(b"x")),
    "it stops in the middle": lambda: [_HEAD, b"1000\r\nxx"],
}


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    """Half a second for what has minutes in earnest."""
    for name in ("PROMPT", "DROP", "WORK", "LOOK"):
        monkeypatch.setattr(remote, name, Timeouts(whole=0.6, head=0.3, silence=0.4))
    monkeypatch.setattr(remote, "bulk", lambda _: Timeouts(whole=0.6, head=0.3, silence=0.4))
    monkeypatch.setattr(remote, "sending", lambda _: Timeouts(whole=0.6, head=0.3, silence=0.4))


async def dripping(path, pieces):
    """A server at a socket file that says one piece after the other, with a moment in between."""

    async def serve(reader, writer):
        try:
            await reader.readuntil(b"\r\n\r\n")
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.01)
            await reader.read()
        except (OSError, asyncio.IncompleteReadError):
            pass  # they have had enough
        finally:
            writer.close()

    return await asyncio.start_unix_server(serve, str(path))


@pytest.mark.parametrize("how", _WAYS)
@pytest.mark.parametrize("question", ["changes", "chunks", "start_workload", "begin"])
def test_no_answer_is_waited_for_without_end(tmp_path, how, question):
    ask = {
        "changes": lambda agent: agent.changes_since(None, ""),
        "chunks": lambda agent: anext(agent.chunks(["0" * 64])),
        "start_workload": lambda agent: agent.start_workload(),
        "begin": lambda agent: agent.begin([b""]),
    }[question]

    async def scene():
        server = await dripping(tmp_path / "s", _WAYS[how]())
        async with AgentWorkspace(to_socket(tmp_path / "s"), TOKEN) as agent:
            with pytest.raises(Exception, match=r"provider") as refused:
                await asyncio.wait_for(ask(agent), 10 * slower())
            assert not isinstance(refused.value, asyncio.TimeoutError)
        server.close()

    asyncio.run(scene())


def test_what_comes_too_slowly_is_given_up_and_only_the_provider_counts():
    """By a clock of the test's own: on a busy computer nothing comes when it should."""
    now = 0.0

    def passes(seconds):
        nonlocal now
        now += seconds

    async def pieces(size, pause):
        for _ in range(200):
            passes(pause)
            yield bytes(size)

    async def taken(size, pause, *, own=0.0):
        asyncio.get_running_loop().time = lambda: now
        found = 0
        async for piece in Timeouts(least_rate=10_000).keep(pieces(size, pause)):
            found += len(piece)
            passes(own)
        return found

    assert asyncio.run(taken(10_001, 1.0)) == 2_000_200
    assert asyncio.run(taken(100, 0.0, own=1.0)) == 20_000
    with pytest.raises(ProviderError, match="too slowly"):
        asyncio.run(taken(9_999, 1.0))


def test_a_transfer_that_hangs_is_given_up_and_the_tunnel_takes_over(providers, store, monkeypatch):
    monkeypatch.setattr(remote, "_STALLED_SECONDS", 0.5)
    monkeypatch.setattr(remote, "WORK", timeouts.WORK)
    monkeypatch.setattr(remote, "LOOK", timeouts.LOOK)
    monkeypatch.setattr(remote, "bulk", timeouts.bulk)
    provider = providers()
    (provider.work / "big").write_bytes(os.urandom(5_000_000))

    class Hanging:
        async def transfer_out(self, _container_path, _local_path):
            await asyncio.Event().wait()

    async def scenario():
        async with provider.agent(Hanging()) as agent:
            saver = Saver(agent, store, "work")
            first = await saver.save_now(20)
            return first, saver.saving.problem, await saver.save_now(20)

    first, problem, second = asyncio.run(scenario())
    assert first is not None or "hangs" in problem
    assert second.files == 1


def test_who_saves_now_is_not_behind_a_round_that_hangs(providers, store, monkeypatch):
    """A transfer that was begun and brings nothing, as at the moment of a stop: it is dropped, the tunnel is taken."""
    monkeypatch.setattr(saver_module, "_HANGS_SECONDS", 0.3)
    for name in ("PROMPT", "DROP", "WORK", "LOOK", "bulk", "sending"):
        monkeypatch.setattr(remote, name, getattr(timeouts, name))
    provider = providers()
    (provider.work / "big").write_bytes(os.urandom(5_000_000))

    async def scenario():
        hanging = asyncio.Event()

        class Hanging:
            async def transfer_out(self, _container_path, _local_path):
                hanging.set()
                await asyncio.Event().wait()

        async with provider.agent(Hanging()) as agent:
            saver = Saver(agent, store, "work")
            agent.throughput.prefers_bulk = lambda _: True
            running = asyncio.create_task(saver.run())
            await asyncio.wait_for(hanging.wait(), 20 * slower())
            generation = await saver.save_now(20)
            assert not running.done()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            return generation

    assert asyncio.run(scenario()).files == 1
