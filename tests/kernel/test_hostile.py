"""A Jupyter over there that lies: in its listings, in what it counts, in what it says."""

import asyncio
import base64
import contextlib
import errno
import json
import os
import shutil
import uuid
from pathlib import Path

import pytest
import zmq
import zmq.asyncio
from aiohttp import web
from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.connect import write_connection_file

from golem_launcher import paths
from golem_launcher.access.sockets.port_socket import PortSocket, port_socket_path
from golem_launcher.errors import AccessError, RequestError
from golem_launcher.kernel import client_sockets as client_sockets_module
from golem_launcher.kernel import messages, transfer
from golem_launcher.kernel.client_sockets import ClientSockets
from golem_launcher.kernel.connection import SessionConnection
from golem_launcher.kernel.connection_record import KernelRecord
from golem_launcher.kernel.notebook_session import Notebook
from golem_launcher.kernel.proxy import Proxy
from golem_launcher.kernel.remote_kernel import LabClient, RemoteKernel
from golem_launcher.request import parse_request
from golem_launcher.session.on_disk.directory import create_session_directory, session_directory
from golem_launcher.waiting import together
from tests.patience import slower

_NOT_AGAIN_SECONDS = 2.5
_EVIL = [
    "../escaped.txt",
    "/etc/escaped.txt",
    "..",
    ".bashrc",
    "a\x00b",
    "line\nbreak",
    "back\\slash",
    "\u202eexe.txt",
    "x" * 300,
    "",
    None,
    7,
]


@pytest.fixture
def there(tmp_path, monkeypatch):
    """Runs a conversation with a server in the place of a session's Jupyter."""
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    directory = create_session_directory(parse_request({"name": "hostile"}))
    directory.write_token("token")

    async def run(routes, talk):
        application = web.Application()
        application.add_routes(routes)
        runner = web.AppRunner(application, shutdown_timeout=1)
        await runner.setup()
        path = str(tmp_path / "lab.sock")
        await web.UnixSite(runner, path).start()

        async def carry(_machine, _port, reader, writer):
            remote_reader, remote_writer = await asyncio.open_unix_connection(path)
            try:
                await together(_copy(reader, remote_writer), _copy(remote_reader, writer))
            finally:
                remote_writer.close()
                with contextlib.suppress(OSError):
                    await remote_writer.wait_closed()

        ports = PortSocket(port_socket_path(directory.path), carry)
        await ports.start()
        lab = LabClient(directory)
        try:
            async with asyncio.timeout(30 * slower()):
                return await talk(lab)
        finally:
            await lab.aclose()
            await ports.aclose()
            await runner.cleanup()

    return lambda routes, talk: asyncio.run(run(routes, talk))


async def _copy(reader, writer):
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


def _listing(entries, **below):
    """``below``: what is in folders of these names."""

    async def contents(request):
        name = request.path.removeprefix("/api/contents/")
        if request.query.get("content") == "0":
            return web.json_response({"name": name, "type": "file", "size": 3})
        return web.json_response({"type": "directory", "content": below.get(name, entries)})

    return web.get("/api/contents/{path:.*}", contents)


async def _nothing(*_):
    pass


def _download(words, *, force=False):
    async def talk(lab):
        brought = transfer.Brought()
        planned = await transfer.plan_download(lab, words, Path(), brought)
        await transfer.download(lab, planned, brought, _nothing, force=force)
        return brought

    return talk


async def _says_data(_request):
    return web.Response(body=b"data")


def test_a_file_comes_to_a_disk_without_hard_links(there, monkeypatch):
    def none(*_, **__):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", none)
    routes = [_listing([{"name": "one.txt", "type": "file", "size": 4}]), web.get("/files/{path:.*}", _says_data)]
    for left_out in (0, 1):
        brought = there(routes, _download(["one*"]))
        assert (brought.files, len(brought.left_out)) == (1 - left_out, left_out)
        assert Path("one.txt").read_text() == ("mine" if left_out else "data")
        Path("one.txt").write_text("mine")
    assert [path.name for path in Path().iterdir()] == ["one.txt"]


