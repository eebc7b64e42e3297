"""What a session brings along, saves, and goes on from: the whole way; the store itself is tested in its own room."""

import asyncio
import hashlib
import os
import zipfile

import pytest

from golem_launcher import attach
from golem_launcher.errors import SessionError, WorkspaceError
from golem_launcher.events import Stage
from golem_launcher.session import client
from golem_launcher.session.client import results
from golem_launcher.workspace.repository.store import open_store
from tests.session.conftest import HONEST_PROVIDERS, command, explain, wait_for
from tests.session.ending import kill_supervisor
from tests.session.jupyter import Jupyter

pytestmark = pytest.mark.slow

SEEN = "import os, hashlib; print({n: hashlib.md5(open(n, 'rb').read()).hexdigest() for n in %r if os.path.exists(n)})"


def run(directory, code):
    async def talk():
        async with Jupyter(directory.url()) as jupyter:
            return await jupyter.execute(code)

    return asyncio.run(talk())


def digest(data):
    return hashlib.md5(data).hexdigest()


@pytest.fixture
def folder(tmp_path):
    """A folder to bring along."""
    data = tmp_path / "data"
    (data / "empty").mkdir(parents=True)
    (data / "random.bin").write_bytes(os.urandom(3_000_000))
    (data / "crlf.txt").write_bytes(b"a\r\nb\xff\n")
    return data


def test_files_come_along_are_saved_and_come_back(ready, begin, folder, tmp_path):
    directory = ready(inputs=(str(folder),), packages=("no-such-package-of-anybody", "iniconfig"), save_seconds=1)
    state = directory.state()
    assert [notice for notice in state.notices if "no-such-package-of-anybody" in notice], explain(directory)
    names = ["data/random.bin", "data/crlf.txt"]
    brought = {name: digest((tmp_path / name).read_bytes()) for name in names}
    assert run(directory, SEEN % names).strip() == str(brought)
    run(directory, "import iniconfig; open('work.txt', 'w').write('one')")
    _, saved, _ = command("save", directory.name, "--json")
    assert saved["workspace"] == directory.name
    first = saved["generation"]
    run(directory, "open('work.txt', 'w').write('two')")
    wait_for(directory, lambda state: state.saving.generation > first, 30)  # by itself
    run(directory, "open('work.txt', 'w').write('three')")
    state = client.stop(directory.name)
    assert Stage.SAVING in {stage for stage, _ in state.stages}
    with zipfile.ZipFile(attach(directory.name).results(tmp_path / "r.zip")) as archive:
        assert archive.read("work.txt") == b"three"
        assert archive.read("data/random.bin") == (folder / "random.bin").read_bytes()
    with pytest.raises(WorkspaceError, match="there already"):
        attach(directory.name).results(tmp_path / "r.zip")
    (tmp_path / "r.zip").write_bytes(b"another")
    attach(directory.name).results(tmp_path / "r.zip", force=True)
    assert zipfile.is_zipfile(tmp_path / "r.zip")
    told = []
    results.write(directory, tmp_path / "again.zip", progress=lambda *far: told.append(far))
    assert told[-1] == (state.saving.bytes, state.saving.bytes)
    with pytest.raises(SessionError, match="does not run"):
        client.save(directory.name)

    again = ready(resume=f"{directory.name}@{first}", save_seconds=1)
    assert run(again, "import iniconfig; print(open('work.txt').read())").strip() == "one"
    (said,) = [event.line for event in again.events()[0] if (event.line or "").startswith("Resumed from")]
    assert said.startswith(f"Resumed from {directory.name}@{first} of 20"), said
    assert " files, " in said
    assert "packages iniconfig" in said
    assert attach(again.name).state.saving.workspace == directory.name
    assert f"'{again.name}' is saved in the workspace '{directory.name}'" in command("generations", again.name)[1]
    assert run(again, SEEN % names).strip() == str(brought)
    run(again, "open('work.txt', 'w').write('four')")
    assert attach(again.name).save() > state.saving.generation  # the same workspace goes on
    with pytest.raises(SessionError, match="is saving into the workspace"):
        begin(resume=directory.name)
    client.stop(again.name)


def test_work_goes_on_elsewhere_with_the_last_save(ready, lose):
    directory = ready(save_seconds=1, allow=HONEST_PROVIDERS)
    before = directory.state()
    run(directory, "open('mine.txt', 'w').write('kept')")
    attach(directory.name).save()
    lose(directory)
    state = wait_for(directory, lambda state: state.stage is Stage.READY and state.providers_lost == 1, 60)
    assert state.address == before.address
    assert "Its files are those of" in state.notices[0]
    assert run(directory, "print(open('mine.txt').read())").strip() == "kept"
    run(directory, "open('mine.txt', 'w').write('newer')")
    assert attach(directory.name).save() >= 2
    client.stop(directory.name)


def test_a_killed_supervisor_loses_at_most_what_was_not_saved(ready):
    directory = ready(save_seconds=1)
    run(directory, "open('a.txt', 'w').write('saved')")
    number = attach(directory.name).save()
    kill_supervisor(directory)
    assert f"(save {number})." in directory.state().reason
    store = open_store()
    assert store.verify(directory.name).damaged == ()
    assert {entry.path for entry in store.manifest(directory.name, number).entries} >= {"a.txt"}


def test_saving_can_be_turned_off_and_left_out(ready):
    directory = ready(save=False)
    assert directory.state().saving is None
    with pytest.raises(SessionError, match="Nothing is saved"):
        client.save(directory.name)
    state = client.stop(directory.name)
    assert Stage.SAVING not in {stage for stage, _ in state.stages}
