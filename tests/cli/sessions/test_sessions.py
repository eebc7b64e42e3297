import base64
import json
import os
import re
import shlex
import struct
import threading
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from typer.testing import CliRunner

from golem_launcher import files, paths, processes
from golem_launcher.cli.main import app
from golem_launcher.cli.sessions.formatting import session_lines
from golem_launcher.events import STOPPED, Stage
from golem_launcher.request import LaunchRequest
from golem_launcher.request.command import command as as_command
from golem_launcher.session import client
from golem_launcher.session.cleanup import housekeeping
from golem_launcher.session.on_disk.directory import create_session_directory
from golem_launcher.session_state import MachineState, Saving
from golem_launcher.workspace.repository.manifest import Environment
from golem_launcher.workspace.repository.store import open_store
from tests.ui.made import GOOD_START, change, make_session


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))


def run(*arguments):
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--name", "No Good!"], "Name"),
        (["--name", "a/../b"], "Name"),
        (["--network", "moon"], "there is no network 'moon'"),
        (["--budget", "0"], "Budget"),
        (["--budget", "lots"], "Budget"),
        (["--budget", "nan"], "Budget"),
        (["--hours", "-1"], "Time"),
        (["--cpus", "0"], "Cores"),
        (["--cpus", "two"], "Cores"),
        (["--mem", "1e9"], "Memory"),
        (["--disk", "nope"], "Disk"),
    ],
)
def test_a_bad_request_is_bad_usage_and_starts_nothing(arguments, named):
    result = run("start", *arguments)
    assert result.exit_code == 2
    assert named in result.stderr
    assert "Traceback" not in result.stderr
    assert not list(paths.sessions_directory().iterdir())


@pytest.fixture
def saved(tmp_path):
    """A workspace with one generation, and a file where a store can't be."""
    (tmp_path / "file").write_text("no folder")
    store = open_store()
    store.establish()
    store.commit("mine", [], Environment(), [])
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--resume", "nobody"], "there is no saved workspace 'nobody'. See `golem-launcher workspaces`"),
        (["--resume", "mine@7"], "no save 7"),
        (["--resume", "mine", "--store", "PLACE/elsewhere"], "there is no saved workspace 'mine'"),
        (["--store", "PLACE/file/store"], "Not a directory"),
        (["--store", "PLACE/file"], "Not a directory"),
        (["--store", "moon://bucket"], "There is no kind of store 'moon://'"),
        (["--store", "sftp://127.0.0.1:1/saves"], "can't be reached"),
        (["--image", "nowhere"], "nowhere"),
        (["--outbound-permit", "PLACE/file", "--outbound", "unrestricted"], "PLACE/file"),
    ],
)
def test_what_can_be_refused_at_once_starts_nothing(saved, arguments, said):
    result = run("start", "--name", "none", *(one.replace("PLACE", str(saved)) for one in arguments))
    assert result.exit_code in {1, 2}
    assert said.replace("PLACE", str(saved)) in result.stderr
    assert "is starting" not in result.stdout
    assert not (paths.sessions_directory() / "none").exists()
    assert not (saved / "elsewhere").exists()


