"""What an agent says of notebooks' variables: a stranger's words."""

import json
import threading

import pytest

from golem_launcher.agent.kept_variables import kept_variables
from golem_launcher.agent.kernel_state.chunk_files import ChunkFiles
from golem_launcher.agent.kernel_state.pickler import Limits
from golem_launcher.agent.kernel_state.saving import save
from golem_launcher.session.saving.kept_variables import read


def _state(root, name, notebook, **variables):
    directory = root / ".jupyter" / "state" / name
    save(
        ChunkFiles(str(directory)),
        variables,
        {"f": "def f(): pass"},
        limits=Limits(1 << 30, 60.0),
        left_out=["apikey"],
    )
    (directory / "notebook").write_text(notebook)
    return directory


def test_what_is_kept_is_told_in_a_line_for_each_notebook(tmp_path):
    _state(tmp_path, "0" * 16, "work.ipynb", big=bytes(3_000_000), x=1, lock=threading.Lock(), apikey="hush")
    _state(tmp_path, "1" * 16, "golem-kernel-" + 24 * "a", y=2)
    damaged = _state(tmp_path, "2" * 16, "damaged.ipynb", z=1)
    (damaged / "state-1.json").write_text('{"groups": [{"names": 3}]}')
    told = json.dumps(kept_variables(str(tmp_path)))
    assert "hush" not in told
    first, second = read(told.encode())
    assert first.words == (
        "work.ipynb: 3 variables kept, 2.9 MiB (big 2.9 MiB, x 21 bytes, f); not kept: lock (a lock); left out: apikey"
    )
    assert second.words.startswith("a notebook of your computer: 2 variables kept, ")
    assert kept_variables(str(tmp_path / "nowhere")) == []


def test_many_variables_are_counted_and_some_are_named(tmp_path):
    _state(tmp_path, "0" * 16, "n.ipynb", **{f"name{number:04}" + "x" * 200: number for number in range(3000)})
    told = json.dumps(kept_variables(str(tmp_path)))
    assert len(told) < 8000
    (one,) = read(told.encode())
    assert one.count == 3001
    assert one.words.count("name") == 8
    assert "and 2,993 more" in one.words


_SOUND = {"notebook": "a", "names": [["x", 1]], "count": 1, "bytes": 1, "lost": [], "lost_count": 0, "left_out": []}


@pytest.mark.parametrize(
    "lie",
    [
        b"", b"[", b"{}", b"[" * 100_000, b'[["a"]]', b"[1]", b"null",
        *(json.dumps([{**_SOUND, **more}]).encode() for more in (
            {"notebook": None}, {"names": 5}, {"names": [["x"]]}, {"names": [[1, 2]]}, {"bytes": -1}, {"count": "many"},
            {"lost": [["x", {"why": 1}]]}, {"left_out": [[]]}, {"bytes": float("inf")},
        )),
    ],
)  # fmt: skip
def test_what_is_no_such_answer_says_nothing(lie):
    assert read(lie) is None


def test_what_is_said_is_short_and_plain():
    evil = "\x1b[31m<script>\u202e\n" + "x" * 300
    value = {
        **_SOUND, "notebook": evil, "names": [[evil, 10**18]] * 21, "count": 10**18, "lost": [[evil, evil]] * 11,
        "bytes": 10**18, "lost_count": 10**9, "left_out": [evil] * 11,
    }  # fmt: skip
    (one, *others) = read(json.dumps([value] * 11).encode())
    assert len(others) == 9
    assert len(one.model_dump_json()) < 8000
    assert one.bytes == 1 << 50
    assert not {"\x1b", "\u202e", "\n"} & set(one.words)
    assert len(one.words) < 5000
