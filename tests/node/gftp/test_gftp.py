"""gftp between two real daemons, with peers that behave and peers that do not."""

from __future__ import annotations

import asyncio
import contextlib
import filecmp
import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from golem_launcher.errors import BusCallError, BusError
from golem_launcher.node.gftp import transfer
from golem_launcher.node.gftp.files import LARGEST_HOLE, Published, Receiving
from golem_launcher.node.gftp.session import GftpSession
from golem_launcher.node.gftp.wire import GftpError, GftpUrl
from golem_launcher.node.gsb import GsbClient, flex
from tests.examples import examples
from tests.patience import slower

CONTENT = bytes(range(256)) * 13_000 + b"end"  # several chunks, the last one short
GFTP = [sys.executable, "-m", "golem_launcher.node.gftp.main"]


@contextlib.asynccontextmanager
async def session():
    one = GftpSession()
    try:
        yield one
    finally:
        await one.aclose()


@pytest.mark.usefixtures("way")
def test_there_and_back(network, tmp_path):
    source, fetched, returned = (tmp_path / name for name in ("source", "new/fetched", "returned"))
    source.write_bytes(CONTENT)
    seen = []

    async def run():
        async with session() as requestor, await GsbClient.connect(network.provider.gsb_url) as provider:
            url = await requestor.publish(str(source))
            assert url.startswith(f"gftp://{network.requestor_id}/")
            assert GftpUrl.parse(url).digest is None
            again = await requestor.publish(str(source))  # each time by a name of its own: one is closed alone
            assert await requestor.close(again)
            await transfer.download(provider, url, fetched, progress=lambda *step: seen.append(step))
            assert fetched.read_bytes() == CONTENT
            url = await requestor.receive(str(returned))
            await transfer.upload(provider, fetched, url)
            assert returned.read_bytes() == CONTENT
            with pytest.raises(GftpError, match="ended already"):
                await transfer.upload(provider, fetched, url)
            assert await requestor.close(url)
            assert not await requestor.close(url)

    asyncio.run(run())
    assert seen[-1] == (len(CONTENT), len(CONTENT))


def test_empty_changed_and_missing_files(network, monkeypatch, tmp_path):
    monkeypatch.setenv("GSB_URL", network.requestor.gsb_url)
    (tmp_path / "empty").touch()
    (tmp_path / "changing").write_bytes(CONTENT)

    async def run():
        async with session() as requestor, await GsbClient.connect(network.provider.gsb_url) as provider:
            url = await requestor.publish(str(tmp_path / "empty"))
            assert await transfer.download(provider, url, tmp_path / "got") == 0
            url = await requestor.receive(str(tmp_path / "back"))
            assert await transfer.upload(provider, tmp_path / "got", url) == 0
            with pytest.raises(FileNotFoundError):
                await requestor.publish(str(tmp_path / "none"))
            url = await requestor.publish(str(tmp_path / "changing"))
            with (tmp_path / "changing").open("ab") as file:
                file.write(b"more")
            with pytest.raises(GftpError, match="changed"):
                await transfer.download(provider, url, tmp_path / "got")
            await requestor.close(url)
            with pytest.raises(BusError):
                await transfer.download(provider, url, tmp_path / "got")

    asyncio.run(run())


class Peer:
    """A bus whose other side is one service, which may lose or falsify what passes."""

    def __init__(self, service, spoil=lambda reply: reply):
        self.service = service
        self.spoil = spoil

    async def call_raw(self, address, data, *, caller="", timeout=30.0):
        assert not caller
        assert timeout
        try:
            answer = {"Ok": await self.service.answer(address.rpartition("/")[2], flex.loads(data))}
        except GftpError as error:
            answer = {"Err": error.to_wire()}
        return flex.dumps(self.spoil(answer))


def url_for(name="a" * 65):
    return f"gftp://0x{40 * '1'}/{name}"


