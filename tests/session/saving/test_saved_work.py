"""What a name leads to once there are several sessions of one workspace."""

import json
import zipfile

import pytest
from typer.testing import CliRunner

from golem_launcher import paths
from golem_launcher.cli.main import app
from golem_launcher.cli.options.completion import saved_names
from golem_launcher.errors import RequestError, SessionError, SessionNameTaken
from golem_launcher.events import Stage
from golem_launcher.request import LaunchRequest
from golem_launcher.session import client
from golem_launcher.session.on_disk.directory import create_session_directory
from golem_launcher.session.saving.saved_work import SavedWork, resuming, saved_work
from golem_launcher.session_state import Saving
from golem_launcher.workspace.repository.manifest import Environment
from golem_launcher.workspace.repository.store import open_store


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def over(name, workspace=None, generation=None, **asked):
    """A session that has ended, with that as its last save."""
    directory = create_session_directory(LaunchRequest(name=name, **asked))
    saving = None if workspace is None else Saving(workspace=workspace, generation=generation)
    directory.write_state(directory.state().model_copy(update={"stage": Stage.ENDED, "saving": saving}))
    return directory


@pytest.fixture
def two():
    """A session, and one that went on in its workspace, each with a save; and a later one without any."""
    for number in (1, 2):
        store = open_store()
        store.establish()
        store.commit("my-lab", [], Environment((f"p{number}",)), [])
    over("my-lab", "my-lab", 1)
    over("my-lab-2", "my-lab", 2, resume="my-lab")


def run(*arguments, code=0):
    done = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done.output


@pytest.mark.usefixtures("two")
def test_a_sessions_name_leads_to_its_workspace():
    assert "'my-lab-2' is saved in the workspace 'my-lab'" in run("generations", "my-lab-2")
    assert len(json.loads(run("generations", "my-lab-2", "--json"))) == 2
    assert "of the workspace 'my-lab'" in run("results", "my-lab-2")
    assert zipfile.ZipFile("my-lab-2.zip").read("requirements.txt") == b"p2\n"
    assert "than 'my-lab' ended with. Its own last: --generation 1" in run("results", "my-lab")
    assert "of the workspace 'my-lab'" in run("restore", "my-lab-2@1", "back")
    assert "whole" in run("verify", "my-lab-2")
    assert "my-lab-2 is saved in the workspace 'my-lab'" in run("list")
    assert [one["workspace"] for one in json.loads(run("list", "--json"))] == ["my-lab", "my-lab"]
    assert resuming(LaunchRequest(name="third", resume="my-lab-2@1")).resume == "my-lab@1"
    assert [name for name, _ in saved_names("my")] == ["my-lab", "my-lab-2"]


@pytest.mark.usefixtures("two")
def test_a_session_of_which_nothing_is_saved_never_leads_to_anothers_files():
    client.remove("my-lab")
    assert saved_work("my-lab").workspace == "my-lab"
    over("my-lab")
    for words in (["results", "my-lab"], ["generations", "my-lab"], ["restore", "my-lab", "x"]):
        assert "Nothing of the session 'my-lab' is saved. " in run(*words, code=1)
    with pytest.raises(RequestError, match="Resume: Nothing of the session"):
        resuming(LaunchRequest(name="other", resume="my-lab"))
    with pytest.raises(SessionError, match="golem-launcher remove my-lab"):
        saved_work("my-lab")
    run("remove", "my-lab")
    assert saved_work("my-lab@2") == SavedWork("my-lab", None, 2)
    for wrong in ("my-lab@two", "my-lab@\u00b2", f"my-lab@{'9' * 5000}"):
        with pytest.raises(RequestError, match="is no number of a save"):
            saved_work(wrong)


def test_a_session_leads_to_its_own_store_and_another_store_to_its_workspaces(tmp_path):
    over("far", "far-2", 1, store=str(tmp_path / "saves"))
    assert saved_work("far") == SavedWork("far-2", str(tmp_path / "saves"), None, 1)
    assert saved_work("far", str(tmp_path / "others")) == SavedWork("far", str(tmp_path / "others"))
    assert resuming(LaunchRequest(name="on", resume="far")).store == str(tmp_path / "saves")


@pytest.mark.usefixtures("two")
def test_a_name_that_leads_to_files_is_not_taken_unasked():
    for name in ("my-lab", "my-lab-2"):
        with pytest.raises(SessionNameTaken, match=f"start --resume {name}"):
            client.check_name(LaunchRequest(name=name))
    refused = run("start", "--name", "my-lab", code=1)
    assert "golem-launcher remove my-lab" in refused
    client.check_name(LaunchRequest(name="my-lab-2", resume="my-lab"))
    over("failed")
    client.check_name(LaunchRequest(name="failed"))
    run("remove", "my-lab")
    client.check_name(LaunchRequest(name="my-lab"))
