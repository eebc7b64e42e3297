"""A second machine has each save, and one that has something else, or nothing, is found out, whatever it says."""

import asyncio
import json
import os
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from golem_launcher.agent.workspace import wire
from golem_launcher.agent.workspace.chunker import chunk_id
from golem_launcher.errors import ProviderError
from golem_launcher.workspace.transfer import standby_copy
from golem_launcher.workspace.transfer.agent_workspace import AgentWorkspace
from golem_launcher.workspace.transfer.saver import Saver
from golem_launcher.workspace.transfer.standby_copy import StandbyCopy
from tests.dialling import to_origin
from tests.workspace.transfer.conftest import TOKEN, tree


def quiet(*_):
    pass


async def saved(saver, store):
    return store.manifest("work", (await saver.save_now()).number)


def test_it_has_each_save_and_nothing_else(providers, store):
    one, other = providers("one"), providers("other")
    (one.work / "folder").mkdir()
    (one.work / "folder" / "goes.txt").write_text("old")
    (one.work / "stays.bin").write_bytes(os.urandom(3_000_000))
    (one.work / "run.sh").write_text("true")
    (one.work / "link").symlink_to("stays.bin")
    (other.work / "of its own").write_text("no save has this")

    async def scenario():
        async with one.agent() as agent, other.agent() as second:
            saver, copy = Saver(agent, store, "work"), StandbyCopy(second, store)
            assert await copy.bring(await saved(saver, store), quiet) == []
            assert tree(other.work) == tree(one.work)
            (one.work / "folder" / "goes.txt").unlink()
            (one.work / "folder").rmdir()
            (one.work / "run.sh").chmod(0o755)
            (one.work / "link").unlink()
            (one.work / "link").write_text("a file by now")
            after, sent = await saved(saver, store), second.sent
            assert await copy.bring(after, quiet) == []
            assert tree(other.work) == tree(one.work)
            assert second.sent - sent < 10_000
            assert copy.manifest == after
            await copy.confirm()

    asyncio.run(scenario())


def test_what_is_old_or_other_is_found_out_and_brought_again(providers, store):
    one, other = providers("one"), providers("other")
    (one.work / "a.txt").write_text("old")

    async def scenario():
        async with one.agent() as agent, other.agent() as second:
            saver, copy = Saver(agent, store, "work"), StandbyCopy(second, store)
            await copy.bring(await saved(saver, store), quiet)
            shutil.copytree(other.work, other.directory / "before")
            (one.work / "a.txt").write_text("new")
            after = await saved(saver, store)
            await copy.bring(after, quiet)
            shutil.copy2(other.directory / "before" / "a.txt", other.work / "a.txt")
            with pytest.raises(ProviderError, match="not those of the save"):
                await copy.confirm()
            await copy.bring(after, quiet)
            await copy.confirm()
            assert (other.work / "a.txt").read_text() == "new"

    asyncio.run(scenario())


class Pretender(ThreadingHTTPServer):
    """Takes all that it is brought, keeps nothing, and says what ``has`` and ``gives`` say."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.has, self.gives, self.notes = [], b"", []
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def changes(self):
        end = {"end": True, "entries": len(self.has), "bytes": 0, "environment": None, "state": "s"}
        return b"".join(wire.pack_lines([{"list": "p", "base": None}, *self.has, {**end, "notes": self.notes}]))

    def agent(self):
        return AgentWorkspace(to_origin(f"http://127.0.0.1:{self.server_port}"), TOKEN)


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        taken = {"/restore": {"next": 0}, "/put": {"next": 1000}, "/finish": {"problems": []}}
        answers = {"/changes": self.server.changes(), "/chunks": self.server.gives}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(answers.get(self.path) or json.dumps(taken.get(self.path)).encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def pretender():
    server = Pretender()
    yield server
    server.shutdown()
    server.server_close()


def brought_to(pretender, provider, store):
    async def scenario():
        async with provider.agent() as agent, pretender.agent() as second:
            await StandbyCopy(second, store).bring(await saved(Saver(agent, store, "work"), store), quiet)

    with pytest.raises(ProviderError) as caught:
        asyncio.run(scenario())
    return caught.value.what


def test_who_has_nothing_or_says_nonsense_is_of_no_use(pretender, provider, store):
    (provider.work / "a.txt").write_bytes(b"saved")
    assert "not those of the save" in brought_to(pretender, provider, store)
    old = [["f", "a.txt", 0o644, 1, 3, [chunk_id(b"old").hex()]]]
    pretender.has = old
    assert "not those of the save" in brought_to(pretender, provider, store)
    pretender.has = [["f", "../a.txt", 0o644, 1, 3, [chunk_id(b"old").hex()]]]
    assert "not those of the save" in brought_to(pretender, provider, store)
    pretender.has = [["f"]]
    assert "makes no sense" in brought_to(pretender, provider, store)


def test_who_reads_for_ever_is_not_waited_for(pretender, provider, store, monkeypatch):
    monkeypatch.setattr(standby_copy, "_READ_SECONDS", 0.3)
    (provider.work / "a.txt").write_bytes(b"saved")
    pretender.notes = [["large", "a.txt"]]
    assert "does not come to an end" in brought_to(pretender, provider, store)


def test_who_dropped_what_it_had_is_found_out_when_it_is_relied_on(pretender, provider, store):
    (provider.work / "a.txt").write_bytes(b"saved")
    name = chunk_id(b"saved")
    pretender.has = [["f", "a.txt", 0o644, 1, 5, [name.hex()]]]
    pretender.gives = b"".join(wire.Framing().frame(name, b"saved"))

    async def scenario():
        async with provider.agent() as agent, pretender.agent() as second:
            copy = StandbyCopy(second, store)
            await copy.bring(await saved(Saver(agent, store, "work"), store), quiet)
            await copy.confirm()
            pretender.gives = wire.bare(name, wire.GONE)
            with pytest.raises(ProviderError, match="can't give back"):
                await copy.confirm()

    asyncio.run(scenario())


def test_who_says_the_right_ids_and_has_not_what_they_name_is_found_out(pretender, provider, store):
    (provider.work / "a.txt").write_bytes(b"saved")
    name = chunk_id(b"saved")
    pretender.has = [["f", "a.txt", 0o644, 1, 5, [name.hex()]]]
    others = [b"".join(wire.Framing().frame(name, content)) for content in (b"other", b"")]
    for given in (wire.bare(name, wire.GONE), *others):
        pretender.gives = given
        assert "can't give back" in brought_to(pretender, provider, store)
    pretender.gives = b"nonsense"
    assert brought_to(pretender, provider, store)
