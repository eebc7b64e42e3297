from golem_launcher.agent.workspace import wire
from golem_launcher.workspace.repository.entries import Entries
from golem_launcher.workspace.repository.entry import Entry
from golem_launcher.workspace.transfer.change_list import ChangeListReader
from golem_launcher.workspace.transfer.tree import Tree


def test_a_workspace_that_is_listed_anew_is_the_same_when_nothing_changed():
    known = Entries.of([Entry("a", "directory"), *(Entry(f"a/{number}", "directory") for number in range(9))])
    lines = [["d", entry.path, entry.mode, entry.mtime_ns] for entry in known]
    end = {"end": True, "entries": 10, "notes": [], "environment": None, "state": ""}

    def told(lines):
        reader = ChangeListReader()
        for piece in wire.pack_lines([{"list": "p", "base": None}, *lines, end]):
            reader.feed(piece)
        return reader.end()

    tree, changed = Tree(known).after(told(lines))
    assert not changed
    assert tree.entries is known
    tree, changed = Tree(known).after(told([*lines[:5], ["d", "a/4", 0o700, 1], *lines[6:]]))
    assert changed
    assert [entry.path for entry in tree.entries] == [entry.path for entry in known]
    assert [index for index, (new, old) in enumerate(zip(tree.entries, known, strict=True)) if new != old] == [5]