@pytest.mark.parametrize("fails", [False, True])
def test_an_upload_over_another_file_loses_it_only_once_it_is_there(there, fails):
    """A Jupyter renames over nothing."""
    standing, seen = {"one.txt": "theirs"}, []

    async def look(request):
        name = request.match_info["path"]
        if name not in standing:
            raise web.HTTPNotFound
        return web.json_response({"name": name, "type": "file", "size": 3, "last_modified": "2026-01-01T00:00:00Z"})

    async def write(request):
        name, body = request.match_info["path"], await request.json()
        standing[name] = body["content"]
        return web.json_response({})

    async def rename(request):
        name, new = request.match_info["path"], (await request.json())["path"]
        seen.append("theirs" in standing.values())
        if new in standing or (fails and standing[name] != "theirs"):
            raise web.HTTPConflict
        standing[new] = standing.pop(name)
        return web.json_response({})

    async def remove(request):
        standing.pop(request.match_info["path"])
        return web.Response(status=204)

    path = "/api/contents/{path:.*}"
    routes = [web.get(path, look), web.put(path, write), web.patch(path, rename), web.delete(path, remove)]

    async def talk(lab):
        brought = transfer.Brought()
        planned = transfer.plan_upload(["one.txt"], "", brought)
        await transfer.upload(lab, planned, brought, _nothing)

    Path("one.txt").write_text("ours")
    if fails:
        with pytest.raises(AccessError):
            there(routes, talk)
        assert standing == {"one.txt": "theirs"}
    else:
        there(routes, talk)
        assert standing == {"one.txt": base64.b64encode(b"ours").decode()}
    assert all(seen)


def test_names_that_lead_elsewhere_are_left_out(there, tmp_path):
    entries = [{"name": name, "type": "file", "size": 4} for name in [*_EVIL, "fine.txt"]]
    entries += [{"name": "deep", "type": "notebook", "size": -5}, "no entry", {"type": "file"}]
    brought = there([_listing(entries), web.get("/files/{path:.*}", _says_data)], _download(["*"]))
    assert sorted(path.name for path in (tmp_path / "here").iterdir()) == ["deep", "fine.txt"]
    assert len(brought.left_out) == len(_EVIL) + 2
    assert all(line.isprintable() for line in brought.left_out)
    assert not (tmp_path / "escaped.txt").exists()
    assert (tmp_path / "here" / "fine.txt").stat().st_mode & 0o111 == 0


def test_folders_without_end_end(there):
    endless = [{"name": "again", "type": "directory"}]
    brought = there([_listing(endless)], _download(["again*"]))
    assert brought.files == 0


@pytest.mark.parametrize("names", [["left", "right"], ["left", *([".no-name"] * 60)]])
def test_folders_that_branch_without_end_and_names_without_end_are_given_up(there, monkeypatch, names):
    monkeypatch.setattr(transfer, "_MOST_FILES", 50)
    endless = [{"name": name, "type": "directory"} for name in names]
    with pytest.raises(AccessError, match="more than 50"):
        there([_listing(endless)], _download(["*"]))


def test_more_files_than_a_notebook_needs_are_refused(there):
    entries = [{"name": f"f{number}", "type": "file", "size": 1} for number in range(30_000)]
    with pytest.raises(AccessError, match="more than 20,000"):
        there([_listing([{"name": "d", "type": "directory"}], d=entries)], _download(["*"]))


def test_more_bytes_than_a_disk_takes_are_refused(there, tmp_path, monkeypatch):
    asked = []

    async def says_data(request):
        asked.append(request.path)
        return web.Response(body=b"data")

    entries = [{"name": f"f{number}", "type": "file", "size": 7 * 1000**3} for number in range(10)]
    routes = [_listing(entries), web.get("/files/{path:.*}", says_data)]
    with pytest.raises(AccessError, match=r"These are 65.2 GiB, and at most 64.0 GiB come at once"):
        there(routes, _download(["*"]))
    monkeypatch.setattr(transfer, "_MOST_BYTES", 1000**5)
    monkeypatch.setattr(transfer, "_LEFT_FREE", shutil.disk_usage(tmp_path).total)
    with pytest.raises(AccessError, match="free on the disk here"):
        there(routes, _download(["*"]))
    assert asked == []


