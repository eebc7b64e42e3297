from __future__ import annotations

from datetime import UTC, datetime

from golem_launcher.request import parse_request
from golem_launcher.ui.form.resumable_workspaces import saved_workspaces
from golem_launcher.workspace.repository.manifest import Environment
from golem_launcher.workspace.repository.store import open_store


def test_workspaces_can_be_chosen_with_their_last_generations() -> None:
    assert saved_workspaces() == []
    store = open_store()
    for name, times in (("thesis", 7), ("maps", 1)):
        for minute in range(times):
            at = datetime(2026, 11, 21, 7 if name == "thesis" else 8, minute, tzinfo=UTC)
            store.commit(name, [], Environment(), (), created_at=at)
    found = saved_workspaces()
    assert [saved["value"] for saved in found] == ["maps", "thesis", "thesis@6", "thesis@5", "thesis@4", "thesis@3"]
    assert [saved["older"] for saved in found] == [False, False, True, True, True, True]
    assert all(parse_request({"resume": saved["value"]}).workspace in {"maps", "thesis"} for saved in found)