class Lossy(Peer):
    """The first answer to each question is lost on the way."""

    def __init__(self, service):
        super().__init__(service)
        self.asked = set()

    async def call_raw(self, address, data, *, caller="", timeout=30.0):
        answer = await super().call_raw(address, data, caller=caller, timeout=timeout)
        if data not in self.asked:
            self.asked.add(data)
            raise BusCallError("lost")
        return answer


def test_lost_chunks_are_asked_for_again(tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "_RETRY_SECONDS", 0.0)
    (tmp_path / "file").write_bytes(CONTENT)

    async def run():
        published = Published(tmp_path / "file")
        url = url_for(published.digest())
        await transfer.download(Lossy(published), url, tmp_path / "got")
        receiving = Receiving(tmp_path / "back")
        await transfer.upload(Lossy(receiving), tmp_path / "got", url_for())
        published.close()
        receiving.close()

    asyncio.run(run())
    assert (tmp_path / "back").read_bytes() == CONTENT


def test_falsified_content_is_noticed(tmp_path):
    (tmp_path / "file").write_bytes(CONTENT)

    def flip(reply):
        content = reply.get("Ok", {}).get("content")
        if content:
            reply["Ok"]["content"] = content[:-1] + b"?"
        return reply

    async def run():
        published = Published(tmp_path / "file")
        with pytest.raises(GftpError, match="hash differs"):
            await transfer.download(Peer(published, flip), url_for(published.digest()), tmp_path / "got")
        published.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("component", "payload"),
    [
        ("GetChunk", {"offset": len(CONTENT) + 1, "size": 1}),
        ("GetChunk", {"offset": -1, "size": 1}),
        ("GetChunk", {"offset": 0, "size": 1 << 40}),
        ("GetChunk", {"offset": True, "size": 1}),
        ("GetChunk", None),
        ("../GetChunk", {}),
        ("UploadChunk", {"chunk": {"offset": 0, "content": b"x"}}),
    ],
)
def test_a_published_file_refuses(tmp_path, component, payload):
    (tmp_path / "file").write_bytes(CONTENT[:5000])
    if component == "GetChunk" and isinstance(payload, dict) and payload["size"] == 1 << 40:
        (tmp_path / "file").write_bytes(bytes(5_000_000))
    published = Published(tmp_path / "file")
    with pytest.raises(GftpError):
        asyncio.run(published.answer(component, payload))
    published.close()


def chunk(offset, content):
    return "UploadChunk", {"chunk": {"offset": offset, "content": content}}


@pytest.mark.parametrize(
    ("component", "payload"),
    [
        chunk(90, b"x" * 11),  # beyond the declared size
        chunk(LARGEST_HOLE + 1, b"x"),
        chunk(-1, b"x"),
        chunk(0, "text"),
        chunk(0, bytes(5_000_000)),
        ("UploadChunk", {"chunk": [1]}),
        ("UploadChunk", []),
        ("UploadFinished", {"hash": "0" * 64}),
        ("GetChunk", {"offset": 0, "size": 1}),
    ],
)
def test_an_upload_refuses(tmp_path, component, payload):
    limit = 100 if component == "UploadChunk" and "90" in str(payload) else None
    receiving = Receiving(tmp_path / "file", limit=limit)
    with pytest.raises(GftpError):
        asyncio.run(receiving.answer(component, payload))
    receiving.close()
    assert (tmp_path / "file").stat().st_size == 0


def test_what_comes_of_a_file_that_was_removed_is_let_pass_and_takes_no_disk(tmp_path):
    """Who gave a transfer up removes its file; the sender, who can't know, may end."""

    async def run():
        receiving = Receiving(tmp_path / "file")
        await receiving.answer(*chunk(0, bytes(100_000)))
        (tmp_path / "file").rename(tmp_path / "kept")
        os.link(tmp_path / "kept", tmp_path / "other")  # a name is enough to be wanted
        (tmp_path / "kept").unlink()
        await receiving.answer(*chunk(100_000, bytes(100_000)))
        descriptor = os.open(tmp_path / "other", os.O_RDONLY)
        assert os.fstat(descriptor).st_size == 200_000
        (tmp_path / "other").unlink()
        for at in range(200_000, 100_000_000, 1_000_000):  # farther than a chunk may lie ahead
            await receiving.answer(*chunk(at, bytes(1000)))
        assert os.fstat(descriptor).st_size == 0
        os.close(descriptor)
        await receiving.answer("UploadFinished", {"hash": "0" * 64})
        assert receiving.finished
        receiving.close()

    asyncio.run(run())


