"""A workload and its agent as seen from here: whether they are well, and the log, whatever they send."""

import asyncio
import contextlib
import gzip
import hashlib

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from golem_launcher.access.machine import workload_client
from golem_launcher.access.machine.agent_ports import AGENT_PORT
from golem_launcher.access.machine.workload_client import WorkloadClient, _LogFile
from golem_launcher.untrusted_text import LONGEST_LINE
from golem_launcher.workload.base import Endpoint, Workload
from golem_launcher.workload.lab import LAB
from tests.dialling import to_origin


@given(st.lists(st.binary(max_size=300), max_size=10))
def test_only_clean_lines_reach_the_file(tmp_path_factory, pieces):
    path = tmp_path_factory.mktemp("log") / "workload.log"
    log = _LogFile(path)
    for piece in pieces:
        log.append(piece)
    written = path.read_text() if path.exists() else ""
    assert written.count("\n") == b"".join(pieces).count(b"\n")
    assert all(character.isprintable() or character in "\t\n " for character in written)


def test_a_line_of_megabytes_is_cut_and_the_file_ends_somewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(workload_client, "_LARGEST_LOG", 5_000_000)
    log = _LogFile(tmp_path / "workload.log")
    log.append(b"x" * 1_000_000 + b"\n")
    assert (tmp_path / "workload.log").stat().st_size <= 4 * LONGEST_LINE
    while not log.full:
        log = _LogFile(tmp_path / "workload.log")  # of the next provider: what is there counts
        log.append((b"y" * 4000 + b"\n") * 200)
    assert (tmp_path / "workload.log").stat().st_size <= 5_000_000 + 100
    assert "too long" in (tmp_path / "workload.log").read_text()[-100:]


def test_what_is_missing_is_said(tmp_path):
    log = _LogFile(tmp_path / "workload.log")
    log.append(b"one\nhalf of a li")
    log.append(b"ther\nthree\n", missing=1234)
    said = "(1234 bytes of the log are missing here: it grew too fast)"
    assert (tmp_path / "workload.log").read_text().splitlines() == ["one", "half of a li", said, "ther", "three"]


_LINES = 12_000


def _line(number):
    return b"[I 2026-11-21 10:11:12.345 ServerApp] line %d of a provider that has much to say\n" % number


def test_a_burst_reaches_the_disk_whole(tmp_path):
    whole = b"".join(map(_line, range(_LINES)))

    async def answer(request):
        offset = int(request.query["offset"])
        data = whole[offset : offset + 128 * 1024]
        headers = {"Golem-Launcher-Offset": str(offset + len(data)), "Content-Encoding": "gzip"}
        return web.Response(body=gzip.compress(data, 1), headers=headers)

    asyncio.run(_follow(answer, tmp_path / "workload.log", len(whole)))
    written = (tmp_path / "workload.log").read_bytes()
    assert written.count(b"\n") == _LINES
    assert hashlib.sha256(written).digest() == hashlib.sha256(whole).digest()


@pytest.mark.slow
def test_what_unpacks_to_much_more_is_cut(tmp_path):
    bomb = gzip.compress(b"\n" * 50_000_000, 9)

    async def answer(request):
        headers = {"Golem-Launcher-Offset": "5", "Content-Encoding": "gzip"}
        return web.Response(body=bomb if request.query["offset"] == "0" else b"", headers=headers)

    asyncio.run(_follow(answer, tmp_path / "workload.log", workload_client._LARGEST_PIECE))
    assert (tmp_path / "workload.log").stat().st_size == workload_client._LARGEST_PIECE


def test_a_lab_that_says_gzip_and_means_something_else_is_one_that_does_not_answer(tmp_path):
    """It ends no session: another provider takes over, as for any Lab that is silent."""
    asked = []

    async def answer(request):
        asked.append(request.path)
        return web.Response(body=b"no gzip at all", headers={"Content-Encoding": "gzip"}, status=len(asked) * 100 + 100)

    async def ask():
        async with _served(answer) as client:
            assert await client.answers(seconds=5)  # what nobody asked for compressed is not unpacked
            assert not await client.answers(seconds=5)
            assert await client.usage() == b""
            following = asyncio.create_task(client.follow_log(tmp_path / "workload.log"))
            await asyncio.wait({following}, timeout=0.3)
            assert not following.done()
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    asyncio.run(ask())


def test_whether_a_program_is_well_its_agent_is_asked_by_one_connection():
    database = Workload("database", "Database", argv=("db",), endpoints=(Endpoint("sql", 5432, "tcp"),))
    told = iter(['{"well": true}', '{"well": false}', '{"well": "true"}', "[1]", "{", "x" * 70_000])
    dialled = []

    async def ask():
        async def answer(_):
            return web.Response(text=next(told))

        async with _serving(answer) as dial:

            async def to(port):
                dialled.append(port)
                return await dial()

            async with WorkloadClient(database, to, "token", endpoint_token="token") as client:
                return [await client.answers(seconds=5) for _ in range(6)]

    assert asyncio.run(ask()) == [True, False, False, False, False, False]
    assert dialled == [AGENT_PORT]


@pytest.mark.parametrize("told", [b'{"ended": "true"}', b"[1]", b"{", b"\xff" * 70_000])
def test_what_an_agent_says_of_an_end_is_no_end_unless_it_says_so(told):
    async def ask(body):
        async def answer(_):
            return web.Response(body=body)

        async with _served(answer) as client:
            return await client.has_ended()

    assert not asyncio.run(ask(told))
    assert asyncio.run(ask(b'{"held": false, "ended": true}'))


@contextlib.asynccontextmanager
async def _served(answer):
    """A ``WorkloadClient`` of a Lab all of whose answers are ``answer``'s."""
    async with (
        _serving(answer) as dial,
        WorkloadClient(LAB, lambda _: dial(), "token", endpoint_token="token") as client,
    ):
        yield client


@contextlib.asynccontextmanager
async def _serving(answer):
    """How to reach a server all of whose answers are ``answer``'s."""
    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    try:
        yield to_origin(f"http://127.0.0.1:{port}")
    finally:
        await runner.cleanup()


async def _follow(answer, path, size):
    """Let a ``WorkloadClient`` follow the log that ``answer`` serves, until ``path`` has ``size`` bytes."""
    async with _served(answer) as client:
        task = asyncio.create_task(client.follow_log(path))
        try:
            for _ in range(1000):
                if path.exists() and path.stat().st_size >= size:
                    break
                await asyncio.sleep(0.02)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
