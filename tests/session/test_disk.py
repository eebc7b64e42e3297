"""What programs do with files works in a session: all of it on a disk of its own, most of it on the provider's."""

import asyncio
import shutil

import pytest

from golem_launcher.localnet.runtime.sandbox_runtime import why_no_sandbox
from golem_launcher.session.on_disk import liveness
from golem_launcher.workspace.repository.store import open_store
from tests.patience import slower
from tests.session.conftest import OLD, explain
from tests.session.jupyter import Jupyter

WHY_NOT = why_no_sandbox()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT or "sandboxes work")

_WORK = """
import mmap, multiprocessing, os, socket, sqlite3, subprocess, tempfile

def run(*argv):
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise OSError(done.stderr)

def write_ahead():
    connection = sqlite3.connect("wal.db")
    connection.execute("pragma journal_mode=wal")
    connection.execute("create table t (x)")
    connection.commit()

def roll_back():
    with sqlite3.connect("plain.db") as connection:
        connection.execute("create table t (x)")

def shared_map():
    with open("mapped", "w+b") as file:
        file.truncate(9999)
        mmap.mmap(file.fileno(), 0).close()

def manager():
    with multiprocessing.get_context("fork").Manager() as made:
        made.list([1])

def socket_here():
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("socket")
    os.unlink("socket")

def temporary_socket():
    with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as made:
        made.bind(directory + "/socket")

def git():
    run("git", "init", "-q", "repository")
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    run("git", "-C", "repository", *who, "commit", "-q", "--allow-empty", "-m", "x")
    run("git", "clone", "-q", "repository", "clone")
    run("git", "-C", "clone", "status")

def copy_all():
    run("cp", "-a", "/etc/ssl", "copied")

def terminal_multiplexer():
    run("tmux", "-L", "a", "new-session", "-d", "sleep 1")

def key_agent():
    run("sh", "-c", 'eval "$(ssh-agent)" && kill $SSH_AGENT_PID')

def fifo():
    os.mkfifo("fifo")
    os.unlink("fifo")

for each in (ALL):
    try:
        each()
    except Exception as error:
        print(each.__name__, end=" ")
print()
print(os.path.expanduser("~"), tempfile.gettempdir(), os.getcwd())
"""
_TOOLS = {"git": "git", "tmux": "terminal_multiplexer", "ssh-agent": "key_agent"}
_ALWAYS = ["write_ahead", "roll_back", "shared_map", "manager", "socket_here", "temporary_socket", "copy_all", "fifo"]


def work(directory):
    """What failed, and where home, temporary files and the kernel are; then all is saved."""
    names = [*_ALWAYS, *(name for tool, name in _TOOLS.items() if shutil.which(tool))]

    async def ask():
        async with Jupyter(directory.url()) as lab:
            said = await lab.execute(_WORK.replace("ALL", ", ".join(names)))
            listed = await lab.execute("import os; print(sorted(os.listdir()))")
        return said, listed

    said, listed = asyncio.run(asyncio.wait_for(ask(), 100 * slower()))
    failed, places = said.splitlines()
    assert "lost+found" not in listed
    saved = liveness.control(directory, "save", deadline=40)
    assert saved["generation"] >= 1, explain(directory)
    return set(failed.split()), places.split()


@pytest.mark.slow
def test_all_works_on_a_disk_of_the_sessions_own(ready):
    directory = ready()
    failed, places = work(directory)
    assert not failed
    own = "/golem/work/.golem-launcher"
    assert places == [f"{own}/home", f"{own}/tmp", "/golem/work"]
    assert not directory.state().notices
    saving = directory.state().saving
    saved = open_store().manifest(saving.workspace, saving.generation)
    paths = {entry.path for entry in saved.entries}
    assert "plain.db" in paths
    assert not {path for path in paths if path.startswith((".golem-launcher", "lost+found"))}


@pytest.mark.slow
def test_on_the_providers_disk_the_rest_works_and_is_said_once(ready):
    directory = ready(**OLD)
    failed, places = work(directory)
    assert failed == {"write_ahead", "shared_map", "socket_here", "fifo", "copy_all"}
    assert places == ["/golem/run/home", "/tmp", "/golem/work"]
    (notice,) = directory.state().notices
    for word in ("WAL", "np.memmap", "safetensors", "sockets", "cp -a", "/tmp"):
        assert word in notice