def test_a_size_that_no_number_of_ours_holds_is_refused(there):
    entries = [{"name": "f", "type": "file", "size": 10**400}]
    with pytest.raises(AccessError, match="come at once"):
        there([_listing(entries)], _download(["*"]))


def test_files_grow_by_a_little_all_together(there, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "_GROWTH", 10)
    entries = [{"name": f"f{number}", "type": "file", "size": 1} for number in range(9)]
    with pytest.raises(AccessError, match="'f3' is larger than it was said"):
        there([_listing(entries), web.get("/files/{path:.*}", _says_data)], _download(["*"]))
    assert sorted(path.name for path in (tmp_path / "here").iterdir()) == ["f0", "f1", "f2"]


def test_files_that_programs_run_by_themselves_are_told(there):
    entries = [
        {"name": name, "type": "file", "size": 4} for name in ("conftest.py", "fine.txt", "jupyter_lab_config.py")
    ]
    brought = there([_listing(entries), web.get("/files/{path:.*}", _says_data)], _download(["*"]))
    assert brought.files == 3
    assert brought.could_run == ["conftest.py", "jupyter_lab_config.py"]


def test_a_file_that_grows_for_ever_is_given_up(there, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "_GROWTH", 1_000_000)

    async def endless(request):
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(OSError):
            while True:
                await response.write(b"x" * 65536)
        return response

    with pytest.raises(AccessError, match="larger than it was said"):
        there([_listing([]), web.get("/files/{path:.*}", endless)], _download(["big.bin"]))
    assert list((tmp_path / "here").iterdir()) == []


def test_nothing_is_written_through_a_link(there, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "here" / "data").symlink_to(elsewhere)
    (tmp_path / "here" / "one.txt").symlink_to(elsewhere / "target")
    routes = [_listing([{"name": "one.txt", "type": "file", "size": 4}]), web.get("/files/{path:.*}", _says_data)]

    async def talk(lab):
        brought = transfer.Brought()
        for folder in ("data", "data/autostart", ""):
            planned = await transfer.plan_download(lab, ["one.txt"], Path(folder), brought)
            await transfer.download(lab, planned, brought, _nothing, force=True)
        return brought

    brought = there(routes, talk)
    assert brought.files == 0
    assert len(brought.left_out) == 3
    assert list(elsewhere.iterdir()) == []
    with pytest.raises(RequestError):
        there(routes, _download(["../one.txt"]))


def test_a_file_that_has_no_place_here_costs_no_other(there, tmp_path):
    """A listing has a file where a folder is to be, and a path longer than any file system takes."""
    long = "l" * 250
    entries = [{"name": name, "type": "file", "size": 4} for name in ("a", "fine.txt")]
    entries += [{"name": "a", "type": "directory"}, {"name": long, "type": "directory"}]
    folders = {"all": entries, "all/a": [{"name": "b", "type": "file", "size": 4}]}
    path = "all"
    for _ in range(20):
        path += f"/{long}"
        folders[path] = [{"name": long, "type": "directory"}]
    folders[path] = [{"name": "deep.txt", "type": "file", "size": 4}]
    top = _listing([{"name": "all", "type": "directory"}], **folders)
    brought = there([top, web.get("/files/{path:.*}", _says_data)], _download(["al*"]))
    assert brought.files == 2
    assert sorted(each.name for each in (tmp_path / "here/all").iterdir() if each.is_file()) == ["a", "fine.txt"]
    (a_folder, too_long) = sorted(brought.left_out)
    assert a_folder == "all/a/b: File exists"
    assert too_long.endswith("deep.txt: File name too long")


