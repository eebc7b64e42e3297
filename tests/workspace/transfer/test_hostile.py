"""An agent that lies: nothing outside the store is written, memory and disk stay capped, the user is told."""

import asyncio
import functools
import json
import os
import resource
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from golem_launcher.agent.workspace import wire
from golem_launcher.agent.workspace.chunker import chunk_id
from golem_launcher.workspace.transfer.added_generations import SaveLimits
from golem_launcher.workspace.transfer.agent_workspace import AgentWorkspace
from golem_launcher.workspace.transfer.saver import Saver
from tests.dialling import to_origin
from tests.workspace.transfer.conftest import TOKEN

DATA = b"what somebody wrote" * 100
ID = chunk_id(DATA)


class Liar(ThreadingHTTPServer):
    """Answers /changes and /chunks with whatever ``changes`` and ``chunks`` say."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.changes = self.chunks = lambda: iter(())
        self.elsewhere = ""
        self.asked = None
        """By the last request: its body."""
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def lists(self, *lines, notes=(), entries=None, base=None, environment=None):
        head = {"list": "p", "base": base}
        end = {"end": True, "entries": len(lines) if entries is None else entries, "bytes": 0, "notes": list(notes)}
        values = [head, *lines, {**end, "environment": environment, "state": "s"}]
        self.changes = lambda: wire.pack_lines(values)

    def has(self, *parts):
        self.chunks = lambda: iter(parts)

    def save(self, store, workspace="work", **options):
        async def scenario():
            async with AgentWorkspace(to_origin(f"http://127.0.0.1:{self.server_port}"), TOKEN) as agent:
                saver = Saver(agent, store, workspace, **options)
                return await saver.save_now(), saver.saving

        return asyncio.run(scenario())


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"null")
        self.send_response(307 if self.server.elsewhere else 200)
        if self.server.elsewhere:
            self.send_header("Location", self.server.elsewhere)
        self.end_headers()
        try:
            for piece in getattr(self.server, self.path.strip("/"))():
                self.wfile.write(piece)
        except OSError:
            pass  # they have heard enough

    def log_message(self, *_):
        pass


@pytest.fixture
def liar():
    server = Liar()
    yield server
    server.shutdown()
    server.server_close()


def file(path, data=DATA, mode=0o644, size=None):
    return ["f", path, mode, 1, len(data) if size is None else size, [chunk_id(data).hex()]]


def sound(data=DATA):
    return b"".join(wire.Framing().frame(chunk_id(data), data))


_ODD_PATHS = [
    "../out", "/etc/passwd", "a/../../out", "a//b", "a/./b", "", ".", "..", "nul\0", "back\\slash", "x" * 2000,
    "/".join("d" * 190), "sur\udc80rogate", "n" * 300,
]  # fmt: skip


@pytest.mark.parametrize("path", _ODD_PATHS, ids=repr)
def test_a_path_that_leads_elsewhere_is_left_out_and_told(liar, store, tmp_path, path):
    liar.lists(file("good.txt"), file(path))
    liar.has(sound())
    before = {each for each in tmp_path.iterdir() if each.name not in {"store", "launcher"}}
    generation, saving = liar.save(store)
    assert [entry.path for entry in store.manifest("work", generation.number).entries] == ["good.txt"]
    assert saving.problem.startswith("Not saved as they are: ")
    assert {each for each in tmp_path.iterdir() if each.name not in {"store", "launcher"}} == before


def test_what_can_not_stand_beside_the_rest_is_left_out_and_told(liar, store):
    liar.lists(
        file("Readme"), file("README"), file("a"), file("a/b"), ["l", "way", 0o777, 1, "/etc"], file("way/passwd"),
        ["l", "out", 0o777, 1, "../../x"], ["f", "huge", 0o644, 1, 1 << 60, [ID.hex()]], file("setuid", mode=0o4755),
    )  # fmt: skip
    liar.has(sound())
    generation, saving = liar.save(store)
    entries = {entry.path: entry for entry in store.manifest("work", generation.number).entries}
    assert set(entries) == {
        "README",
        "Readme",
        "a",
        "way/passwd",
        "setuid",
    }  # the link is none: so nothing lies below it
    assert entries["setuid"].mode == 0o755
    assert "and 1 more" in saving.problem


@pytest.mark.parametrize(
    "lines",
    [
        lambda liar: liar.lists(["f"]),
        lambda liar: liar.lists(["q", "a", 1, 1]),
        lambda liar: liar.lists(["f", "a", 1, 1, 5, "no list"]),
        lambda liar: liar.lists("text"),
        lambda liar: liar.lists(entries=7),
        lambda liar: liar.lists(base="of somebody else"),
        lambda liar: setattr(liar, "changes", lambda: iter([b"no zlib at all"])),
        lambda liar: setattr(liar, "changes", lambda: iter([zlib.compress(b"[" * 100_000 + b"\n")])),
        lambda liar: setattr(liar, "changes", lambda: iter([zlib.compress(json.dumps({"list": "p"}).encode())])),
        lambda liar: setattr(liar, "changes", lambda: iter(())),
    ],
)
def test_a_list_that_nobody_of_ours_would_send_is_refused(liar, store, lines):
    lines(liar)
    generation, saving = liar.save(store)
    assert generation is None
    assert saving.problem
    assert store.workspaces() == []


@pytest.mark.slow
def test_bombs_and_endless_streams_end(liar, store, monkeypatch):
    """No more than some memory, whatever is sent."""
    monkeypatch.setattr(
        "golem_launcher.workspace.transfer.change_list.MOST_ENTRIES", 40_000
    )  # so that a million does not take long
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    bomb = zlib.compress(bytes(60_000_000), 1)
    liar.changes = lambda: iter([bomb])
    assert liar.save(store)[0] is None

    def million(kind):
        many = zlib.compressobj(1)
        yield many.compress(b'{"list":"p","base":null}\n')
        for start in range(0, 1_000_000, 10_000):
            yield many.compress(b"".join(kind % number for number in range(start, start + 10_000)))

    for kind in (b'["-","%d"]\n', b'["d","%d",1,1]\n'):
        liar.changes = functools.partial(million, kind)
        generation, saving = liar.save(store)
        assert generation is None
        assert "too many files" in saving.problem
    liar.lists(file("a"))
    liar.chunks = lambda: iter(sound, b"")  # without an end
    assert liar.save(store)[0] is None
    other = chunk_id(b"other")  # the first frame without an end may have been sound, and is kept
    liar.lists(file("a", b"other"))
    inside = zlib.compress(bytes(20_000_000), 1)
    liar.has(wire.FRAME.pack(other, 500_000, len(inside), wire.ZLIB) + inside)
    assert liar.save(store)[0] is None
    liar.has(wire.FRAME.pack(other, 1 << 31, 1 << 31, wire.PLAIN) + bytes(1000))
    assert liar.save(store)[0] is None
    assert {found.bytes for found in store.workspaces()} <= {len(DATA)}  # the one sound frame of all
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000  # kilobytes


@pytest.mark.parametrize(
    "answer",
    [
        b"".join(wire.Framing().frame(ID, b"other bytes")),
        sound(b"a chunk that nobody asked for"),
        sound() + sound(),
        wire.bare(ID, wire.AGAIN),
        wire.FRAME.pack(ID, 5, 5, 9) + b"12345",
        sound()[:-1],
        b"",
    ],
)
def test_chunks_that_are_not_what_was_asked_for_are_refused(liar, store, answer):
    liar.lists(file("a"))
    liar.has(answer)
    generation, saving = liar.save(store)
    assert generation is None
    assert saving.problem
    assert store.workspaces() == []


def test_what_makes_no_whole_save_ends_some_time(liar, store, tmp_path):
    """New chunks each time, and never the last of them: the disk here would fill with what is in no save."""

    async def scenario():
        async with AgentWorkspace(to_origin(f"http://127.0.0.1:{liar.server_port}"), TOKEN) as agent:
            saver = Saver(agent, store, "work", limits=SaveLimits(total_bytes=300_000))
            for _ in range(20):
                data = os.urandom(100_000)
                kind, path, mode, mtime, size, (first,) = file("a", data)
                liar.lists([kind, path, mode, mtime, size + len(DATA), [first, ID.hex()]])
                liar.has(sound(data), b"and then it breaks")
                assert await saver.save_now() is None
            liar.chunks = lambda: pytest.fail("nobody should ask")
            assert await saver.save_now() is None
            return saver.saving

    assert "no whole save" in asyncio.run(scenario()).problem
    assert sum(path.stat().st_size for path in (tmp_path / "store").rglob("*") if path.is_file()) < 800_000


def test_nobody_is_sent_elsewhere(liar, store):
    """An agent may answer with the address of something on the user's own computer."""
    other = Liar()
    asked = []
    other.changes = lambda: asked.append(True) or iter(())
    liar.elsewhere = f"http://127.0.0.1:{other.server_port}/changes"
    try:
        generation, saving = liar.save(store)
    finally:
        other.shutdown()
        other.server_close()
    assert generation is None
    assert "refused: 307" in saving.problem
    assert asked == []


