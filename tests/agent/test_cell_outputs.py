"""Outputs of cells that nobody watches are in the notebook, and shown by whoever opens it while they come."""

import asyncio
import json
import time
import uuid

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jupyter_server.services.kernels.connection.base import deserialize_msg_from_ws_v1, serialize_msg_to_ws_v1

from golem_launcher.agent import cell_outputs
from golem_launcher.agent.cell_outputs import Cell, CellOutputs
from tests.agent.conftest import TOKEN, Agent, eventually
from tests.patience import slower
from tests.session.jupyter import Jupyter

_SLOW = """
import os, time
for n in (1, 2, 3):
    print(n)
    time.sleep(0.5)
while not os.path.exists("go"):
    time.sleep(0.1)
1 / 0
"""
V1 = "v1.kernel.websocket.jupyter.org"


def told(*messages):
    cell = Cell("c", "code", "page")
    for kind, content in messages:
        cell.take(kind, content, len(json.dumps(content)))
    return cell.told()


def printed(text, name="stdout"):
    return "stream", {"name": name, "text": text}


def shown(text, display=None):
    transient = {"display_id": display} if display else {}
    return "display_data", {"data": {"text/plain": text}, "metadata": {}, "transient": transient}


def test_what_is_printed_is_one_text_and_progress_bars_are_as_they_end():
    assert told(printed("a\n"), printed("b\n"), printed("oh", "stderr"), printed("c")) == [
        {"output_type": "stream", "name": "stdout", "text": "a\nb\n"},
        {"output_type": "stream", "name": "stderr", "text": "oh"},
        {"output_type": "stream", "name": "stdout", "text": "c"},
    ]
    (bar,) = told(printed("start\n"), *[printed(f"\r{number} %") for number in range(101)], printed("\r\nend\r\n"))
    assert bar["text"] == "start\n100 %\r\nend\r\n"


def test_what_is_cleared_is_gone_and_what_is_updated_is_new():
    clear, wait = ("clear_output", {"wait": False}), ("clear_output", {"wait": True})
    assert told(printed("a"), clear) == []
    assert [each["text"] for each in told(printed("a"), wait)] == ["a"]
    assert [each["text"] for each in told(printed("a"), wait, printed("b"))] == ["b"]
    update = ("update_display_data", {**shown("new")[1], "transient": {"display_id": "d"}})
    assert [each["data"]["text/plain"] for each in told(shown("old", "d"), shown("other"), update)] == ["new", "other"]


def test_a_flood_is_cut_and_a_progress_bar_of_days_is_none(monkeypatch):
    monkeypatch.setattr(cell_outputs, "_MOST_BYTES", 10_000)
    monkeypatch.setattr(cell_outputs, "_MOST_TEXT", 1000)
    flood = told(*[printed(100 * "x" + "\n") for _ in range(1000)])
    assert [each["name"] for each in flood] == ["stdout", "stderr"]
    assert len(flood[0]["text"]) <= 10_000
    assert "left out" in flood[1]["text"]
    (bar,) = told(*[printed(f"\r{number:100}") for number in range(1000)])
    assert bar["text"].strip() == "999"


def shown_by_a_terminal(text):
    """What is left of each line: all after the last return that something follows."""
    *lines, last = text.split("\n")
    kept = [line[:-1].rpartition("\r")[2] + line[-1:] for line in (*lines, last)]
    return "\n".join(kept)


@given(st.lists(st.text("ab\r\n\u2028", max_size=8), min_size=1, max_size=20), st.integers(0, 40))
def test_what_is_kept_is_what_was_not_written_over_however_it_came(pieces, most):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cell_outputs, "_MOST_TEXT", most)
        (stream,) = told(*map(printed, pieces))
    assert stream["text"] == shown_by_a_terminal("".join(pieces))


