"""Long answers of a session's JupyterLab by transfers: exact bytes, whatever happens, and nothing left over."""

import asyncio
import contextlib
import hashlib
import json
import os
import tempfile
from pathlib import Path

import pytest

from golem_launcher.agent.workspace import download_relay
from golem_launcher.agent.workspace.copying import Copying
from golem_launcher.errors import ProviderError, WorkspaceError
from golem_launcher.workspace.transfer import relayed_download, remote_files, throughput
from golem_launcher.workspace.transfer.relayed_download import RelayedDownload
from golem_launcher.workspace.transfer.remote_files import RemoteFiles
from tests.agent.conftest import eventually
from tests.dialling import to_origin
from tests.patience import slower
from tests.workspace.transfer.conftest import TOKEN, BulkTransfer

SECONDS = 60
_SMALL = 100_000
_BYTES = os.urandom(3_333_333)
_QUESTION = b"what is it?\n"


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch):
    for name in ("FIRST", "SMALLEST", "LARGEST"):
        monkeypatch.setattr(remote_files, name, _SMALL)
    monkeypatch.setattr(relayed_download, "_SOON", 0.0)
    monkeypatch.setattr(relayed_download, "_MEANWHILE", 0.0)
    monkeypatch.setattr(throughput, "_BULK_SECONDS", 1e-6)  # transfers are the faster way here, whatever is seen
    monkeypatch.setattr(throughput, "_WEIGHT", 0.0)


class Workload:
    """Stands where JupyterLab would, and says ``parts`` to whoever asks, with a word to go on before each."""

    def __init__(self, *parts, go_on=None):
        self.parts = parts
        self.go_on = go_on
        self.asked = []

    async def serve(self, reader, writer):
        try:
            with contextlib.suppress(OSError):
                self.asked.append(await reader.readline())
                for part in self.parts:
                    if self.go_on is not None:
                        await self.go_on.acquire()
                    writer.write(part)
                    await writer.drain()
            writer.close()
        except asyncio.CancelledError:  # the test is over, and it still waits for a word
            writer.transport.abort()
            raise


@contextlib.asynccontextmanager
async def asked(provider, workload, bulk):
    """What answers for the ``workload`` when that is asked, and the client of its agent."""
    server = await asyncio.start_server(workload.serve, provider.address, 8888)
    scratch = Path(tempfile.mkdtemp(dir=provider.directory))
    async with provider.agent(bulk) as agent:
        answer = RelayedDownload(await to_origin(provider.url)(), RemoteFiles(agent, scratch))
        try:
            await answer.begin(TOKEN)
            answer.write(_QUESTION)
            await answer.drain()
            yield answer, agent
        finally:
            await answer.aclose()
            server.close()


async def rest_of(answer):
    found = []
    while block := await asyncio.wait_for(answer.read(65536), SECONDS * slower()):
        found.append(block)
    return b"".join(found)


@pytest.mark.parametrize("size", [0, 1, relayed_download._HEAD, relayed_download._HEAD + 1, len(_BYTES)])
@pytest.mark.parametrize("transfers", [True, False])
def test_an_answer_comes_as_it_is(provider, size, transfers):
    bulk, workload = BulkTransfer(provider) if transfers else None, Workload(_BYTES[:size])

    async def scene():
        async with asked(provider, workload, bulk) as (answer, _):
            return await rest_of(answer)

    assert asyncio.run(scene()) == _BYTES[:size]
    assert workload.asked == [_QUESTION]
    if bulk is not None:
        assert (bulk.out > 5) == (size == len(_BYTES))
    assert not list(provider.packs.iterdir())


def test_when_transfers_fail_the_rest_comes_over_the_tunnel(provider):
    class Failing(BulkTransfer):
        async def transfer_out(self, container_path, local_path):
            await super().transfer_out(container_path, local_path)
            if self.out == 3:
                local_path.write_bytes(b"a part of it")
                raise ProviderError("The provider failed.")

    bulk = Failing(provider)

    async def scene():
        async with asked(provider, Workload(_BYTES), bulk) as (answer, agent):
            found = await rest_of(answer)
            assert agent.bulk is None
            return found

    assert asyncio.run(scene()) == _BYTES
    assert bulk.out == 3


class Held(BulkTransfer):
    """Its first transfer takes until somebody lets it go on."""

    def __init__(self, provider):
        super().__init__(provider)
        self.go_on = asyncio.Event()

    async def transfer_out(self, container_path, local_path):
        if self.out == 0:
            self.out = 1
            await self.go_on.wait()
        await super().transfer_out(container_path, local_path)


def test_the_tunnel_goes_on_as_long_as_the_first_transfer_has_brought_nothing(provider):
    async def scene():
        bulk = Held(provider)
        async with asked(provider, Workload(_BYTES), bulk) as (answer, _):
            assert await rest_of(answer) == _BYTES
        return bulk.out

    assert asyncio.run(scene()) == 1
    eventually(lambda: not list(provider.packs.iterdir()))