def test_more_than_the_disk_asked_for_is_not_fetched(liar, store):
    liar.lists(*(file(f"{number}") for number in range(10)))
    liar.chunks = lambda: pytest.fail("nobody should ask")
    generation, saving = liar.save(store, limits=SaveLimits(total_bytes=1000))
    assert generation is None
    assert "were asked for" in saving.problem


def test_an_emptied_workspace_is_told_and_the_one_before_stays(liar, store):
    liar.lists(*(file(f"{number}.txt") for number in range(20)))
    liar.has(sound())
    first, _ = liar.save(store)
    assert first.number == 1
    liar.lists()
    second, saving = liar.save(store, after=1)
    assert second.flags == ("20 of 20 files are not there any more.",)
    assert "20 of 20 files are not there any more. Save 1 is kept as it was." in saving.problem
    assert len(store.manifest("work", 1).entries) == 20


def test_old_files_that_come_back_are_told(liar, store):
    generation, saving = asyncio.run(_saved_in_turn(liar, store, "a", (b"first", b"second", b"first")))
    assert generation.flags == ("The files are again those of save 1.",)
    assert "again those of save 1" in saving.problem


def test_tabs_that_are_open_again_are_no_old_files(liar, store):
    layout = ".jupyter/lab/workspaces/default-37a8.jupyterlab-workspace"
    generation, saving = asyncio.run(_saved_in_turn(liar, store, layout, (b"one tab", b"two tabs", b"one tab")))
    assert (generation.number, generation.flags, saving.problem) == (3, (), "")