@pytest.mark.parametrize("text", ["x", "x\r\n", "\r", "\n"])
@pytest.mark.parametrize("message", [100, 1_000_000])
def test_a_megabyte_without_an_end_is_looked_through_in_no_time(text, message):
    cell, piece = Cell("c", "code", "page"), text * (message // len(text))
    begun = time.process_time()
    for _ in range(1_000_000 // message):
        cell.take(*printed(piece), len(piece))
    cell.told()
    assert time.process_time() - begun < 2 * slower()


@pytest.mark.parametrize("data", ["{}", b"", b"execute_request", 8 * b"\xff" + b"execute_request"])
def test_what_is_no_request_is_none(data):
    class Server:
        kernel_manager = None

    outputs = CellOutputs(Server())
    outputs.requested("k", data)
    assert outputs.unseen("k", "me", {}) == []


@pytest.fixture
def agent(tmp_path):
    agent = Agent(tmp_path)
    yield agent.up(seconds=900)
    agent.stop()


async def _connected(jupyter, kernel, page):
    uri = f"{jupyter.origin}/api/kernels/{kernel}/channels?session_id={page}"
    return await jupyter.http.ws_connect(uri, protocols=[V1], max_msg_size=0)


async def _run_cell(channel, page, cell, code):
    """As JupyterLab's page asks for it; returns once something was printed."""
    header = {
        "msg_id": uuid.uuid4().hex,
        "msg_type": "execute_request",
        "session": page,
        "username": "",
        "version": "5.3",
        "date": "2026-01-01T00:00:00Z",
    }
    content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}}
    message = {"header": header, "parent_header": {}, "metadata": {"cellId": cell}, "content": content}
    await channel.send_bytes(serialize_msg_to_ws_v1(message, "shell", lambda part: json.dumps(part).encode()))
    async for message in channel:
        _, (told, *_) = deserialize_msg_from_ws_v1(message.data)
        if json.loads(told)["msg_type"] == "stream":
            return


@pytest.mark.slow
def test_a_cell_goes_on_when_its_page_is_closed_and_its_outputs_are_in_the_notebook(agent):
    code = _SLOW
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(each) for each in (code, "other")])
    file = agent.work / "mine.ipynb"
    nbformat.write(notebook, file)
    cell = notebook["cells"][0]["id"]

    def there():
        try:
            return nbformat.read(file, 4)["cells"][0]["outputs"]
        except nbformat.reader.NotJSONError:  # it is just being written
            return []

    async def scene():
        async with Jupyter(f"http://{agent.address}:{agent.port}/?token={TOKEN}") as jupyter:
            about = {"path": "mine.ipynb", "name": "", "type": "notebook", "kernel": {"name": "python3"}}
            kernel = (await jupyter.call("POST", "/api/sessions", about))["kernel"]["id"]
            page = await _connected(jupyter, kernel, "one")
            await _run_cell(page, "one", cell, code)
            ask = f"/api/kernels/{kernel}/cells?client="
            assert await jupyter.call("GET", ask + "one") == []  # it hears them itself
            assert there() == []  # what is open is the page's business
            await page.close()
            await asyncio.to_thread(eventually, lambda: there() and there()[0]["text"] == "1\n2\n3\n", 60)
            (run,) = await jupyter.call("GET", ask + "two")
            assert (run["cell"], run["running"], run["outputs"][0]["text"]) == (cell, True, "1\n2\n3\n")
            after = json.dumps({run["run"]: run["version"]}).replace('"', "%22")
            (same,) = await jupyter.call("GET", f"{ask}two&after={after}")
            assert "outputs" not in same
            (agent.work / "go").touch()
            await asyncio.to_thread(eventually, lambda: len(there()) == 2, 60)
            (run,) = await jupyter.call("GET", ask + "two")
            assert not run["running"]

    asyncio.run(scene())
    cells = nbformat.read(file, 4)["cells"]
    assert cells[0]["outputs"][1]["ename"] == "ZeroDivisionError"
    assert cells[0]["execution_count"] == 1
    assert (cells[1]["source"], cells[1]["outputs"]) == ("other", [])


def _outputs_in(file):
    """Of the first cell; none while the file is being written."""
    text = file.read_text()
    return nbformat.reads(text, 4)["cells"][0]["outputs"] if text.endswith("}\n") else []


@pytest.mark.slow
def test_a_notebook_that_was_read_a_moment_ago_is_left_to_who_opens_it(agent):
    file = agent.work / "mine.ipynb"
    code = "print('seen')"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    nbformat.write(notebook, file)

    async def scene():
        async with Jupyter(f"http://{agent.address}:{agent.port}/?token={TOKEN}") as jupyter:
            about = {"path": "mine.ipynb", "name": "", "type": "notebook", "kernel": {"name": "python3"}}
            kernel = (await jupyter.call("POST", "/api/sessions", about))["kernel"]["id"]
            page = await _connected(jupyter, kernel, "one")
            await _run_cell(page, "one", notebook["cells"][0]["id"], code)
            await page.close()
            await jupyter.call("GET", "/api/contents/mine.ipynb?content=1")
            read = time.monotonic()
            await asyncio.to_thread(eventually, lambda: _outputs_in(file), 90)
            return time.monotonic() - read

    assert asyncio.run(scene()) > 10
