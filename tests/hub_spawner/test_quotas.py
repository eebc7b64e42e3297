"""What users of a hub may spend, by their own sessions' files."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from golem_launcher import files, paths
from golem_launcher.cli.main import app
from golem_launcher.errors import BudgetError, LauncherError
from golem_launcher.events import Stage
from golem_launcher.hub_spawner import quotas, users
from golem_launcher.hub_spawner.account import UserAccount, account
from golem_launcher.hub_spawner.quotas import Quota, Quotas
from golem_launcher.processes import ProcessRecord
from golem_launcher.request import parse_request
from golem_launcher.session.cleanup import trash
from golem_launcher.session.on_disk.directory import SessionDirectory, create_session_directory
from golem_launcher.session.on_disk.liveness import SUPERVISOR_FILE
from golem_launcher.session_state import SessionState

if TYPE_CHECKING:
    from pathlib import Path

    from golem_launcher.hub_spawner.users import HubUser
    from golem_launcher.request import LaunchRequest

NOW = datetime(2026, 7, 20, 12, tzinfo=UTC)


@pytest.fixture
def ann(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HubUser:
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))
    return users.established("ann", "ann", ("staff", "students"))


def _session(
    user: HubUser, stage: Stage, *, began: datetime = NOW, cost: str = "0", ran: int = 0, **asked: object
) -> None:
    """A session of the user's, as its supervisor leaves it on disk; what had its name is put aside."""
    request = parse_request({"name": "ann", "network": "hoodi", "budget": "2", **asked})
    ended = began + timedelta(hours=ran) if stage.final else None
    state = SessionState(
        name=request.name,
        network=request.network,
        stage=stage,
        budget=request.budget,
        cost=Decimal(cost),
        created_at=began,
        stages=((Stage.READY, began),) if stage.final else (),
        ended_at=ended,
        ran_seconds=ran * 3600 if stage.final else None,
    )
    with paths.home_of(user.home):
        before = SessionDirectory(paths.sessions_directory() / request.name)
        if before.path.exists():
            trash.put(before)
        create_session_directory(request).write_state(state)


def _account(user: HubUser, token: str = "tGLM") -> UserAccount:
    return account(user, token, NOW)


def test_the_account_is_that_of_all_sessions_of_the_month(ann: HubUser) -> None:
    assert _account(ann) == UserAccount()
    _session(ann, Stage.ENDED, began=NOW - timedelta(days=30), cost="1.9", ran=5)  # in June
    _session(ann, Stage.ENDED, cost="0.25", ran=2)
    _session(ann, Stage.FAILED, cost="0.05")
    _session(ann, Stage.READY, machines=2, gpus=1, hours=4, budget="1.5", name="ann-more")
    assert _account(ann) == UserAccount(Decimal("0.30"), Decimal("1.5"), Decimal(6), machines=2, gpus=2)
    assert _account(ann, "GLM") == UserAccount(hours=Decimal(6), machines=2, gpus=2)  # another coin
    assert _account(users.established("bob", "bob", ())) == UserAccount()


def test_what_is_deleted_counts_all_the_same(ann: HubUser) -> None:
    for _ in range(25):  # more than are kept
        _session(ann, Stage.ENDED, cost="0.1", ran=1)
    with paths.home_of(ann.home):
        assert len(trash.kept()) < 24
    assert _account(ann) == UserAccount(spent=Decimal("2.5"), hours=Decimal(25))


def _asks(**values: object) -> LaunchRequest:
    return parse_request({"name": "ann", "budget": "0.5", "hours": "2", **values})


@pytest.mark.parametrize(
    ("quota", "held", "asked", "said"),
    [
        (
            Quota(coins=Decimal(2)),
            UserAccount(Decimal(1), Decimal("0.6")),
            _asks(),
            "0.4 are left, and this asks for 0.5",
        ),
        (Quota(hours=Decimal(3)), UserAccount(hours=Decimal("1.5")), _asks(), "1.5 are left, and this asks for 2"),
        (Quota(machines=1), UserAccount(machines=1), _asks(), "1 machine at a time; you have 1, and this asks for 1"),
        (Quota(machines=3), UserAccount(), _asks(workers=3), "this asks for 16"),  # a notebook may ask for so many
        (Quota(gpus=0), UserAccount(), _asks(gpus=1), "0 GPUs at a time"),
        (Quota(gpus=3), UserAccount(gpus=1), _asks(gpus=1, machines=3), "this asks for 3"),
    ],
)
def test_what_goes_beyond_is_refused(quota: Quota, held: UserAccount, asked: LaunchRequest, said: str) -> None:
    with pytest.raises(BudgetError, match=said):
        quotas.check(quota, held, asked, "GLM")


