"""A store whose disk is full: what fits is saved, what does not is named before the end, and saved when it fits."""

import asyncio
import os
import subprocess

import pytest

from golem_launcher.events import STOPPED, Stage
from golem_launcher.session import client
from golem_launcher.session.on_disk.liveness import state_of
from golem_launcher.workspace.backends.directory import ROOM_LEFT
from golem_launcher.workspace.repository.store import open_store
from golem_launcher.workspace.transfer.space_limits import SPARE_DISK
from tests.session.conftest import command, explain, wait_for
from tests.session.jupyter import Jupyter

pytestmark = [pytest.mark.slow]

_MEGABYTE = 1_000_000
_FREE = 30 * _MEGABYTE
"""Beyond what large files leave alone."""


@pytest.fixture
def disk(tmp_path):
    """A small disk of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    size = f"size={SPARE_DISK + _FREE}"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", size, "none", place], check=False, capture_output=True)
    if mounted.returncode:
        pytest.skip("needs the right to mount a small disk, as root has it")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def run(directory, code):
    async def talk():
        async with Jupyter(directory.url()) as jupyter:
            return await jupyter.execute(code)

    return asyncio.run(talk())


def write(directory, **sizes):
    """Each file is whole from the beginning: what is half written may still fit."""
    return run(
        directory,
        f"import os\nos.makedirs('.cache', exist_ok=True)  # where nothing is saved\n"
        f"for name, size in {sizes!r}.items():\n"
        f"    open('.cache/new', 'wb').write(os.urandom(size))\n    os.rename('.cache/new', name)",
    )


def fill(disk, left):
    """Leave so many bytes of it."""
    free = os.statvfs(disk)
    os.posix_fallocate(
        (file := os.open(disk / "filler", os.O_RDWR | os.O_CREAT)), 0, free.f_bavail * free.f_frsize - left
    )
    os.close(file)


def saved(store):
    return {entry.path for entry in store.manifest("full").entries}


def test_a_full_disk_costs_what_does_not_fit_and_nothing_unsaid(ready, disk):
    directory = ready(name="full", store=str(disk / "store"), save_seconds=1)
    assert "make room there" in client.describe(directory)["notices"][0]
    write(directory, first=1000)
    assert client.save("full")["left_out"] == []

    write(directory, large=2 * _FREE, note=1000)
    (left_out,) = client.save("full")["left_out"]
    assert left_out["path"] == "large"
    assert "stay free for all else" in left_out["reason"]
    assert saved(open_store(str(disk / "store"))) == {"first", "note"}

    fill(disk, ROOM_LEFT // 2)  # somebody else fills the rest
    write(directory, late=1000)
    wait_for(directory, lambda state: state.saving.at_stake == 2, 60)
    assert "late" in command("show", "full")[1]
    code, _, error = command("stop", "full", check=False)
    assert code == 1
    assert error.count("Not ended: ") == 1
    assert "--force" in error
    assert state_of(directory).stage is Stage.READY

    # A little later, whether the kernel is there or not: the end comes at once then.
    run(directory, "import subprocess; subprocess.Popen(['sh', '-c', 'sleep 5; rm large'], start_new_session=True)")
    (disk / "filler").unlink()
    state = wait_for(directory, lambda state: state.stage.final, 90)
    assert (state.stage, state.reason) == (Stage.ENDED, STOPPED), explain(directory)
    store = open_store(str(disk / "store"))
    assert saved(store) == {"first", "note", "late"}
    assert store.verify("full").damaged == ()
