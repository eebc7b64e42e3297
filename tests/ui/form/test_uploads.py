from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import stat
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golem_launcher.request import parse_request
from golem_launcher.session.on_disk.directory import create_session_directory
from golem_launcher.ui.form import uploads
from golem_launcher.ui.form.folder_upload import LONGEST_LIST, unpack
from golem_launcher.ui.form.preferences import uploads_directory
from golem_launcher.ui.form.upload_names import clean_file_name
from golem_launcher.ui.form.uploads import Uploads, sweep_uploads

_PLACE = "0123456789abcdef"


class _Browser:
    """Sends messages; keeps the answers."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.uploads = Uploads(self.told.append)

    async def send(self, name: str, data: bytes, identifier: str = "1") -> Path:
        await self.begin(name, len(data), identifier)
        while not self.told[-1]["path"]:
            at = self.told[-1]["at"]
            await self.part(identifier, at, data[at : at + 1000])
        return Path(self.told[-1]["path"])

    async def send_folder(self, name: str, files: dict[str, bytes], identifier: str = "1") -> Path:
        listed = json.dumps([[path, len(data)] for path, data in files.items()]).encode()
        data = listed + b"".join(files.values())
        await self.begin(name, len(data), identifier, listed=len(listed))
        await self.part(identifier, 0, data)
        return Path(self.told[-1]["path"])

    async def begin(self, name: str, size: Any, identifier: str = "1", **more: Any) -> dict[str, Any]:
        content = {"id": identifier, "name": name, "size": size, "changed": 1700000000000, "place": _PLACE, **more}
        await self.uploads.begin(content)
        return self.told[-1] if self.told else {}

    async def part(self, identifier: str, at: Any, data: bytes) -> dict[str, Any]:
        await self.uploads.part({"id": identifier, "at": at, "buffers": [memoryview(data)]})
        return self.told[-1]


def test_files_arrive_whole_private_and_under_names_of_their_own() -> None:
    async def main() -> None:
        browser = _Browser()
        data = os.urandom(4321)
        first = await browser.send("data.csv", data)
        second = await browser.send("data.csv", b"other", "2")
        empty = await browser.send("../../.bashrc", b"", "3")
        assert [path.name for path in (first, second, empty)] == ["data.csv", "data (2).csv", ".bashrc"]
        assert {path.parent.parent for path in (first, second, empty)} == {uploads_directory()}
        assert (first.read_bytes(), second.read_bytes(), empty.read_bytes()) == (data, b"other", b"")
        assert stat.S_IMODE(first.stat().st_mode) == 0o600
        assert stat.S_IMODE(first.parent.stat().st_mode) == 0o700
        await browser.uploads.remove({"id": "1"})
        assert not first.exists()

    asyncio.run(main())


def test_parts_that_come_twice_out_of_place_or_too_large_change_nothing() -> None:
    async def main() -> None:
        browser = _Browser()
        await browser.begin("x", 6)
        await browser.begin("x", 6)  # the answer to the first was lost
        assert (await browser.part("1", 0, b"abc"))["at"] == 3
        for at, data in ((0, b"abc"), (5, b"x"), (-1, b"x"), ("3", b"x"), (3, b"too long"), (3, b"")):
            assert (await browser.part("1", at, data))["at"] == 3
        await browser.uploads.part({"id": "1", "at": 3})
        answer = await browser.part("1", 3, b"def")
        assert answer["path"].endswith("/x")
        assert (await browser.part("1", 6, b"more"))["path"] == answer["path"]

    asyncio.run(main())
    (path,) = uploads_directory().glob("*/x")
    assert path.read_bytes() == b"abcdef"


def test_how_far_a_file_is_can_be_asked_and_each_answer_says_to_what() -> None:
    async def main() -> None:
        browser = _Browser()
        begin = {"id": "1", "name": "x", "size": 6, "changed": 1, "place": _PLACE}
        await browser.uploads.begin({**begin, "asked": 1})
        await browser.uploads.part({"id": "1", "asked": 2, "at": 0, "buffers": [b"abc"]})
        await browser.uploads.begin({**begin, "asked": 3})
        await browser.uploads.begin({**begin, "asked": "<b>"})
        assert [(told["asked"], told["at"]) for told in browser.told] == [(1, 0), (2, 3), (3, 3), (None, 3)]

    asyncio.run(main())


def test_a_cancelled_upload_leaves_nothing() -> None:
    async def main() -> None:
        browser = _Browser()
        await browser.begin("x", 6)
        await browser.part("1", 0, b"abc")
        await browser.uploads.remove({"id": "1"})
        told = len(browser.told)
        await browser.part("1", 3, b"def")
        assert len(browser.told) == told
        (directory,) = uploads_directory().iterdir()
        assert list(directory.iterdir()) == []

    asyncio.run(main())


def test_what_a_session_was_started_with_is_kept_for_it_but_leaves_the_form() -> None:
    """It may need the file again, on another provider."""

    async def main() -> None:
        browser = _Browser()
        used = await browser.send("data.csv", b"used")
        free = await browser.send("free.csv", b"free", "2")
        create_session_directory(parse_request({"name": "mine", "inputs": [str(used)]}))
        for identifier in ("1", "2"):
            await browser.uploads.remove({"id": identifier})
        assert used.read_bytes() == b"used"
        assert not free.exists()

        after = _Browser()
        await after.uploads.here({"uploads": _PLACE})
        assert after.told[-1]["files"] == []
        again = await after.send("data.csv", b"another")
        assert (again.name, used.read_bytes()) == ("data (2).csv", b"used")

    asyncio.run(main())


def test_what_came_before_a_reload_is_there_and_the_rest_goes_on() -> None:
    async def main() -> None:
        before = _Browser()
        whole = await before.send("data.csv", b"whole")
        await before.begin("data.csv", 6, "2")
        await before.part("2", 0, b"abc")

        after = _Browser()
        await after.uploads.here({"uploads": "../../../../etc"})
        assert after.told == []
        await after.uploads.here({"uploads": _PLACE})
        kept = {one["name"]: (one["at"], one["size"], one["path"]) for one in after.told[-1]["files"]}
        assert kept == {"data.csv": (5, 5, str(whole)), "data (2).csv": (3, 6, None)}
        again = await after.begin("data.csv", 6, "9")
        assert (again["name"], again["at"]) == ("data (2).csv", 3)
        assert (await after.part("9", 3, b"def"))["path"] == str(whole.with_name("data (2).csv"))
        assert whole.with_name("data (2).csv").read_bytes() == b"abcdef"
        assert (await after.begin("data.csv", 6, "10"))["name"] == "data (3).csv"  # another one of the same name
        await after.uploads.remove({"id": f"{_PLACE}/data.csv"})
        assert not whole.exists()
        odd = await after.begin(".golem-part-5-5-x", 1, "11")
        assert odd["name"] == "part-5-5-x"

    asyncio.run(main())


def test_what_does_not_fit_the_disk_is_refused_before_it_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "_ROOM", shutil.disk_usage("/").free * 2)

    async def main() -> None:
        browser = _Browser()
        await browser.begin("x", 1)
        assert "room for 0 bytes" in browser.told[-1]["text"]
        for size in (-1, "9", None):
            await browser.begin("x", size, "2")
        assert len(browser.told) == 1

    asyncio.run(main())


def test_a_folder_comes_as_one_file_and_is_a_folder_here() -> None:
    files = {"a.txt": b"a", "deep/er/b.bin": os.urandom(800), "deep/empty": b"", "../../../out": b"x", "deep/..": b"y"}

    async def main() -> None:
        browser = _Browser()
        whole = await browser.send_folder("project", files)
        assert whole.parent == uploads_directory() / _PLACE
        found = {str(path.relative_to(whole)): path.read_bytes() for path in whole.rglob("*") if path.is_file()}
        assert found == {
            "a.txt": b"a",
            "deep/er/b.bin": files["deep/er/b.bin"],
            "deep/empty": b"",
            "file/file/file/out": b"x",
            "deep/file": b"y",
        }
        assert {stat.S_IMODE(path.stat().st_mode) for path in whole.rglob("*.*")} == {0o600}
        assert (await browser.send_folder("project", {"a": b""}, "2")).name == "project (2)"

        after = _Browser()
        await after.uploads.here({"uploads": _PLACE})
        kept = {one["name"]: (one["count"], one["size"], one["path"]) for one in after.told[-1]["files"]}
        assert kept == {"project": (5, 803, str(whole)), "project (2)": (1, 0, f"{whole} (2)")}
        await after.uploads.remove({"id": f"{_PLACE}/project"})
        assert not whole.exists()

    asyncio.run(main())


@pytest.mark.parametrize(
    "listed", ["", "nonsense", "{}", '[["x", 2]]', '[["x", -1]]', '[["x"]]', '[["", 1]]', "[" * 9999]
)
def test_what_is_no_folder_is_refused_and_leaves_nothing(listed: str) -> None:
    async def main() -> None:
        browser = _Browser()
        words = listed.encode() or b"[]"
        await browser.begin("x", len(words) + 1, listed=len(words))
        await browser.part("1", 0, words + b"x")
        assert browser.told[-1]["kind"] == "upload refused"
        assert list((uploads_directory() / _PLACE).iterdir()) == []
        await browser.begin("x", LONGEST_LIST + 2, listed=LONGEST_LIST + 1)
        assert "too many files" in browser.told[-1]["text"]

    asyncio.run(main())


@given(st.lists(st.text(max_size=40), max_size=8))
def test_whatever_the_paths_a_folder_stays_in_its_place(paths: list[str]) -> None:
    with TemporaryDirectory() as directory:
        listed = json.dumps([[path, 1] for path in paths]).encode()
        packed, folder = Path(directory, "packed"), Path(directory, "folder")
        packed.write_bytes(listed + b"x" * len(paths))
        with contextlib.suppress(ValueError, OSError):
            unpack(packed, len(listed), folder)
        assert {path.name for path in Path(directory).iterdir()} <= {"packed", "folder"}


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("C:\\Users\\me\\data.csv", "data.csv"),
        ("/etc/passwd", "passwd"),
        ("..", "file"),
        ("", "file"),
        ("a\x00b\n\u202ecsv.exe", "abcsv.exe"),
        ("Übung  1.ipynb", "Übung 1.ipynb"),
        ("x" * 500 + ".tar.gz", "x" * 177 + ".gz"),
        ("\ud800", "file"),
    ],
)
def test_names(name: str, cleaned: str) -> None:
    assert clean_file_name(name) == cleaned


@given(st.text(max_size=400))
def test_whatever_the_name_it_is_one_of_a_file(name: str) -> None:
    cleaned = clean_file_name(name)
    assert 0 < len(cleaned.encode()) <= 255 - 30  # and a number may come to it
    assert cleaned not in {".", ".."}
    assert "/" not in cleaned
    assert cleaned.isprintable()


def test_old_uploads_go_unless_a_session_was_started_with_them() -> None:
    places = [uploads_directory() / name for name in ("old", "used", "new")]
    for place in places:
        place.mkdir()
        (place / "x").write_bytes(b"x")
    create_session_directory(parse_request({"name": "mine", "inputs": [str(places[1] / "x")]}))
    for place in places[:2]:
        os.utime(place, (1, 1))
    sweep_uploads()
    assert sorted(place.name for place in uploads_directory().iterdir()) == ["new", "used"]