def test_what_a_supervisor_finds_out_at_once_is_told_by_start(monkeypatch):
    """Here it is the node's address, at which nobody answers."""
    monkeypatch.setenv("YAGNA_API_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("YAGNA_APPKEY", "key")
    result = run("start", "--name", "none", "--network", "hoodi")
    assert result.exit_code == 1
    assert "The session 'none' failed." in result.stderr
    assert "127.0.0.1:1" in result.stderr


def test_that_nobody_offers_what_is_asked_for_is_told_by_start(monkeypatch):
    def begin(request, **_):
        directory = make_session(request.name, GOOD_START[:3])
        threading.Timer(0.2, change, (directory,), {"stage": Stage.FAILED, "reason": "No offer fits."}).start()
        return directory

    monkeypatch.setattr(client, "start", begin)
    monkeypatch.setattr(housekeeping, "tidy", list)
    result = run("start", "--name", "none", "--network", "polygon", "--budget", "2")
    assert result.exit_code == 1
    assert "It costs 2 GLM at most, which is real money." in result.stderr
    assert "The session 'none' failed. No offer fits." in result.stderr
    assert "is starting" not in result.stdout


@pytest.mark.parametrize("command", ["show", "logs", "open", "extend", "stop"])
def test_an_unknown_name_is_said(command):
    for name in ("nobody", "../../etc", ".lock"):
        result = run(command, name)
        assert result.exit_code == 1
        assert "There is no session" in result.stderr


def started(monkeypatch, *arguments):
    """The request that `start` makes of its arguments."""
    requests = []

    def begin(request, **_):
        requests.append(request)
        directory = create_session_directory(request)
        directory.write_state(directory.state().model_copy(update={"stage": Stage.DEPLOYING}))
        return directory

    monkeypatch.setattr(client, "start", begin)
    monkeypatch.setattr(housekeeping, "tidy", list)  # nobody looks after what is not started
    result = run("start", *arguments)
    assert result.exit_code == 0, result.stderr
    return requests[0]


def test_every_field_of_a_request_has_its_option(monkeypatch):
    key = "ssh-ed25519 " + base64.b64encode(struct.pack(">I", 11) + b"ssh-ed25519" + bytes(36)).decode() + " me"
    request = LaunchRequest(
        name="whole", budget="2.5", price_per_hour="0.3", hours="1.5", cpus=2, memory_gib=3.5, disk_gib=4, gpus=1,
        gpu_model="RTX 3090", gpu_memory_gib=24, software="sklearn", image="me/app:1", packages=("numpy>=2", "pandas"),
        inputs=("data", "https://example.org/a.git"), resume="old@3", ssh_key=key, choose="random", allow=("a", "b"),
        deny=("c",), outbound="listed", outbound_urls=("https://example.org",), outbound_permit=("me.pem", "me.key"),
        save=False, save_seconds=9, save_space_gib=30, kernel_state=False, store="s3://bucket/a", encrypt=True,
        recover=False, idle="none", lab_extensions=False, machines=3,
    )  # fmt: skip
    same = {name for name, value in request if value == LaunchRequest.model_fields[name].get_default()}
    workers = LaunchRequest(name="clustered", workers=2, max_workers=3)  # they don't go with machines
    standby = LaunchRequest(name="safe", standby=1)  # nor does it
    assert same <= {"network", "workload", "workers", "max_workers", "standby", "when_idle"}  # else this shows nothing
    for one in (request, workers, standby):
        assert started(monkeypatch, *shlex.split(as_command(one))[2:]) == one


def test_packages_and_a_key_come_from_files(monkeypatch, tmp_path):
    (tmp_path / "r.txt").write_text("# mine\nnumpy\n\npandas>=2  # tables\n")
    key = "ssh-ed25519 " + base64.b64encode(struct.pack(">I", 11) + b"ssh-ed25519" + bytes(36)).decode()
    (tmp_path / "id.pub").write_text(key + "\n")
    arguments = [
        "--package",
        "scipy",
        "--packages-file",
        str(tmp_path / "r.txt"),
        "--ssh-key",
        str(tmp_path / "id.pub"),
    ]
    request = started(monkeypatch, *arguments)
    assert request.packages == ("scipy", "numpy", "pandas>=2")
    assert request.ssh_key == key
    (tmp_path / "r.txt").write_bytes("\ufeffscipy\n-e .\n".encode("utf-16-le"))
    assert started(monkeypatch, "--packages-file", str(tmp_path / "r.txt")).packages == ("scipy",)
    refused = run("start", "--packages-file", str(tmp_path / "nowhere"))
    assert refused.exit_code == 2
    assert "can't be read" in refused.stderr


def test_a_session_that_has_ended_is_not_extended():
    directory = create_session_directory(LaunchRequest(name="gone"))
    directory.write_state(directory.state().model_copy(update={"stage": Stage.ENDED}))
    result = run("extend", "gone", "--hours", "+1")
    assert result.exit_code == 1
    assert "does not run: it is ended" in result.stderr


def test_stop_says_what_was_not_saved():
    directory = create_session_directory(LaunchRequest(name="gone"))
    reason = f"{STOPPED} The last save did not work: the disk is full. Nothing is saved."
    directory.write_state(directory.state().model_copy(update={"stage": Stage.ENDED, "reason": reason}))
    said = run("stop", "gone").stdout
    assert "The last save did not work: the disk is full." in said
    assert STOPPED not in said


def test_every_command_has_help_with_an_example_and_json():
    for command in ("start", "list", "show", "logs", "open", "extend", "stop"):
        text = run(command, "--help").stdout
        assert re.search("Examples?:", text)
        assert "--json" in text


def test_the_list_is_empty_at_first_then_shows_what_there_is():
    assert json.loads(run("list", "--json").stdout) == []
    assert "no sessions" in run("list").stdout
    directory = create_session_directory(LaunchRequest(name="a"))
    ended = {"stage": Stage.ENDED, "machines": (MachineState(provider_name="p"),)}
    directory.write_state(directory.state().model_copy(update=ended))
    (only,) = json.loads(run("list", "--json").stdout)
    assert (only["name"], only["stage"], only["provider"]) == ("a", "ended", "p")
    assert "a     ended  local" in run("list").stdout
    assert json.loads(run("show", "a", "--json").stdout)["stage"] == "ended"
    directory.workload_log.write_text("hello\n\x1b[31mred\n")
    assert run("logs", "a").stdout == "| hello\n| red\n"  # not to be taken for the launcher's own lines
    assert json.loads(run("stop", "a", "--json").stdout)["stage"] == "ended"
    refused = run("open", "a")
    assert refused.exit_code == 1
    assert "ended" in refused.stderr


def test_a_cost_whose_invoice_is_late_is_the_most_that_it_may_be():
    directory = create_session_directory(LaunchRequest(name="late"))
    money = {"budget": Decimal("0.5"), "cost": Decimal("0.1"), "owed_at_most": True}
    directory.write_state(directory.state().model_copy(update={**money, "stage": Stage.ENDED}))
    assert "at most 0.1 tGLM" in run("list").stdout
    assert "cost:           at most 0.1 of 0.5 tGLM" in run("show", "late").stdout
    assert "It cost at most 0.1 tGLM." in run("stop", "late").stdout
    directory.write_state(directory.state().model_copy(update={"owed_at_most": False}))
    assert "at most" not in run("list").stdout + run("show", "late").stdout


def test_a_session_is_shown_as_people_read_it(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        directory = create_session_directory(LaunchRequest(name="read"))
        ends = datetime.now(UTC) + timedelta(hours=2)
        money = {"budget": Decimal("0.5"), "cost": Decimal("0.100000000000000006"), "money_ends_at": ends}
        saving = Saving(workspace="read", generation=3, files=5, problem="One file is too large.")
        deadline = datetime(2050, 1, 1, 20, 0, tzinfo=UTC)
        told = {**money, "saving": saving, "deadline": deadline, "notices": ("A package is missing.",)}
        directory.write_state(directory.state().model_copy(update={**told, "stage": Stage.READY}))
        shown = "\n".join(f"{title}: {text}" for title, text in session_lines(directory.state(), None))
        assert "cost: 0.1 of 0.5 tGLM" in shown
        assert (
            f"money ends: {ends.astimezone():%Y-%m-%d %H:%M %Z}, before its time is over, at 0.2 tGLM an hour" in shown
        )
        assert "deadline: 2050-01-02 01:30" in shown  # by this machine's clock, as everywhere
        assert "saved: 5 files, save 3 of 'read'. One file is too large" in shown
        assert "notice: A package is missing." in shown
        directory.write_state(directory.state().model_copy(update={"stage": Stage.ENDED}))
        listed = run("list").stdout
        assert "0.1 tGLM" in listed
        assert "2050-01-02 01:30" in listed
        assert "notice:         A package is missing." in run("show", "read").stdout
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("begun", [True, False])
def test_an_interrupt_at_the_very_start_says_what_runs(monkeypatch, begun):
    def interrupted(request, **_):
        if begun:
            directory = create_session_directory(request)
            files.write_json(directory.path / "supervisor.json", processes.ProcessRecord.of(os.getpid()).to_json())
        raise KeyboardInterrupt

    monkeypatch.setattr(client, "start", interrupted)
    result = run("start", "--name", "mine")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 2  # what it costs, and that
    assert ("End it: golem-launcher stop mine" in result.stderr) is begun
