"""What breaks: the line, the provider, the Jupyter of this computer."""

import asyncio
import json
import os
import signal
import time

import aiohttp
import pytest

from golem_launcher.access.sockets.port_socket import open_port, port_socket_path
from golem_launcher.events import Stage
from golem_launcher.kernel import messages
from golem_launcher.kernel.remote_kernel import LabClient, RemoteKernel, start_kernel
from golem_launcher.session import client
from golem_launcher.session.on_disk.directory import session_directories
from golem_launcher.session.on_disk.liveness import alive, supervisor
from golem_launcher.workload.base import FIRST_PORT
from tests.kernel.breaking_line import BreakingLine
from tests.kernel.cells import execute_request
from tests.localnet.runtime.test_runtimes import wheel
from tests.patience import slower
from tests.session.losing_node import kill
from tests.session.test_kernel_state import saved_with

pytestmark = pytest.mark.slow

_CUTS = 20
_CUT_SECONDS = float(os.environ.get("GOLEM_LAUNCHER_CUT_SECONDS", "0.3"))
"""The soak's are of 3 s."""
_LINES = 3_000
_LOST_SECONDS = 60
_NODE_SECONDS = 60


def test_a_line_that_breaks_loses_nothing_and_doubles_nothing(connected):
    directory = connected.directory
    code = f"import time\nfor i in range({_LINES}):\n    print(i, flush=True)\n    time.sleep(0.005)"
    printed, done = [], asyncio.Event()

    request = execute_request(code)

    async def heard(_channel, message):
        if message.parent_id == request.id and message.kind == "stream":
            printed.append(message.content()["text"])
        if message.parent_id == request.id and message.content().get("execution_state") == "idle":
            done.set()

    async def run():
        lab = LabClient(directory)
        line = BreakingLine(lab)
        kernel = RemoteKernel(lab, await start_kernel(lab), heard=heard)
        running = asyncio.create_task(kernel.run())
        async with asyncio.timeout(90 * slower()):
            await kernel.connected.wait()
        kernel.send("shell", request)
        for _ in range(_CUTS):
            await asyncio.sleep(0.5)
            async with line.cut():
                await asyncio.sleep(_CUT_SECONDS)
        async with asyncio.timeout(90 * slower()):
            await done.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await kernel.shut_down()
        await lab.aclose()

    asyncio.run(run())
    assert [int(line) for line in "".join(printed).split()] == list(range(_LINES))


def test_a_broken_connection_that_is_still_there_takes_nothing_from_the_next_one(connected):
    """Jupyter hears late that a line broke, and what the kernel prints goes to both until then."""
    code = "for i in range(2000): print(i, flush=True)"
    request = execute_request(code)
    printed = []

    async def scene():
        lab = LabClient(connected.directory)
        path = f"{lab.base}/api/kernels/{await start_kernel(lab)}/channels?session_id=overlapping&resume=1"

        async def connect():
            socket = await lab.http.websocket(
                path,
                protocol=messages.WEBSOCKET_PROTOCOL,
                largest=1 << 20,
                heartbeat=60,
                seconds=60,
                host="127.0.0.1:8888",
            )
            await socket.receive()  # how much it has
            await socket.send_str(json.dumps({"received": 0}))
            return socket

        unread = await connect()  # nobody reads it any more
        socket = await connect()
        await socket.send_bytes(messages.pack_for_websocket("shell", request))
        async with asyncio.timeout(120 * slower()):
            async for said in socket:
                if said.type is not aiohttp.WSMsgType.BINARY:
                    continue
                _, message = messages.unpack_from_websocket(said.data)
                if message.parent_id == request.id and message.kind == "stream":
                    printed.append(message.content()["text"])
                if message.parent_id == request.id and message.content().get("execution_state") == "idle":
                    break
        await asyncio.gather(socket.close(), unread.close())
        await lab.aclose()

    asyncio.run(scene())
    assert [int(line) for line in "".join(printed).split()] == list(range(2000))