async def _saved_in_turn(liar, store, path, texts):
    """The last of a save each of a file with these contents, and how saving stands."""
    async with AgentWorkspace(to_origin(f"http://127.0.0.1:{liar.server_port}"), TOKEN) as agent:
        saver = Saver(agent, store, "work")
        for text in texts:
            liar.lists(file(path, text))
            liar.has(sound(text))
            generation = await saver.save_now()
        return generation, saver.saving


def test_the_words_of_a_provider_are_shown_harmless(liar, store):
    environment = {"requirements": ["good==1", "--index-url http://evil", "x" * 1000, 7], "full": "no list"}
    liar.lists(file("a"), notes=[["busy", "\x1b]0;evil\x07name"], ["made up", "b"], 5], environment=environment)
    liar.has(sound())
    generation, saving = liar.save(store)
    assert "\x1b" not in saving.problem
    assert "it was being written" in saving.problem
    assert (saving.left_out, saving.at_stake) == (1, 1)
    assert "made up" not in saving.problem
    kept = store.manifest("work", generation.number).environment
    assert kept.requirements == ("good==1", "--index-url http://evil")  # told, never given to pip: see test_packages
    assert kept.full == ()


@pytest.mark.parametrize(
    ("lines", "more"),
    [
        ([f'["f","a\\ud800b",420,1,1,["{ID.hex()}"]]'], {}),
        (['["d","a\\ud800b",420,1]'], {}),
        (['["l","link",420,1,"a\\ud800b"]'], {}),
        (['["-","a\\ud800b"]'], {"entries": 1}),
        (['["f","x",420,1,1,["\\ud800"]]'], {}),
        ([], {"notes": [["unreadable", "a\ud800b"]]}),
        ([], {"environment": {"requirements": ["a\ud800==1"], "full": ["b\udfff==1"]}}),
    ],
)
def test_half_a_character_anywhere_stops_nothing(liar, store, lines, more):
    """JSON can hold what no text can: it would be written nowhere, for ever."""
    liar.lists(*map(json.loads, lines), file("ok"), **more)
    liar.has(sound())
    generation, saving = liar.save(store)
    assert generation is not None, saving.problem
    assert "failed" not in saving.problem
    assert "ok" in [entry.path for entry in store.manifest("work", 1).entries]
    manifest = store.manifest("work", 1)
    b"".join((manifest.first_line(), *manifest.lines())).decode()


def test_a_transfer_that_brings_more_is_stopped(providers, store, tmp_path, monkeypatch):
    """The far end of a transfer is the provider's: it may send what it likes."""
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    provider = providers()
    (provider.work / "big").write_bytes(os.urandom(9_000_000))
    ended = []

    def grow(path):
        with path.open("ab") as target:
            target.write(bytes(1_000_000))

    class Flood:
        async def transfer_out(self, _container_path, local_path):
            try:
                while True:
                    await asyncio.to_thread(grow, Path(local_path))
            finally:
                ended.append(True)

    async def scenario():
        async with provider.agent(Flood()) as agent:
            saver = Saver(agent, store, "work")
            return await saver.save_now(), saver.saving

    generation, saving = asyncio.run(scenario())
    assert generation is None
    assert ended == [True]
    assert "more than it had announced" in saving.problem
    assert list((tmp_path / "scratch").iterdir()) == []