@pytest.mark.parametrize("passed", [0, _SMALL // 2, 10 * _SMALL])
def test_what_the_tunnel_brought_before_the_first_transfer_comes_once(provider, passed):
    async def scene():
        bulk = Held(provider)
        async with asked(provider, Workload(_BYTES), bulk) as (answer, _):
            found = b""
            while len(found) < 2 * relayed_download._HEAD + passed:
                found += await asyncio.wait_for(answer.read(65536), SECONDS * slower())
            bulk.go_on.set()
            assert found + await rest_of(answer) == _BYTES

    asyncio.run(scene())


def test_a_first_transfer_that_brings_something_else_breaks_it_off(provider):
    class Lying(BulkTransfer):
        async def transfer_out(self, container_path, local_path):
            await super().transfer_out(container_path, local_path)
            local_path.write_bytes(bytes(local_path.stat().st_size))

    async def scene():
        workload = Workload(_BYTES[:400_000], _BYTES, go_on=asyncio.Semaphore(1))
        async with asked(provider, workload, Lying(provider)) as (answer, _):
            with pytest.raises(OSError, match="broke off"):
                await rest_of(answer)

    asyncio.run(scene())


def test_what_is_made_slowly_is_passed_on_meanwhile(provider):
    """As an archive is: the workload says the second half when the first has come."""
    half = _BYTES[:400_000]

    async def scene():
        go_on = asyncio.Semaphore(1)
        async with asked(provider, Workload(half, half, go_on=go_on), BulkTransfer(provider)) as (answer, _):
            found = b""
            while len(found) < len(half):
                found += await asyncio.wait_for(answer.read(65536), SECONDS * slower())
            assert found == half
            go_on.release()
            assert await rest_of(answer) == half

    asyncio.run(scene())


def test_who_goes_away_leaves_nothing_behind(provider):
    async def scene():
        async with asked(provider, Workload(_BYTES), BulkTransfer(provider)) as (answer, _):
            found = b""
            while len(found) < 10 * _SMALL:
                found += await answer.read(65536)

    asyncio.run(asyncio.wait_for(scene(), SECONDS * slower()))
    eventually(lambda: not list(provider.packs.iterdir()))


def test_a_full_disk_over_there_loses_nothing(tmp_path):
    """What could not be kept is passed on."""
    (tmp_path / "full").symlink_to("/dev/full")
    copying = Copying(str(tmp_path), lambda _: str(tmp_path / "full"))

    async def scene():
        workload = Workload(_BYTES[:_SMALL])
        server = await asyncio.start_server(workload.serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        commands, answers = (tmp_path / "commands").open("w+b"), (tmp_path / "answers").open("w+b")
        commands.write(b'{"send": 2}\nx\n{"keep": "cp-0", "most": 50000}\n{"pass": 1000000}\n')
        commands.seek(0)
        with commands, answers:
            one = await asyncio.to_thread(download_relay.Relay, ["127.0.0.1"], port, copying)
            await asyncio.to_thread(one.serve, commands, answers)
            answers.seek(0)
            kept = json.loads(answers.readline())
            found = b""
            while size := (line := json.loads(answers.readline())).get("bytes"):
                found += answers.read(size)
        server.close()
        return kept, found, line

    kept, found, last = asyncio.run(scene())
    assert kept == {"size": 0, "sha256": hashlib.sha256().hexdigest(), "ended": False, "full": True}
    assert (found, last) == (_BYTES[:_SMALL], {"ended": True})


async def had(answer):
    await answer.begin(TOKEN)
    return await rest_of(answer)


_JOIN = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
_WHOLE = b'{"bytes": %d}\n' % relayed_download._HEAD + bytes(relayed_download._HEAD) + b'{"ended": false}\n'


@pytest.mark.parametrize(
    "says",
    [
        b"HTTP/1.1 507 Insufficient Storage\r\n\r\n",
        b"HTTP/1.1 101 " + bytes(100_000),
        _JOIN + b'{"bytes": 65537}\n' + bytes(65537),
        _JOIN + b'{"bytes": -1}\n',
        _JOIN + b'{"bytes": 5}\nabc',
        _JOIN + b"[]\n",
        _JOIN + b"{" * 100_000 + b"\n",
        _JOIN + bytes(100_000),
        _JOIN + _WHOLE + _WHOLE + b'{"size": 1000000000, "sha256": "", "ended": false}\n',
        _JOIN + _WHOLE + _WHOLE + b'{"size": true, "ended": false}\n',
        _JOIN + _WHOLE + _WHOLE + b'{"size": 5, "sha256": "", "ended": true}\n',
    ],
)
def test_what_no_agent_would_say_breaks_it_off(provider, says):
    """The last one names a piece of another hash than what comes, and of another size."""

    async def serve(_, writer):
        writer.write(says)
        await asyncio.sleep(0)
        writer.close()

    async def scene():
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        scratch = Path(tempfile.mkdtemp(dir=provider.directory))
        async with provider.agent(BulkTransfer(provider)) as agent:
            answer = RelayedDownload(await to_origin(origin)(), RemoteFiles(agent, scratch))
            try:
                with pytest.raises((OSError, ProviderError, WorkspaceError)):
                    await had(answer)
            finally:
                await answer.aclose()
                server.close()

    asyncio.run(asyncio.wait_for(scene(), SECONDS * slower()))
