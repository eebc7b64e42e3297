"""Where variables are kept and come back: other processes, as kernels are."""

import json
import subprocess
import sys

import pytest

from golem_launcher.workload.archive import agent_archive
from tests.patience import slower

_DRIVER = """
import json, sys
sys.path.insert(0, {archive!r})
from golem_launcher_agent.kernel_state import definitions, pickler, restoring, saving
from golem_launcher_agent.kernel_state.chunk_files import ChunkFiles
files, known, hidden = ChunkFiles({state!r}), definitions.Definitions(), None
def cell(source):
    exec(compile(source, "cell", "exec"), globals())
    known.hear(source, globals())
def save(**more):
    mine = {{name: value for name, value in globals().items() if name not in hidden and name[0] != "_"}}
    limits = pickler.Limits(more.pop("most", 1 << 30), more.pop("seconds", 60.0))
    return saving.save(files, mine, known.current(mine), limits=limits, apart=[globals()], **more)
def load():
    found = restoring.restore(files, globals(), {state!r})
    return {{name: [fate.what, fate.why] for name, fate in found.fates.items()}}
hidden = set(globals())
"""


class Processes:
    """Pythons that share one state's directory, one after the other."""

    def __init__(self, directory):
        self.state = directory / "state"
        self.archive = directory / "agent.pyz"
        self.archive.write_bytes(agent_archive())

    def run(self, script, python=sys.executable):
        """What ``script`` printed, as JSON."""
        whole = _DRIVER.format(archive=str(self.archive), state=str(self.state)) + script
        done = subprocess.run(
            [python, "-c", whole], capture_output=True, text=True, timeout=120 * slower(), check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1]) if done.stdout else None


@pytest.fixture
def processes(tmp_path):
    return Processes(tmp_path)


_KERNEL = """
import asyncio, json, os, sys, time
from pathlib import Path
sys.path.insert(0, {archive!r})
from IPython.core.interactiveshell import InteractiveShell
from golem_launcher_agent.kernel_state import extension
os.environ.update(json.loads({environment!r}))
directory = Path({directory!r})
def newest():
    states = sorted(directory.glob("state-*.json"), key=lambda path: int(path.stem[6:]))
    return json.loads(states[-1].read_text()) if states else {{"lost": {{}}, "groups": [], "left_out": []}}
async def main():
    shell = InteractiveShell.instance()
    extension.begin(shell)
    for cell in {cells!r}:
        print("---")
        shell.run_cell(cell)
        name, shell.user_ns["kept"] = shell.user_ns.pop("until", ""), False
        end = time.monotonic() + 60
        while name and not (name in newest()["lost"] or [name] in [group["names"] for group in newest()["groups"]]):
            assert time.monotonic() < end, newest()
            await asyncio.sleep(0.05)
asyncio.run(main())
"""


@pytest.fixture
def kernel(tmp_path):
    """A function that runs cells in a shell of IPython's own with our extension, and gives what each printed.

    A cell that sets ``until`` is followed by the next once a variable of that name is kept, or lost.
    """
    pytest.importorskip("IPython")
    archive = tmp_path / "agent.pyz"
    archive.write_bytes(agent_archive())

    def run(*cells, directory=None, **told):
        directory = directory or tmp_path / "state"
        told = told or {"GOLEM_LAUNCHER_STATE": str(directory), "GOLEM_LAUNCHER_STATE_TICKET": str(tmp_path / "ticket")}
        environment = json.dumps({**told, "HOME": str(tmp_path), "IPYTHONDIR": str(tmp_path / "ipython")})
        script = _KERNEL.format(
            archive=str(archive), environment=environment, directory=str(directory), cells=list(cells)
        )
        done = subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            timeout=180 * slower(),
            check=False,
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return [part.strip() for part in done.stdout.split("---\n")[1:]]

    return run
