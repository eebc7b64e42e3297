"""Parts of an upload asked of a real JupyterLab by the agent: the file is whole, or the Lab's refusal is told."""

import asyncio
import io
import json
import os
import shutil
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from golem_launcher.access.lab.uploads import UploadRefused
from golem_launcher.agent.workspace.upload_replay import Turn, head, replay
from golem_launcher.workspace.transfer import replayed_upload
from golem_launcher.workspace.transfer.agent_workspace import AgentWorkspace
from golem_launcher.workspace.transfer.remote_files import RemoteFiles
from golem_launcher.workspace.transfer.replayed_upload import ReplayedUpload
from tests.agent.conftest import TOKEN
from tests.patience import slower

_HEADERS = (("host", "127.0.0.1"), ("authorization", f"token {TOKEN}"), ("content-type", "application/json"))
_PART = os.urandom(1_000_003)


class _Bulk:
    """What an exe-unit's transfer does, on one machine."""

    def __init__(self, lab):
        self._run = lab.run
        self.into = 0

    async def transfer_in(self, local_path, container_path):
        self.into += 1
        shutil.copyfile(local_path, self._run / "agent.packs" / Path(container_path).name)


def _sent(lab, path, *numbers, bulk=None, headers=_HEADERS):
    """The Lab's answer to the last of these parts."""

    async def scene():
        scratch = Path(tempfile.mkdtemp(dir=lab.run))
        async with AgentWorkspace(lambda: lab.dial(lab.port + 3), TOKEN, bulk) as agent:
            if bulk is not None:
                agent.throughput.tunnel_took(1_000_000, 1000.0)
            sending = ReplayedUpload(RemoteFiles(agent, scratch), headers)
            try:
                for number in numbers:
                    model = {"type": "file", "format": "base64", "chunk": number}
                    await sending.add(f"/api/contents/{path}", model, _PART)
                return await sending.answer()
            finally:
                await sending.aclose()

    return asyncio.run(asyncio.wait_for(scene(), 60 * slower()))


@pytest.mark.parametrize("transfers", [True, False])
def test_a_file_is_whole(lab, transfers):
    bulk = _Bulk(lab) if transfers else None
    (lab.work / "whole.bin").write_bytes(b"what was there before" * 100_000)
    answer = _sent(lab, "whole.bin", *range(1, 20), -1, bulk=bulk)
    assert answer.status == 200
    assert b'"size": 20000060' in answer.body
    assert (lab.work / "whole.bin").read_bytes() == _PART * 20
    assert bulk is None or bulk.into
    assert not list((lab.run / "agent.packs").glob("cp-*"))


def test_parts_go_together_until_somebody_waits_for_an_answer(lab, monkeypatch):
    """The way of a piece costs as much whatever is in it."""
    monkeypatch.setattr(replayed_upload, "_GATHER_SECONDS", 60 * slower())
    bulk = _Bulk(lab)
    assert _sent(lab, "together.bin", 1, 2, 3, 4, 5, -1, bulk=bulk).status == 200
    assert (lab.work / "together.bin").read_bytes() == _PART * 6
    assert bulk.into == 1


def test_parts_between_the_first_and_the_last_are_written_raw_and_as_the_lab_writes_them(lab):
    """Where a link leads, and in their order."""
    (lab.work / "elsewhere").mkdir()
    (lab.work / "link.bin").symlink_to("elsewhere/target.bin")
    target = "/api/contents/link.bin"
    contents = [os.urandom(2_000_000) for _ in range(9)]
    numbers = [*range(1, len(contents)), -1]
    piece = b"".join(
        head(target, {"type": "file", "format": "base64", "chunk": number}, content) + content
        for number, content in zip(numbers, contents, strict=True)
    )
    answer = replay([lab.address], lab.port, "/", _HEADERS, io.BytesIO(piece), lambda: False, Turn())
    assert (answer["count"], answer["status"]) == (9, 200)
    assert (lab.work / "elsewhere" / "target.bin").read_bytes() == b"".join(contents)
    assert (lab.work / "link.bin").is_symlink()


