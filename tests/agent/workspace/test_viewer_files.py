"""What the agent shows viewers of a workspace: notebooks, texts and pictures, and nothing behind a link or a dot."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from golem_launcher.agent.workspace import viewer_files
from golem_launcher.agent.workspace.copying import stamp_of
from golem_launcher.agent.workspace.wire import WireError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A workspace with all kinds of files, and secrets beside it."""
    work, outside = tmp_path / "work", tmp_path / "outside"
    for folder in ("sub/deep", ".golem-launcher", ".hidden", "node_modules/x", "venv/lib"):
        (work / folder).mkdir(parents=True)
    outside.mkdir()
    shown = ("a.ipynb", "sub/b.md", "sub/deep/ä %25.PNG")
    for number, name in enumerate(shown):
        (work / name).write_text(name)
        os.utime(work / name, (1_000_000 + number, 1_000_000 + number))
    for name in (
        ".secret.md", ".hidden/x.md", ".golem-launcher/x.md", "key.txt", "run.py", "node_modules/x/readme.md",
        "venv/pyvenv.cfg", "venv/lib/x.md", "sub/.ipynb_checkpoints.ipynb",
    ):  # fmt: skip
        (work / name).write_text("secret")
    (outside / "secret.md").write_text("secret")
    (work / "link.md").symlink_to(outside / "secret.md")
    (work / "linked").symlink_to(outside)
    return work


def stamp(path: Path) -> str:
    return stamp_of(path.stat())


def test_the_newest_comes_first_and_nothing_else_is_listed(work: Path) -> None:
    found = viewer_files.files(str(work))
    assert [path for path, *_ in found["files"]] == ["sub/deep/ä %2525.PNG", "sub/b.md", "a.ipynb"]
    assert found["files"][2] == ["a.ipynb", 7, 1_000_000 * 10**9, stamp(work / "a.ipynb")]
    assert found["more"] is False


def test_what_its_user_leaves_out_of_saves_is_not_listed(work: Path) -> None:
    (work / ".golemignore").write_text("private/\n*.ipynb\n!node_modules/\n")
    (work / "private").mkdir()
    (work / "private/x.md").write_text("secret")
    (work / "sub/.golemignore").write_text("/deep/\n")
    found = viewer_files.files(str(work))
    assert {path for path, *_ in found["files"]} == {"node_modules/x/readme.md", "sub/b.md"}


def test_of_very_many_the_newest_are_listed(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewer_files, "MOST_FILES", 2)
    found = viewer_files.files(str(work))
    assert (len(found["files"]), found["more"]) == (2, True)
    monkeypatch.setattr(viewer_files, "_MOST_LOOKED_AT", 3)
    assert viewer_files.files(str(work))["more"] is True


def test_a_file_that_is_listed_is_given(work: Path) -> None:
    for path, _, _, of_it in viewer_files.files(str(work))["files"]:
        assert b"".join(viewer_files.content(str(work), path, of_it))
    assert b"".join(viewer_files.content(str(work), "a.ipynb", stamp(work / "a.ipynb"))) == b"a.ipynb"


@pytest.mark.parametrize(
    "path",
    ["../outside/secret.md", "sub/../../outside/secret.md", "/etc/hosts.md", ".secret.md", ".hidden/x.md", "key.txt",
     ".golem-launcher/x.md", "sub//b.md", "", "a.ipynb\0.md", 7, None, ["a.ipynb"], "x" * 500 + ".md"],
)  # fmt: skip
def test_what_is_hidden_or_elsewhere_is_not_given(work: Path, path: object) -> None:
    with pytest.raises(WireError):
        viewer_files.content(str(work), path, "")


@pytest.mark.parametrize("path", ["link.md", "linked/secret.md"])
def test_no_link_is_followed(work: Path, path: str) -> None:
    with pytest.raises(OSError, match=r"links|directory"):
        viewer_files.content(str(work), path, stamp(work / path))


def test_another_file_than_was_listed_is_not_given(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = stamp(work / "a.ipynb")
    (work / "a.ipynb").write_text("another")
    with pytest.raises(OSError, match="written"):
        viewer_files.content(str(work), "a.ipynb", before)
    monkeypatch.setattr(viewer_files, "LARGEST", 3)
    with pytest.raises(OSError, match="written"):
        viewer_files.content(str(work), "a.ipynb", stamp(work / "a.ipynb"))


def test_a_pipe_holds_nobody_up(work: Path) -> None:
    os.mkfifo(work / "pipe.md")
    assert "pipe.md" not in [path for path, *_ in viewer_files.files(str(work))["files"]]
    with pytest.raises(OSError, match="written"):
        viewer_files.content(str(work), "pipe.md", stamp(work / "pipe.md"))