@settings(max_examples=examples(50), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.integers(0, 60), st.binary(min_size=1, max_size=20)), max_size=12))
def test_an_upload_in_any_order_is_what_was_written(tmp_path, chunks):
    model = bytearray()
    covered = set()

    async def run():
        receiving = Receiving(tmp_path / "file")
        for offset, content in chunks:
            await receiving.answer(*chunk(offset, content))
            model.extend(bytes(max(0, offset + len(content) - len(model))))
            model[offset : offset + len(content)] = content
            covered.update(range(offset, offset + len(content)))
        finish = receiving.answer("UploadFinished", {"hash": hashlib.sha3_256(model).hexdigest()})
        if len(covered) == len(model):
            await finish
        else:
            with pytest.raises(GftpError):
                await finish
        receiving.close()

    asyncio.run(run())
    assert (tmp_path / "file").read_bytes() == model


@pytest.mark.parametrize(
    "text",
    ["", "http://x/y", f"gftp://0x{40 * '1'}/../etc/passwd", f"gftp://0x{40 * '1'}/a/b", "gftp://0x1/a", "gftp://[/a"],
)
def test_addresses_that_are_refused(text):
    with pytest.raises(GftpError):
        GftpUrl.parse(text)


def test_the_server_speaks_json_rpc(network, tmp_path):
    (tmp_path / "file").write_bytes(CONTENT)
    requests = [
        {"jsonrpc": "2.0", "id": 1, "method": "version"},
        {"jsonrpc": "2.0", "id": "2", "method": "publish", "params": {"files": [str(tmp_path / "file")]}},
        {"jsonrpc": "2.0", "id": 3, "method": "receive", "params": {"output_file": str(tmp_path / "out")}},
        {"jsonrpc": "2.0", "id": 4, "method": "close", "params": {"urls": [url_for()]}},
        {"jsonrpc": "2.0", "id": 5, "method": "publish", "params": {"files": [str(tmp_path / "none")]}},
        {"jsonrpc": "2.0", "id": 6, "method": "publish", "params": {"files": "x"}},
        {"jsonrpc": "2.0", "id": 7, "method": "nothing"},
        {"id": 8},
    ]
    lines = [json.dumps(request) for request in requests] + ["{", "[" * 100_000, "", "\x00"]
    environment = {**os.environ, "GSB_URL": network.requestor.gsb_url}
    run = subprocess.run(
        [*GFTP, "server"],
        check=False,
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        env=environment,
        timeout=30 * slower(),
    )
    assert run.returncode == 0, run.stderr
    assert not run.stderr
    answers = {answer["id"]: answer for answer in map(json.loads, run.stdout.splitlines()) if answer["id"]}
    assert answers[1]["result"].split()[0] == "0.8.0"
    assert answers["2"]["result"][0]["file"] == str(tmp_path / "file")
    assert answers[3]["result"]["url"].startswith(f"gftp://{network.requestor_id}/")
    assert answers[4]["result"] == ["error"]
    assert "No such file" in answers[5]["error"]["message"]
    assert [answers[number]["error"]["code"] for number in (5, 6, 7, 8)] == [-32000, -32602, -32601, -32600]
    assert len(run.stdout.splitlines()) == len(requests) + 3