@pytest.mark.slow
def test_of_connections_that_a_client_began_at_once_one_is_left(connected):
    """Jupyter closes the one before where that is open. Else its client would wait at one that hears nothing more."""

    async def scene():
        lab = LabClient(connected.directory)
        path = f"{lab.base}/api/kernels/{await start_kernel(lab)}/channels?session_id=t&resume=1"
        sockets = await asyncio.gather(
            *(
                lab.http.websocket(
                    path,
                    protocol=messages.WEBSOCKET_PROTOCOL,
                    largest=1024 * 1024,
                    heartbeat=15,
                    seconds=60 * slower(),
                    host="127.0.0.1:8888",
                )
                for _ in range(4)
            )
        )
        ends = [asyncio.ensure_future(_end_of(socket)) for socket in sockets]
        async with asyncio.timeout(60 * slower()):
            while sum(end.done() for end in ends) < len(sockets) - 1:
                await asyncio.wait([end for end in ends if not end.done()], return_when=asyncio.FIRST_COMPLETED)
        assert sum(socket.closed for socket in sockets) == len(sockets) - 1
        await asyncio.gather(*(socket.close() for socket in sockets))
        await asyncio.gather(*ends)
        await lab.aclose()

    asyncio.run(scene())


async def _end_of(socket):
    async for _ in socket:
        pass


def test_a_client_that_leaves_before_it_is_connected_takes_nothing_along(connected):
    """As one does whose line breaks again at once: what is kept for it is for its next connection."""
    directory = connected.directory
    code = f"import time\nfor i in range({_LINES}):\n    print(i, flush=True)\n    time.sleep(0.005)"
    request = execute_request(code)
    printed, more, done = [], asyncio.Event(), asyncio.Event()

    async def heard(_channel, message):
        if message.parent_id == request.id and message.kind == "stream":
            printed.append(message.content()["text"])
            if len(printed) % 120 == 0:
                more.set()
        if message.parent_id == request.id and message.content().get("execution_state") == "idle":
            done.set()
            more.set()

    async def leave(path):
        _, writer = await open_port(port_socket_path(directory.path), FIRST_PORT)
        asked = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:8888\r\nAuthorization: token {directory.token()}\r\n"
        version = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        protocol = f"Sec-WebSocket-Protocol: {messages.WEBSOCKET_PROTOCOL}\r\n"
        writer.write(f"{asked}Connection: Upgrade\r\nUpgrade: websocket\r\n{version}{protocol}\r\n".encode())
        await writer.drain()
        writer.close()

    async def scene():
        lab = LabClient(directory)
        kernel = RemoteKernel(lab, await start_kernel(lab), heard=heard)
        path = f"{lab.base}/api/kernels/{kernel.id}/channels?session_id={kernel._session}&resume=1"
        running = asyncio.create_task(kernel.run())
        async with asyncio.timeout(240 * slower()):
            await kernel.connected.wait()
            kernel.send("shell", request)
            while not done.is_set():
                await more.wait()
                more.clear()
                await kernel.connected.wait()
                for _ in range(3):
                    await leave(path)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await kernel.shut_down()
        await lab.aclose()

    asyncio.run(scene())
    assert [int(line) for line in "".join(printed).split()] == list(range(_LINES))


def test_a_lost_provider_ends_what_waits_and_the_next_cell_says_what_is_back(open_notebook, lose):
    notebook = open_notebook()
    directory = notebook.connect()
    made = wheel(notebook.folder)
    notebook.run(f"%upload {made.name}\n%pip install --quiet ./{made.name}")
    notebook.run("open('kept.txt', 'w').write('kept')\nx = 1; mine = open('kept.txt')")
    saved_with(directory, "x")
    waiting = notebook.start("import time; print('begun', flush=True); time.sleep(300)")
    notebook.until_printed("begun")
    notebook.client.complete("zi", 2)
    behind = notebook.start("%status")
    began = time.monotonic()
    lose(directory)
    reply = notebook.reply_to(waiting)
    assert time.monotonic() - began < _LOST_SECONDS * slower()
    assert reply["ename"] == "ProviderLost"
    assert "files of the last save" in reply["evalue"]
    assert notebook.reply_to(behind)["status"] == "aborted"
    done = notebook.run("print(open('kept.txt').read(), x)")
    assert done.text.strip().endswith("kept 1")
    assert "x came back" in done.text
    assert "lost: mine (an open file)" in done.text
    assert done.errors.count("was lost") == done.errors.count("went on at") == 1
    assert "Its files are those of" in done.errors
    assert "launchprobe was not installed again: it is from no package index" in done.errors
    assert "Variables are gone" not in done.errors
    assert "Finding a provider" not in done.text
    done = notebook.run("print('again')")
    assert (done.errors, done.text) == ("", "again\n")


