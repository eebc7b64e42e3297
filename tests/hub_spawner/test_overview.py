"""What administrators of a hub are shown, of users' own files."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from golem_launcher import files, paths
from golem_launcher.errors import LauncherError
from golem_launcher.events import Stage
from golem_launcher.hub_spawner import overview, quotas, users
from golem_launcher.hub_spawner.account import account
from golem_launcher.hub_spawner.overview_html import page
from golem_launcher.hub_spawner.quotas import Quota, Quotas
from golem_launcher.processes import ProcessRecord
from golem_launcher.request import parse_request
from golem_launcher.session.on_disk.directory import create_session_directory
from golem_launcher.session.on_disk.liveness import SUPERVISOR_FILE
from golem_launcher.session_state import MachineState, Saving, SessionState

if TYPE_CHECKING:
    from pathlib import Path

    from golem_launcher.hub_spawner.users import HubUser

HOSTILE = "<script>\"'&"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))


def make_server(user: HubUser, *, runs: bool, cost: str = "0.25", **state: object) -> None:
    """A server of the user's; one that runs is looked after by this process."""
    now = datetime.now(UTC)
    request = parse_request({"name": user.home.name, "network": "hoodi", "budget": "2", "hours": 3, "gpus": 1})
    told = {
        "name": request.name, "network": "hoodi", "stage": Stage.READY if runs else Stage.ENDED, "budget": Decimal(2),
        "cost": Decimal(cost), "created_at": now, "stages": ((Stage.READY, now),),
        "machines": (MachineState(stage=Stage.READY, provider_name=HOSTILE, price_per_hour=Decimal("0.5")),),
        "saving": Saving(workspace=request.name, generation=3, saved_at=now), "ran_seconds": 7200.0, "ended_at": now,
    }  # fmt: skip
    with paths.home_of(user.home):
        directory = create_session_directory(request)
        directory.write_state(SessionState.model_validate(told | state))
        if runs:
            record = json.dumps(ProcessRecord.of(os.getpid()).to_json()).encode()
            files.write_atomic(directory.path / SUPERVISOR_FILE, record)


def test_it_is_the_ledger_of_the_quota_command_by_user_and_by_group() -> None:
    ann = users.established("ann", "ann", ("staff", "students"))
    bob = users.established("bob", "bob", ("students",))
    make_server(ann, runs=True)
    make_server(bob, runs=False)
    of_groups = {"students": Quota(coins=Decimal(5)), "new": Quota(gpus=0)}
    quotas.write(Quotas(everybody=Quota(machines=2), groups=of_groups))
    found = overview.read("hoodi")
    assert [(line.user.name, line.account) for line in found.users] == [
        ("ann", account(ann, "tGLM")),
        ("bob", account(bob, "tGLM")),
    ]
    assert [line.quota for line in found.users] == [Quota(coins=Decimal(5), machines=2)] * 2
    groups = {line.name: line for line in found.groups}
    assert {name: line.members for name, line in groups.items()} == {"": 2, "new": 0, "staff": 1, "students": 2}
    assert groups["students"].account == groups[""].account
    assert (groups["students"].account.spent, groups["students"].account.set_aside) == (Decimal("0.25"), Decimal(2))
    assert (groups["students"].account.machines, groups["staff"].account.gpus) == (1, 1)
    (server,) = found.servers
    assert (server.user.name, server.state.name, server.gpus, server.can_end) == ("ann", "ann", 1, True)


def test_what_cannot_be_read_is_said_and_hides_nobody_else() -> None:
    ann, bob = (users.established(name, name, ()) for name in ("ann", "bob"))
    make_server(ann, runs=False)
    make_server(bob, runs=False)
    for path in (ann.home / "sessions" / "ann").iterdir():
        path.write_bytes(b"{")
    found = overview.read("hoodi")
    assert [(line.user.name, line.account is None) for line in found.users] == [("ann", True), ("bob", False)]
    assert found.users[0].problem in page(found, prefix="/", hub="/", xsrf="").replace("&#x27;", "'")


def test_only_a_server_that_runs_is_ended() -> None:
    make_server(users.established("ann", "ann", ()), runs=False)
    for slug, name in (("ann", "ann"), ("ann", "other"), ("bob", "bob"), ("../ann", "ann"), ("", "")):
        with pytest.raises(LauncherError, match="does not run any more"):
            overview.end(slug, name)


def test_nothing_of_it_is_markup() -> None:
    ann = users.established("ann", HOSTILE, (HOSTILE,))
    make_server(ann, runs=True, trouble=HOSTILE)
    text = page(overview.read("hoodi"), prefix="/services/golem/", hub="/hub/", xsrf=HOSTILE, told=HOSTILE)
    assert "<script" not in text
    assert text.count("&lt;script&gt;&quot;&#x27;&amp;") >= 7
    assert 'action="/services/golem/end"' in text
    assert 'name="user" value="ann"' in text


def test_one_that_ends_already_is_not_ended_again() -> None:
    make_server(users.established("ann", "ann", ()), runs=True, stage=Stage.SAVING)
    text = page(overview.read("hoodi"), prefix="/", hub="/", xsrf="")
    assert "on its way" in text
    assert "<form" not in text
