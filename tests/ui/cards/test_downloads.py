from __future__ import annotations

import asyncio
import io
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from golem_launcher import paths
from golem_launcher.errors import LauncherError
from golem_launcher.events import now
from golem_launcher.session_state import Saving
from golem_launcher.ui.cards.downloads import PART_BYTES, Downloads, write_log, write_results
from golem_launcher.workspace.repository.entry import Entry, chunk_id
from golem_launcher.workspace.repository.manifest import Environment
from golem_launcher.workspace.repository.store import open_store
from tests.ui.made import change, make_session, say, write_lab_log

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


async def _all_parts(downloads: Downloads, sent: list[tuple[dict[str, Any], list[bytes]]], what: str) -> bytes:
    await downloads.fetch({"id": "d1", "name": "mine", "what": what})
    told = sent[-1][0]
    assert told["kind"] == "fetched", told
    data = b""
    while len(data) < told["size"]:
        await downloads.part({"id": "d1", "offset": len(data)})
        message, (part,) = sent[-1]
        assert (message["kind"], message["offset"]) == ("part", len(data))
        assert 0 < len(part) <= PART_BYTES
        data += part
    return data


def _downloads(sent: list[tuple[dict[str, Any], list[bytes]]], **kinds: Any) -> Downloads:
    threads = ThreadPoolExecutor(1)
    return Downloads(lambda message, parts: sent.append((message, parts)), kinds, threads)


def test_the_whole_log_comes_in_parts_and_leaves_nothing(home: Path) -> None:
    async def main() -> None:
        directory = make_session("mine")
        for _ in range(1500):  # more than is read at once
            say(directory, "x" * 4000)
        say(directory, "a line of the supervisor")
        noise = "".join(f"{number * 2654435761 % 2**32:08x}" for number in range(400_000))
        write_lab_log(directory, *(noise[start : start + 100] for start in range(0, len(noise), 100)), "the end")
        sent: list[tuple[dict[str, Any], list[bytes]]] = []
        downloads = _downloads(sent, log=("log.zip", write_log))
        data = await _all_parts(downloads, sent, "log")
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            assert archive.read("jupyterlab.log") == directory.workload_log.read_bytes()
            assert b"a line of the supervisor" in archive.read("session.log")
        await downloads.part({"id": "d1", "offset": 5})  # asked for again, after a connection broke
        assert sent[-1][1][0] == data[5 : 5 + PART_BYTES]
        for offset in (-1, len(data) + 1, "5", None):
            count = len(sent)
            await downloads.part({"id": "d1", "offset": offset})
            assert len(sent) == count
        await downloads.release({"id": "d1"})
        await downloads.part({"id": "d1", "offset": 0})
        assert sent[-1][0]["kind"] == "unfetched"

    asyncio.run(main())
    assert list((home / "page" / "downloads").iterdir()) == []


def test_results_are_the_last_save_and_files_that_run_are_named() -> None:
    async def main() -> None:
        directory = make_session("mine")
        sent: list[tuple[dict[str, Any], list[bytes]]] = []
        downloads = _downloads(sent, results=("results.zip", write_results))
        await downloads.fetch({"id": "d0", "name": "mine", "what": "results"})
        assert sent[-1][0]["text"] == "Nothing of the session 'mine' is saved."

        store = open_store()
        plain = b"x = 1\n"
        store.put_chunk(chunk_id(plain), plain)
        entries = [
            Entry(path=name, kind="file", mode=0o644, mtime_ns=10**18, size=len(plain), chunks=(chunk_id(plain),))
            for name in ("setup.py", "work.py")
        ]
        generation = store.commit("mine", entries, Environment(), (), created_at=now())
        change(directory, saving=Saving(workspace="mine", generation=generation.number, saved_at=now()))
        data = await _all_parts(downloads, sent, "results")
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            assert archive.read("work.py") == plain
        (note,) = {message["note"] for message, _ in sent if message["kind"] == "fetched"}
        assert "setup.py" in note
        assert "work.py" not in note
        assert "not in it" not in note

        lost = b"lost"
        store.put_chunk(chunk_id(lost), lost)
        entry = Entry(path="lost.csv", kind="file", size=len(lost), chunks=(chunk_id(lost),))
        left_out = {"big.bin": "it is too large"}
        generation = store.commit("mine", [*entries, entry], Environment(), (), left_out=left_out, created_at=now())
        (pack,) = (path for path in (paths.home() / "workspaces/packs").iterdir() if lost in path.read_bytes())
        pack.write_bytes(pack.read_bytes().replace(lost, b"LOST"))
        change(directory, saving=Saving(workspace="mine", generation=generation.number, saved_at=now()))
        await downloads.fetch({"id": "d2", "name": "mine", "what": "results"})
        note = sent[-1][0]["note"]
        assert (
            "2 files are not in it: lost.csv (a part of it is damaged in the store), big.bin (it is too large)" in note
        )
        downloads.close()

    asyncio.run(main())


def test_what_goes_wrong_is_said() -> None:
    def fails(error: Exception) -> Any:
        def make(_name: str, _path: Path, _progress: Callable[[float, float], None]) -> str:
            raise error

        return make

    async def main() -> None:
        sent: list[tuple[dict[str, Any], list[bytes]]] = []
        full = OSError(28, "No space left on device")
        downloads = _downloads(sent, one=("1", fails(LauncherError("No.", "Try."))), two=("2", fails(full)))
        await downloads.fetch({"id": "a", "name": "mine", "what": "one"})
        await downloads.fetch({"id": "b", "name": "mine", "what": "two"})
        await downloads.fetch({"id": "c", "name": "mine", "what": "three"})
        assert [message["text"] for message, _ in sent] == [
            "No. Try.",
            "The file could not be made: No space left on device.",
        ]

    asyncio.run(main())


def test_an_answer_that_was_lost_is_told_again() -> None:
    made = []

    def make(_name: str, path: Path, _progress: Callable[[float, float], None]) -> str:
        made.append(path)
        path.write_bytes(b"x" * 7)
        return "Look at it."

    async def main() -> None:
        sent: list[tuple[dict[str, Any], list[bytes]]] = []
        downloads = _downloads(sent, one=("1.zip", make))
        wanted = {"id": "a", "name": "mine", "what": "one"}
        await asyncio.gather(downloads.fetch(wanted), downloads.fetch(wanted))
        await downloads.fetch(wanted)
        told = {"kind": "fetched", "id": "a", "size": 7, "file": "mine-1.zip", "note": "Look at it."}
        assert [message for message, _ in sent] == [told, told]
        assert len(made) == 1
        downloads.close()

    asyncio.run(main())