def test_what_fits_exactly_is_not_refused() -> None:
    quota = Quota(coins=Decimal(2), hours=Decimal(4), machines=2, gpus=0)
    quotas.check(quota, UserAccount(Decimal(1), Decimal("0.5"), Decimal(2), machines=1), _asks(), "GLM")
    quotas.check(Quota(), UserAccount(Decimal(10**6), machines=10**6), _asks(gpus=16), "GLM")


def test_the_users_own_figure_then_the_most_generous_groups_then_everybodys(ann: HubUser) -> None:
    said = Quotas(
        everybody=Quota(coins=Decimal(1), hours=Decimal(10), machines=1),
        groups={"students": Quota(coins=Decimal(2), gpus=0), "staff": Quota(coins=Decimal(5)), "else": Quota(gpus=9)},
        users={"ann": Quota(hours=Decimal(0)), "bob": Quota(coins=Decimal(99))},
    )
    assert said.of(ann) == Quota(coins=Decimal(5), hours=Decimal(0), machines=1, gpus=0)
    quotas.write(said)
    assert quotas.read() == said


def test_quotas_that_cannot_be_read_let_nobody_spend(ann: HubUser) -> None:
    assert quotas.read() == Quotas()
    (ann.home.parent.parent / "quotas.json").write_text("{")
    with pytest.raises(LauncherError, match="can't be read"):
        quotas.read()


def test_a_directory_is_one_users(ann: HubUser) -> None:
    assert users.established("ann", "ann", ("students",)).home == ann.home
    with pytest.raises(LauncherError, match="Another user"):
        users.established("ann", "Ann", ())
    for wrong in ("../ann", "", ".", "a/b"):
        with pytest.raises(LauncherError):
            users.established(wrong, "ann", ())
    assert [(one.name, one.groups) for one in users.known()] == [("ann", ("students",))]
    files.write_atomic(ann.home / "user.json", b"{")
    with pytest.raises(LauncherError, match="whose directory"):
        users.established("ann", "ann", ())


def test_the_command_sets_and_lists(ann: HubUser, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*words: str) -> str:
        with pytest.raises(SystemExit) as ended:
            app(["quota", *words])
        told = capsys.readouterr()
        return told.out if ended.value.code == 0 else f"{ended.value.code} {told.err}"

    _session(ann, Stage.ENDED, cost="0.25", ran=2, began=datetime.now(UTC))
    run("set", "--glm", "5", "--machines", "1")
    assert run("set", "--group", "students", "--glm", "7,5", "--gpus", "0").startswith("Set")
    run("set", "--user", "bob", "--hours", "3")
    run("set", "--glm", "none")
    assert quotas.read() == Quotas(
        everybody=Quota(machines=1),
        groups={"students": Quota(coins=Decimal("7.5"), gpus=0)},
        users={"bob": Quota(hours=Decimal(3))},
    )
    said = run("list", "--network", "hoodi").splitlines()
    assert [line.split() for line in said[1:4]] == [
        ["(everybody)", "1"], ["group", "students", "7.5", "0"], ["user", "bob", "3"],
    ]  # fmt: skip
    head, row = said[-2:]
    assert head.split()[:4] == ["USER", "GROUPS", "tGLM", "SPENT"]
    assert row.split() == ["ann", "staff,", "students", "0.25", "0", "7.5", "2", "0", "of", "1", "0", "of", "0"]
    (told,) = json.loads(run("list", "--network", "hoodi", "--json"))
    assert (told["user"], told["account"]["spent"], told["quota"]["coins"]) == ("ann", "0.25", "7.5")
    for wrong in (("--glm", "many"), ("--machines", "1.5"), ("--glm=-1",), (), ("--user=a", "--group=b", "--glm=1")):
        assert run("set", *wrong).startswith("2 ")


def test_nothing_is_stopped_while_a_users_server_runs(ann: HubUser, capsys: pytest.CaptureFixture[str]) -> None:
    _session(ann, Stage.READY)
    server = ann.home / "sessions" / "ann" / SUPERVISOR_FILE
    files.write_atomic(server, json.dumps(ProcessRecord.of(os.getpid()).to_json()).encode())
    with pytest.raises(SystemExit) as ended:
        app(["down"])
    told = capsys.readouterr()
    assert (ended.value.code, "Stopped" in told.out) == (1, False)
    assert "'ann' runs" in told.err
    assert "admin page" in told.err