def test_a_kernel_that_talks_nonsense_is_left_and_asked_again(there):
    heard, connections = [], []
    good = messages.make("stream", {"name": "stdout", "text": "fine"}, session="s")

    async def channels(request):
        socket = web.WebSocketResponse(protocols=(messages.WEBSOCKET_PROTOCOL,))
        await socket.prepare(request)
        connections.append(socket)
        number = len(connections)
        if number == 1:
            await socket.send_str('{"received": 99}')  # more than there are
        elif number == 2:
            await socket.send_str("[" * 100_000)
        elif number == 3:
            await socket.send_bytes(b"no count first")
        else:
            await socket.send_str('{"received": 0}')
            await socket.send_bytes(b"\xff" * 64)
            await socket.send_bytes(messages.pack_for_websocket("elsewhere", good))
            broken = messages.JupyterMessage((b"[]", b"{}", b"{}", b"{}"), good.header, {})
            await socket.send_bytes(messages.pack_for_websocket("iopub", broken))
            await socket.send_bytes(messages.pack_for_websocket("iopub", good))
        async for _ in socket:
            pass
        return socket

    async def talk(lab):
        done = asyncio.Event()

        async def hear(channel, message):
            heard.append((channel, message.content()["text"]))
            done.set()

        kernel = RemoteKernel(lab, "k", heard=hear)
        running = asyncio.create_task(kernel.run())
        await done.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    there([web.get("/api/kernels/k/channels", channels)], talk)
    assert heard == [("iopub", "fine")]
    assert len(connections) == 4


def test_an_answer_without_end_is_cut(there):
    async def endless(request):
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(OSError):
            while True:
                await response.write(b" " * 65536)
        return response

    async def talk(lab):
        await lab.ask("GET", "/api/kernels")

    with pytest.raises(AccessError, match="more than it should"):
        there([web.get("/api/kernels", endless)], talk)


def test_the_token_is_shown_to_the_session_alone(there):
    seen = []

    async def kernels(request):
        seen.append(request.headers.get("Authorization"))
        return web.Response(body=json.dumps([]).encode())

    async def talk(lab):
        return await lab.ask("GET", "/api/kernels")

    assert there([web.get("/api/kernels", kernels)], talk) == []
    assert seen == ["token token"]
    assert not [word for word in os.environ.values() if word == "token token"]


def _kernel_that_says(*says):
    """Routes of a Jupyter whose kernel has this to say about any cell: channel, kind and content, or its bytes."""

    async def start(_request):
        return web.json_response({"kernel": {"id": str(uuid.uuid4())}})

    async def channels(request):
        socket = web.WebSocketResponse(protocols=(messages.WEBSOCKET_PROTOCOL,))
        await socket.prepare(request)
        await socket.send_str('{"received": 0}')
        async for said in socket:
            if said.type is web.WSMsgType.BINARY:
                _, asked = messages.unpack_from_websocket(said.data)
                for channel, kind, content in says:
                    answer = messages.make(kind, {}, session="far", parent=asked.frames[0])
                    data = content if isinstance(content, bytes) else json.dumps(content).encode()
                    answer = messages.JupyterMessage((*answer.frames[:3], data), answer.header, answer.parent)
                    await socket.send_bytes(messages.pack_for_websocket(channel, answer))
        return socket

    return [*_sessions(start), web.get("/api/kernels/{id}/channels", channels)]


def _sessions(start):
    """Routes of a Jupyter without a session, which begins one by ``start``."""

    async def none(_request):
        return web.json_response([])

    return [web.get("/api/sessions", none), web.post("/api/sessions", start)]


_IDLE = ("iopub", "status", {"execution_state": "idle"})


@contextlib.asynccontextmanager
async def _connected_notebook(tmp_path):
    """A client of a kernel here that is connected to the one over there, and the port where output is published."""
    file, described = write_connection_file(str(tmp_path / "kernel.json"), key=b"secret")
    record = KernelRecord(Path(file))
    sockets = ClientSockets(Path(file))
    proxy = Proxy(sockets, lambda owner: Notebook(owner, record))
    connection = SessionConnection(session_directory("hostile"), record, proxy.notebook.owner, ends_session=False)
    running = asyncio.create_task(proxy.run())
    client = AsyncKernelClient(connection_file=file)
    client.load_connection_file()
    try:
        await connection.open()
        proxy.notebook.connection = connection
        client.start_channels()
        yield client, described["iopub_port"]
        assert not running.done()
    finally:
        client.stop_channels()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await connection.aclose()
        await sockets.aclose()