@pytest.mark.parametrize("how", ["sigterm", "shutdown", "broken pipe"])
def test_the_server_ends_cleanly(network, how):
    environment = {**os.environ, "GSB_URL": network.requestor.gsb_url}
    with subprocess.Popen(
        [*GFTP, "server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        try:
            process.stdin.write(b'{"jsonrpc": "2.0", "id": 1, "method": "version"}\n')
            process.stdin.flush()
            assert process.stdout.readline()
            if how == "sigterm":
                process.send_signal(signal.SIGTERM)
            else:
                if how == "broken pipe":
                    process.stdout.close()
                process.stdin.write(b'{"jsonrpc": "2.0", "id": 1, "method": "shutdown"}\n')
                process.stdin.flush()
            assert process.wait(10) == 0
            assert not process.stderr.read()
        finally:
            process.kill()


def test_the_commands(network, tmp_path):
    (tmp_path / "file").write_bytes(CONTENT)
    theirs = {**os.environ, "GSB_URL": network.requestor.gsb_url}
    ours = {**os.environ, "GSB_URL": network.provider.gsb_url}
    with subprocess.Popen([*GFTP, "publish", str(tmp_path / "file")], stdout=subprocess.PIPE, env=theirs) as publisher:
        try:
            url = publisher.stdout.readline().split()[0].decode()
            subprocess.run([*GFTP, "download", url, str(tmp_path / "got")], env=ours, check=True, timeout=30 * slower())
        finally:
            publisher.terminate()
    assert (tmp_path / "got").read_bytes() == CONTENT
    failed = subprocess.run(
        [*GFTP, "download", "nonsense", "x"],
        check=False,
        env=ours,
        capture_output=True,
        text=True,
        timeout=30 * slower(),
    )
    assert failed.returncode == 1
    assert "no address of a file" in failed.stderr
    assert subprocess.run([*GFTP, "dance"], check=False, capture_output=True, timeout=30 * slower()).returncode == 2


_PEAK = """
import atexit, sys
from pathlib import Path
from golem_launcher.node.gftp.main import main

def tell(where):
    where.write_text(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])

atexit.register(tell, Path(sys.argv.pop()))
sys.exit(main())
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(network, tmp_path):
    """Each of three programs would need more than the limit if it kept what it gave or took."""
    size, limit = 128 << 20, 120 << 20
    file, there, back = (tmp_path / name for name in ("file", "there", "back"))
    with file.open("wb") as sparse:
        sparse.truncate(size)
        sparse.seek(size // 2)
        sparse.write(CONTENT)

    def gftp(node, name, *arguments, **options):
        environment = {**os.environ, "GSB_URL": node.gsb_url}
        return subprocess.Popen(
            [sys.executable, "-c", _PEAK, *map(str, arguments), str(tmp_path / name)], env=environment, **options
        )

    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with gftp(network.requestor, "server.peak", "server", **pipes) as server:

        def ask(method, **params):
            server.stdin.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}) + "\n")
            server.stdin.flush()
            return json.loads(server.stdout.readline())["result"]

        try:
            url = ask("publish", files=[str(file)])[0]["url"]
            with gftp(network.provider, "download.peak", "download", url, there) as download:
                assert download.wait(60) == 0
            url = ask("receive", output_file=str(back))["url"]
            with gftp(network.provider, "upload.peak", "upload", there, url) as upload:
                assert upload.wait(60) == 0
        finally:
            server.stdin.close()
            server.wait(10)
    for name in ("server", "download", "upload"):
        assert int((tmp_path / f"{name}.peak").read_text()) * 1024 < limit, name
    assert filecmp.cmp(file, back, shallow=False)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_unmodified_yapapi_uses_it(network, monkeypatch, tmp_path):
    monkeypatch.setenv("GSB_URL", network.requestor.gsb_url)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    gftp = pytest.importorskip("yapapi.storage.gftp")

    async def run():
        async with gftp.provider() as storage, await GsbClient.connect(network.provider.gsb_url) as provider:
            source = await storage.upload_bytes(CONTENT)
            await transfer.download(provider, source.download_url, tmp_path / "got")
            destination = await storage.new_destination(tmp_path / "back")
            await transfer.upload(provider, tmp_path / "got", destination.upload_url)
            await destination.download_file(tmp_path / "back")
            await storage.release_source(source)
        assert (tmp_path / "back").read_bytes() == CONTENT

    asyncio.run(run())
