import contextlib
import json
from dataclasses import asdict, replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golem_launcher.errors import WorkspaceError
from golem_launcher.workspace.repository import entries
from golem_launcher.workspace.repository.entries import checked
from golem_launcher.workspace.repository.entry import Entry, chunk_id, shown
from golem_launcher.workspace.repository.manifest import Environment, Manifest, parse

NOW = datetime(2026, 5, 6, tzinfo=UTC)
ID = chunk_id(b"x")


def made(*entries):
    return Manifest("w", 1, None, NOW, checked(list(entries)), Environment(("numpy",), ("numpy==1",)), ("odd",))


def dumped(value):
    return [value.first_line(), *value.lines()]


def test_it_comes_back_as_it_was_written():
    value = made(
        Entry("a", "directory", 0o755),
        Entry("a/b.txt", "file", 0o644, 1, 1, (ID,)),
        Entry("a/l", "link", 0o777, 1, 0, (), "../a/b.txt"),
    )
    assert parse(dumped(value)) == value
    assert value.files == 1
    assert value.size == 1
    assert list(value.entries.chunk_ids()) == [bytes.fromhex(ID)]


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../x",
        "a/../../x",
        "a/./b",
        "a//b",
        "",
        ".",
        "..",
        "a\0b",
        "a\\b",
        "x" * 256,
        "a/" * 170 + "b",
        "\udcff",
    ],
)
def test_no_path_leaves_the_workspace_or_is_written_otherwise_elsewhere(path):
    with pytest.raises(WorkspaceError, match=r"not allowed|too long|too deep"):
        checked([Entry(path, "file")])


@pytest.mark.parametrize(
    "entry",
    [
        Entry("a", "device"),
        Entry("a", "file", mode=0o4755),
        Entry("a", "file", mode=True),
        Entry("a", "file", size=-1),
        Entry("a", "file", size=10**15, chunks=(ID,)),
        Entry("a", "file", chunks=("../x",)),
        Entry("a", "directory", chunks=(ID,)),
        Entry("a", "link"),
        Entry("a", "file", target="x"),
        Entry("a", "file", mtime_ns=1 << 70),
        Entry("l", "link", target="/etc/passwd"),
        Entry("a/l", "link", target="../../x"),
        Entry("a/l", "link", target="b/../../../x"),
    ],
)
def test_nothing_but_files_directories_and_links_inside(entry):
    with pytest.raises(WorkspaceError):
        checked([entry])


def test_no_two_files_have_one_name_and_case_makes_two():
    with pytest.raises(WorkspaceError, match="one name"):
        checked([Entry("x", "file"), Entry("x", "directory")])
    for one, other in (("a/B", "a/b"), ("caf\u00e9", "cafe\u0301")):
        assert len(checked([Entry(one, "file"), Entry(other, "file")])) == 2


def test_nothing_lies_below_a_file_or_a_link():
    for above in (Entry("a", "file"), Entry("a", "link", target="b")):
        with pytest.raises(WorkspaceError, match="no directory"):
            checked([above, Entry("a/b/c", "file")])


@pytest.mark.slow
def test_a_million_files_are_refused():
    entry = Entry("x", "file")
    with pytest.raises(WorkspaceError, match="files"):
        checked([entry] * (entries.MOST_ENTRIES + 1))


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
)


@given(st.binary() | JUNK.map(lambda value: json.dumps(value).encode()))
def test_junk_is_no_manifest(data):
    with pytest.raises(WorkspaceError):
        parse([data])


@given(st.sampled_from(sorted(asdict(made()))), JUNK)
def test_a_wrong_field_is_refused_or_harmless(name, value):
    head, *files = b"".join(dumped(made(Entry("a", "file")))).splitlines()
    with contextlib.suppress(WorkspaceError):
        parse([b"\n".join([json.dumps(json.loads(head) | {name: value}).encode(), *files])])


@given(st.sampled_from(sorted(asdict(Entry("a", "file")))), JUNK)
def test_a_wrong_field_of_a_file_is_refused_or_harmless(name, value):
    head, file = b"".join(dumped(made(Entry("a", "file")))).splitlines()
    try:
        found = parse([head, b"\n", json.dumps(json.loads(file) | {name: value}).encode()])
    except WorkspaceError:
        return
    assert not found.entries[0].path.startswith(("/", ".."))


def test_names_are_shown_without_their_tricks():
    assert shown("a\x1b[2J\u202eb") == "a\\x1b[2J\\u202eb"
    assert replace(Entry("a", "file"), path="b").path == "b"