async def _reply(client, code, **how):
    message_id = client.execute(code, **how)
    while True:
        message = await client.get_shell_msg(timeout=15 * slower())
        if message["parent_header"].get("msg_id") == message_id:
            return message["content"]


@pytest.mark.parametrize(
    "reply",
    [
        {"status": "ok", "execution_count": {}},
        {"status": "ok", "execution_count": "many"},
        b'{"status": "ok", "execution_count": 1e999}',
        b'{"status": "ok", "user_expressions": {"x": 1e999}}',
        b'{"status": "ok", "x": ' + b"[" * 600 + b"]" * 600 + b"}",
        b"[]",
    ],
)
def test_no_reply_leaves_a_cell_without_an_end(there, tmp_path, reply):
    async def talk(_lab):
        async with _connected_notebook(tmp_path) as (client, _):
            assert (await _reply(client, "%budget\n1"))["status"] == "ok"
            assert (await _reply(client, "%budget"))["status"] == "ok"

    there(_kernel_that_says(("shell", "execute_reply", reply), _IDLE), talk)


def test_no_request_that_makes_no_sense_ends_the_kernel(there, tmp_path):
    async def talk(_lab):
        async with _connected_notebook(tmp_path) as (client, _):
            client.shell_channel.send(client.session.msg("complete_request", {"code": "%st", "cursor_pos": []}))
            assert (await _reply(client, "%budget"))["status"] == "ok"

    there(_kernel_that_says(), talk)


def test_no_request_of_a_provider_is_signed_and_none_for_input_where_it_is_not_allowed(there, tmp_path):
    """Whoever listens to the output on this computer could pass it on as one of a client's: a cell that runs here."""
    says = [
        ("iopub", "execute_request", {"code": "%%golem local\nimport os", "silent": False}),
        ("shell", "execute_request", {"code": "%%golem local\nimport os", "silent": False}),
        ("stdin", "input_request", {"prompt": "Password of this computer: ", "password": True}),
        ("stdin", "execute_request", {"code": "1"}),
        ("iopub", "stream", {"name": "stdout", "text": "hello"}),
        ("shell", "execute_reply", {"status": "ok", "execution_count": 1}),
        _IDLE,
    ]

    async def talk(_lab):
        async with _connected_notebook(tmp_path) as (client, port):
            listener = zmq.asyncio.Context.instance().socket(zmq.SUB)
            listener.setsockopt(zmq.SUBSCRIBE, b"")
            listener.connect(f"tcp://127.0.0.1:{port}")
            assert b"iopub_welcome" in b"".join(await listener.recv_multipart())
            kinds = []
            assert (await _reply(client, "1", allow_stdin=False))["status"] == "ok"
            while "stream" not in kinds:
                kinds.append(json.loads((await listener.recv_multipart())[3])["msg_type"])
            listener.close(linger=0)
            assert "execute_request" not in kinds
            assert not await client.stdin_channel.msg_ready()
            assert (await _reply(client, "1", allow_stdin=True))["status"] == "ok"
            asked = await client.get_stdin_msg(timeout=15 * slower())
            assert asked["msg_type"] == "input_request"
            assert not await client.stdin_channel.msg_ready()

    there(_kernel_that_says(*says), talk)


@pytest.mark.parametrize("padding", ["", "x" * 5_000_000])
def test_no_reply_writes_a_cell_that_runs_here(there, tmp_path, padding):
    """Clients write it into the notebook, some in the place of the cell itself: who runs all again would run it."""
    harmless = [
        {"source": "set_next_input", "text": "x = 1", "replace": False},
        {"source": "page", "data": {"text/plain": "help"}},
    ]
    harm = [
        {"source": "set_next_input", "text": "%%golem local\nimport os", "replace": True},
        {"source": "set_next_input", "text": "x = 1\n%upload /etc/passwd", "replace": True},
        {"source": "set_next_input", "text": ["%connect polygon 100"]},
        {"source": "edit_magic", "filename": "/etc/passwd"},
        "what",
    ]
    reply = {"status": "ok", "execution_count": 1, "payload": [*harmless, *harm], "padding": padding}

    async def talk(_lab):
        async with _connected_notebook(tmp_path) as (client, _):
            for code in ("1", "%budget\n1"):
                told = await _reply(client, code)
                assert told["status"] == "ok"
                assert told["payload"] == ([] if padding else harmless)

    there(_kernel_that_says(("shell", "execute_reply", reply), _IDLE), talk)


