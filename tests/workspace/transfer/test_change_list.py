from hypothesis import given, settings
from hypothesis import strategies as st

from golem_launcher.agent.workspace import wire
from golem_launcher.errors import WorkspaceError
from golem_launcher.workspace.repository import entry_record
from golem_launcher.workspace.repository.entries import Entries
from golem_launcher.workspace.transfer.change_list import ChangeListReader
from tests.examples import examples

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from(["f", "d", "l", "-", "a/b"]),
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.dictionaries(st.sampled_from(["list", "base", "end", "notes", "entries"]), inner)
    ),
    max_leaves=12,
)


@settings(max_examples=examples(200))
@given(st.lists(_JSON, max_size=6), st.booleans())
def test_lists_of_anything_end_in_a_plan_or_a_refusal(lines, whole):
    head, end = {"list": "p", "base": None}, {"end": True, "entries": 1, "notes": [], "environment": None, "state": ""}
    values = [head, *lines, end] if whole else lines
    reader = ChangeListReader()
    try:
        for piece in wire.pack_lines(values):
            reader.feed(piece)
        listed = reader.end()
    except WorkspaceError:
        return
    there = [each for each in listed.changes if not entry_record.is_gone(each)]
    for entry in Entries(there):
        assert not {"", ".", ".."} & set(entry.path.split("/"))
        assert Entries.of([entry]).records[0] in there
    assert list(listed.changes) == sorted(listed.changes)