def test_a_node_that_is_started_anew_in_mid_cell_costs_nothing(open_notebook, network):
    notebook = open_notebook()
    directory = notebook.connect()
    stages = len(directory.state().stages)
    before = directory.state().head.activity_id
    code = "import time\nfor n in range(2000):\n    print(n, flush=True)\n    time.sleep(0.01)\nx = n"
    waiting = notebook.start(code)
    printed = notebook.until_printed("99\n")
    with kill(network):
        pass
    state = client.wait_for(directory, lambda state: len(state.stages) > stages, _NODE_SECONDS * slower())
    assert state is not None
    told = notebook.until_printed("1999\n")
    assert notebook.reply_to(waiting)["status"] == "ok"
    lines = [line for line in (printed + told).split("\n") if line.isdigit()]
    assert [int(line) for line in lines] == list(range(2000))
    assert notebook.run("print(x)").text.strip().endswith("1999")
    assert directory.state().head.activity_id == before


def test_a_session_that_ends_is_told_to_the_next_cell(open_notebook):
    notebook = open_notebook()
    directory = notebook.connect()
    waiting = notebook.start("import time; print('begun', flush=True); time.sleep(300)")
    notebook.until_printed("begun")
    client.stop(directory.name)
    assert notebook.reply_to(waiting)["status"] == "error"
    assert "is over" in notebook.run("1", check=False).errors
    assert "Not connected" in notebook.run("%status").text


def test_a_killed_supervisor_is_told_to_who_waits_for_a_cell(open_notebook):
    notebook = open_notebook()
    directory = notebook.connect()
    waiting = notebook.start("import time; print('begun', flush=True); time.sleep(300)")
    notebook.until_printed("begun")
    os.kill(supervisor(directory).pid, signal.SIGKILL)
    assert f"The session '{directory.name}' is over" in notebook.reply_to(waiting)["evalue"]
    assert "is over" in notebook.run("1", check=False).errors


def test_a_killed_notebook_is_taken_up_again_with_its_variables(open_notebook):
    killed = open_notebook()
    directory = killed.connect()
    killed.run("x = 41")
    os.kill(killed.manager.provisioner.pid, signal.SIGKILL)
    notebook = open_notebook()
    assert directory.name in notebook.run("%status").text
    assert "variables are as they were" in notebook.run(f"%attach {directory.name}").text
    assert notebook.run("print(x + 1)").text.strip() == "42"
    notebook.run("%disconnect")
    assert directory.state().stage is Stage.ENDED


def test_two_notebooks_share_a_session_and_the_last_one_ends_it(open_notebook):
    first, second = open_notebook(), open_notebook()
    directory = first.connect()
    first.run("x = 1")
    second.run(f"%connect session={directory.name}")
    assert second.run("x", check=False).reply["ename"] == "NameError"
    assert "goes on" in first.run("%disconnect").text
    assert directory.state().stage is Stage.READY
    assert "it cost" in second.run("%disconnect").text
    assert directory.state().stage is Stage.ENDED


def test_a_connection_that_is_interrupted_leaves_nothing_that_costs(open_notebook):
    notebook = open_notebook()
    before = {one.name for one in session_directories()}
    waiting = notebook.start("%connect local 1")
    while notebook.client.get_iopub_msg(timeout=30 * slower())["msg_type"] != "display_data":
        pass
    notebook.manager.interrupt_kernel()
    assert notebook.reply_to(waiting)["ename"] == "KeyboardInterrupt"
    assert all(one.name in before or not alive(one) for one in session_directories())