@pytest.mark.slow
def test_who_listens_and_does_not_read_takes_the_output_from_nobody(tmp_path, monkeypatch):
    """Another user of this computer can subscribe to a kernel's output, as to that of any."""
    monkeypatch.setattr(client_sockets_module, "_FULL_SECONDS", 0.5)
    count, size = 4000, 20_000

    async def talk():
        file, described = write_connection_file(str(tmp_path / "kernel.json"), key=b"secret")
        sockets = ClientSockets(Path(file))
        sockets.open(lambda *_: None)
        context = zmq.asyncio.Context()
        idle, reads = context.socket(zmq.SUB), context.socket(zmq.SUB)
        idle.set_hwm(1)
        reads.set_hwm(0)
        for socket in (idle, reads):
            socket.setsockopt(zmq.SUBSCRIBE, b"")
            socket.connect(f"tcp://127.0.0.1:{described['iopub_port']}")
        assert b"iopub_welcome" in b"".join(await reads.recv_multipart())
        assert b"iopub_welcome" in b"".join(await idle.recv_multipart())
        message = messages.make("stream", {"name": "stdout", "text": "x" * size}, session=sockets.session)

        async def read():
            seen = 0
            while seen < count:
                seen += b"stream" in (await reads.recv_multipart())[0]

        reading = asyncio.create_task(read())
        for _ in range(count):
            await sockets.publish(message)
            await asyncio.sleep(0)
        await reading
        context.destroy(linger=0)
        await sockets.aclose()

    asyncio.run(asyncio.wait_for(talk(), 60 * slower()))


def test_a_kernel_that_is_given_up_is_not_started_again(there, tmp_path):
    starts, again = [], asyncio.Event()

    async def start(_request):
        starts.append(str(uuid.uuid4()))
        if len(starts) > 1:
            again.set()
        return web.json_response({"kernel": {"id": starts[0]}})

    async def end(_request):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_NOT_AGAIN_SECONDS):
                await again.wait()
        return web.Response(status=204)

    async def talk(_lab):
        record = KernelRecord(tmp_path / "kernel.json")
        connection = SessionConnection(session_directory("hostile"), record, _Listener(), ends_session=True)
        await connection.open()
        assert await connection.leave()

    *_, channels = _kernel_that_says()
    there([*_sessions(start), channels, web.delete("/api/kernels/{id}", end)], talk)
    assert len(starts) == 1


def test_a_kernel_that_jupyter_starts_no_more_is_replaced(there, tmp_path):
    starts, again = [], asyncio.Event()
    dead = messages.make("status", {"execution_state": "dead"}, session="far")

    async def start(_request):
        starts.append(str(uuid.uuid4()))
        return web.json_response({"kernel": {"id": starts[-1]}})

    async def channels(request):
        socket = web.WebSocketResponse(protocols=(messages.WEBSOCKET_PROTOCOL,))
        await socket.prepare(request)
        await socket.send_str('{"received": 0}')
        if len(starts) == 1:
            await socket.send_bytes(messages.pack_for_websocket("iopub", dead))
        else:
            again.set()
        async for _ in socket:
            pass
        return socket

    async def talk(_lab):
        record = KernelRecord(tmp_path / "kernel.json")
        connection = SessionConnection(session_directory("hostile"), record, _Listener(), ends_session=True)
        await connection.open()
        await again.wait()
        await connection.aclose()

    there([*_sessions(start), web.get("/api/kernels/{id}/channels", channels)], talk)
    assert len(starts) == 2


class _Listener:
    """Hears of a connection, and makes nothing of it."""

    waits = False

    async def heard(self, *_):
        pass

    lost = answers_lost = heard
