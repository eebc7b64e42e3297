import json

import pytest
from typer.testing import CliRunner

from golem_launcher import paths
from golem_launcher.cli.main import app
from golem_launcher.events import Stage
from golem_launcher.request import LaunchRequest
from golem_launcher.session.directory import create_session_directory


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


@pytest.mark.parametrize("command", ["show", "logs", "open", "stop"])
def test_an_unknown_name_is_said(command):
    for name in ("nobody", "../../etc", ".lock"):
        result = run(command, name)
        assert result.exit_code == 1
        assert "There is no session" in result.stderr


def test_every_command_has_help_with_an_example_and_json():
    for command in ("start", "list", "show", "logs", "open", "stop"):
        text = run(command, "--help").stdout
        assert "Examples:" in text
        assert "--json" in text


def test_the_list_is_empty_at_first_then_shows_what_there_is():
    assert json.loads(run("list", "--json").stdout) == []
    assert "no sessions" in run("list").stdout
    directory = create_session_directory(LaunchRequest(name="a"))
    directory.write_state(directory.state().model_copy(update={"stage": Stage.ENDED, "provider_name": "p"}))
    (only,) = json.loads(run("list", "--json").stdout)
    assert (only["name"], only["stage"], only["provider"]) == ("a", "ended", "p")
    assert "a     ended  local" in run("list").stdout
    assert json.loads(run("show", "a", "--json").stdout)["stage"] == "ended"
    directory.lab_log.write_text("hello\n\x1b[31mred\n")
    assert run("logs", "a").stdout == "hello\nred\n"
    assert json.loads(run("stop", "a", "--json").stdout)["stage"] == "ended"
    refused = run("open", "a")
    assert refused.exit_code == 1
    assert "ended" in refused.stderr