def test_parts_are_written_one_by_one_where_files_are_not_just_files(agent):
    """As with jupytext, whose manager of files has a mind of its own about each that is saved."""
    (agent.config_directory / "own_files.py").write_text(
        "from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager\n"
        "class Own(AsyncLargeFileManager):\n"
        "    async def save(self, model, path=''):\n"
        "        with open('saved', 'a') as file: file.write(f'{model[\"chunk\"]} ')\n"
        "        return await super().save(model, path)\n"
    )
    agent.environment["PYTHONPATH"] = str(agent.config_directory)
    settings = agent.config_directory / "jupyter_server_config.json"
    traits = json.loads(settings.read_text())
    traits["ServerApp"]["contents_manager_class"] = "own_files.Own"
    settings.write_text(json.dumps(traits))
    agent.up()
    assert _sent(agent, "whole.bin", 1, 2, 3, 4, -1).status == 200
    assert (agent.work / "whole.bin").read_bytes() == _PART * 5
    assert (agent.work / "saved").read_text().split() == ["1", "2", "3", "4", "-1"]


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [
        ("a.bin", None, 403),
        (".hidden/a.bin", TOKEN, 400),
        ("%2e%2e/outside.bin", TOKEN, 404),
        ("none/a.bin", TOKEN, 500),
        ("full.bin", TOKEN, 500),
    ],
)
def test_a_raw_part_is_refused_as_any_other(lab, path, token, status):
    full = lab.work / "full.bin"
    full.unlink(missing_ok=True)
    full.symlink_to("/dev/full")
    assert lab.request("PUT", f"/golem-launcher/parts/{path}", token, b"part")[0] == status
    assert not (lab.work / "a.bin").exists()
    assert not (lab.work.parent / "outside.bin").exists()


def test_nothing_more_is_asked_of_what_was_given_up(lab):
    """Whoever wanted it may begin the file anew, and what is still on its way must not get into that."""
    target = "/api/contents/given-up.bin"
    parts = [
        head(target, {"type": "file", "format": "base64", "chunk": number}, _PART) + _PART for number in (1, 2, 3, -1)
    ]
    told = iter([False, False, True])
    with pytest.raises(ConnectionError, match="has left"):
        replay([lab.address], lab.port, "/", _HEADERS, io.BytesIO(b"".join(parts)), lambda: next(told), Turn())
    assert (lab.work / "given-up.bin").read_bytes() == _PART * 3  # the first alone, the next two together


def test_the_next_part_is_made_ready_before_the_answer_to_one():
    looked, ready = threading.Semaphore(0), []

    class Piece(io.BytesIO):
        def readline(self, *size):
            if self.tell():  # it is not the first one
                looked.release()
            return super().readline(*size)

    class Workload(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            ready.append(looked.acquire(timeout=30 * slower()))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    piece = Piece(b"".join(head("/api/contents/a.bin", {"chunk": number}, b"x") + b"x" for number in (1, 2, 3)))
    with ThreadingHTTPServer(("127.0.0.1", 0), Workload) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        answer = replay(["127.0.0.1"], server.server_port, "/", _HEADERS, piece, lambda: False, Turn())
        server.shutdown()
    assert answer["count"] == 3
    assert ready == [True] * 3


def test_whether_parts_are_taken_raw_is_asked_once_a_file():
    asked = []

    class Workload(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            asked.append(self.path)
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_PUT(self):
            self.do_GET()

        def log_message(self, *_):
            pass

    def piece(path, *numbers):
        return io.BytesIO(b"".join(head(f"/api/contents/{path}", {"chunk": at}, b"x") + b"x" for at in numbers))

    turn, raw = Turn(), "/golem-launcher/parts/"
    with ThreadingHTTPServer(("127.0.0.1", 0), Workload) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for path, number in (("a", 1), ("a", 2), ("a", -1), ("b", 2), ("a", 1)):
            replay(["127.0.0.1"], server.server_port, "/", _HEADERS, piece(path, number), lambda: False, turn)
        server.shutdown()
    first, second, last = "/api/contents/a", f"{raw}a", "/api/contents/a"
    assert asked == [f"{raw}a", first, second, last, f"{raw}b", f"{raw}b", f"{raw}a", first]


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (".hidden/a.bin", _HEADERS, 400),
        ("none/a.bin", _HEADERS, 500),
        ("a.bin", _HEADERS[:1], 403),
        ("%2e%2e/outside.bin", _HEADERS, 404),
    ],
)
def test_what_the_lab_refuses_is_told_and_nothing_more_asked(lab, path, headers, status):
    with pytest.raises(UploadRefused) as refused:
        _sent(lab, path, 1, 2, 3, headers=headers)
    assert refused.value.answer.status == status
    assert not (lab.work / "a.bin").exists()
    assert not (lab.work.parent / "outside.bin").exists()
