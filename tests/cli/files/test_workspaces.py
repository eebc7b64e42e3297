import json
import re
import zipfile
from datetime import datetime

import pytest
from typer.testing import CliRunner

from golem_launcher import paths
from golem_launcher.cli.main import app
from golem_launcher.workspace.repository.entry import Entry
from golem_launcher.workspace.repository.store import open_store
from tests.workspace.repository.test_store import FILES, WHOLE, save


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    store = open_store()
    save(store, {"old.txt": b"old"}, flags=["1 file vanished"])
    save(store, FILES)


def command(*arguments, code=0):
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == code, done.output
    return json.loads(done.stdout) if "--json" in arguments else done.output


def test_saves_are_listed():
    (found,) = command("workspaces", "--json")
    assert (found["workspace"], found["generation"], found["files"]) == ("work", 2, 3)
    assert "work" in command("workspaces")
    zone = datetime.now().astimezone().tzname()
    for table in (command("workspaces"), command("generations", "work")):
        assert re.search(rf"\d\d:\d\d:\d\d {zone} ", table), table
    assert [one["flags"] for one in command("generations", "work", "--json")] == [["1 file vanished"], []]
    assert "1 file vanished" in command("generations", "work")
    assert "no saved workspace 'other'" in command("generations", "other", code=1)


def test_results_become_a_zip_and_nothing_is_written_over(tmp_path):
    told = command("results", "work", "--json")
    assert told["files"] == 3
    with zipfile.ZipFile(tmp_path / "work.zip") as archive:
        assert {name: archive.read(name) for name in WHOLE} == WHOLE
    assert "is there already" in command("results", "work", code=2)
    assert ": 1 file, " in command("results", "work", "--force", "--generation", "1")
    assert "has no save 9" in command("results", "work", "-o", "x.zip", "--generation", "9", code=1)
    assert "could not be written" in command("results", "work", "-o", "no/such/x.zip", code=1)
    assert {path.name for path in tmp_path.iterdir() if path.name.endswith("zip")} == {"work.zip"}
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".work") or path.name.startswith(".x")]


def test_a_zip_is_written_through_no_link_that_another_has_laid(tmp_path):
    """Where results are written, others may write as well (/tmp)."""
    (tmp_path / "mine").write_text("mine")
    for laid in (".o.zip.part", ".o.zip"):
        (tmp_path / laid).symlink_to("mine")
    command("results", "work", "-o", "o.zip")
    assert (tmp_path / "mine").read_text() == "mine"
    assert not (tmp_path / "o.zip").is_symlink()


def test_a_save_is_written_to_a_directory(tmp_path):
    command("restore", "work@1", "out")
    assert (tmp_path / "out" / "old.txt").read_bytes() == b"old"
    assert "not empty" in command("restore", "work", "out", code=1)
    assert "no number" in command("restore", "work@x", "out", code=2)


def test_all_that_was_left_out_is_named_with_the_reason_by_every_command():
    why = {f"pipe-{number:03}": "it is no file" for number in range(90)} | {"big": "the disk has no room"}
    open_store().commit("work", [Entry("a", "directory")], left_out=why)
    told = command("generations", "work", "--json")[-1]["left_out_files"]
    for found in (
        told,
        command("results", "work", "-o", "r.zip", "--json")["left_out"],
        command("restore", "work", "back", "--json")["left_out"],
    ):
        assert {each["path"]: each["reason"] for each in found} == why
    for words in (command("generations", "work"), command("restore", "work", "again")):
        assert "Left out, 91 in all" in words
        assert "pipe-000: it is no file" in words
        assert "more (all with --json)" in words


def test_damage_is_told_by_the_exit_code():
    assert "All 2 saves" in command("verify", "work")
    for pack in (paths.home() / "workspaces" / "packs").iterdir():
        pack.write_bytes(b"\0" * 10)
    assert "damaged" in command("verify", "work", code=1)


def test_nothing_is_forgotten_unasked():
    assert "--yes" in command("workspaces", "--remove", "work", code=2)
    assert "is forgotten" in command("workspaces", "--remove", "work", "--yes")
    assert command("workspaces", "--json") == []
    assert "Nothing has been saved" in command("workspaces")
