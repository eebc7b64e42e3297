"""``%%gpu``: a cell that needs a GPU runs at a machine with one, and the session goes back by itself."""

import pytest

from golem_launcher.events import Stage
from golem_launcher.session import client
from golem_launcher.session.lifetime.borrowed_gpu import GPU_WAS_BORROWED
from tests.patience import slower
from tests.session.ending import BUSY

pytestmark = pytest.mark.slow

_CELL = """%%gpu back_after=1s
import subprocess
print(x, open("kept.txt").read(), subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True).stdout)
x += 1
"""


def test_a_cell_runs_at_a_machine_with_a_gpu_and_the_next_one_back_at_the_first(notebook):
    directory = notebook.connect("local 1 mem>0.3")
    first = directory.state().head.provider_name
    assert first != "with-gpu"
    notebook.run("x = 1\nopen('kept.txt', 'w').write('kept')")
    done = notebook.run(_CELL)
    assert "At with-gpu" in done.text
    assert "1 kept GPU 0: NVIDIA L4" in done.text
    client.wait_for(
        directory, lambda state: state.move.number == 2 and state.move.stage == "switching", BUSY * 60 * slower()
    )
    # No cell is lost that is sent while it changes machines.
    assert notebook.run("print(x)").text.strip().endswith("2")
    assert directory.state().head.provider_name != "with-gpu"
    assert directory.request().gpus == 0


def test_where_the_machine_with_a_gpu_is_lost_it_goes_on_without_and_the_next_cell_asks_for_another(notebook, lose):
    directory = notebook.connect("local 1 mem>0.3")
    notebook.run("x = 1\nopen('kept.txt', 'w').write('kept')")
    notebook.run("%%gpu back_after=1h\nx += 1")
    assert directory.state().head.provider_name == "with-gpu"
    client.save(directory.name)
    lose(directory)
    state = client.wait_for(
        directory,
        lambda state: state.providers_lost == 1 and (state.stage is Stage.READY or state.stage.final),
        BUSY * 120 * slower(),
    )
    assert state.stage is Stage.READY
    assert state.head.provider_name != "with-gpu"
    assert directory.request().gpus == 0
    assert any(GPU_WAS_BORROWED in notice for notice in state.notices)
    assert notebook.run("print(x, open('kept.txt').read())").text.strip().endswith("2 kept")
    notebook.run("%%gpu back_after=1h\nx += 1")
    assert directory.state().head.provider_name == "with-gpu"
    assert notebook.run("print(x)").text.strip().endswith("3")


def test_what_there_is_not_is_said_and_the_session_stays(notebook):
    directory = notebook.connect("local 1 mem>0.3")
    for cell, says in (
        ("%%gpu\n", "The cell is empty"),
        ("%%gpu back_after=soon\n1", "no time after which it goes back"),
        ("%%gpu budget=100\n1", "can't change while a session runs"),
        ("%%gpu gpus\n1", "no requirement"),
    ):
        assert says in notebook.run(cell, check=False).reply["evalue"]
    assert directory.state().move is None
    notebook.run("x = 1")
    done = notebook.run("%%gpu gpu_model=H100\nprint('ran')", check=False)
    assert "goes on where it is" in done.reply["evalue"]
    assert "ran" not in done.text
    assert directory.request().gpus == 0
    assert notebook.run("print(x)").text.strip().endswith("1")
