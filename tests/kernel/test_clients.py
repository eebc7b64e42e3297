"""Programs that use kernels: papermill, nbclient, jupyter console; and a kernel whose first cell connects."""

import os
import subprocess
import sys

import nbformat
import pexpect
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook

from golem_launcher.kernel import kernelspec
from golem_launcher.request import parse_request
from golem_launcher.session.on_disk.directory import session_directories
from golem_launcher.session.on_disk.liveness import alive
from tests.patience import slower

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("network")]


@pytest.fixture
def golem_small(jupyter):  # noqa: ARG001 - it must be there
    """A kernel that connects by itself."""
    kernelspec.install(name="golem-small", request=parse_request({"memory_gib": 0.5, "budget": 1}))
    yield "golem-small"
    kernelspec.uninstall("golem-small")


def _notebook(path, *cells):
    notebook = new_notebook(cells=[new_code_cell(code) for code in cells])
    notebook.metadata.kernelspec = {"name": "golem", "display_name": "Python 3 (Golem)", "language": "python"}
    nbformat.write(notebook, path)
    return path


def _papermill(source, *options):
    """Run a notebook as users do; the exit code, and what became of it."""
    target = source.with_name("out.ipynb")
    arguments = [sys.executable, "-m", "papermill", str(source), str(target), "--no-progress-bar", *options]
    done = subprocess.run(arguments, cwd=source.parent, timeout=150 * slower(), check=False)
    return done.returncode, nbformat.read(target, 4)


def _nothing_runs():
    return all(not alive(one) or one.state().stage.value in {"saving", "stopping", "ended"}
               for one in session_directories())  # fmt: skip


def test_papermill_runs_a_notebook_with_parameters(golem_small, tmp_path):
    source = _notebook(tmp_path / "in.ipynb", "x = 1", "import os\nprint(x * 2, os.path.basename(os.getcwd()))")
    nb = nbformat.read(source, 4)
    nb.cells[0].metadata.tags = ["parameters"]
    nbformat.write(nb, source)
    code, done = _papermill(source, "-k", golem_small, "-p", "x", "21")
    assert code == 0
    assert done.cells[-1].outputs[0]["text"].split() == ["42", "work"]
    first = "".join(str(output) for cell in done.cells for output in cell.outputs)
    assert "Connected to" in first
    assert _nothing_runs()


def test_papermill_stops_at_a_cell_that_fails_and_goes_on_where_files_were_saved(golem_small, tmp_path):
    failing = _notebook(tmp_path / "in.ipynb", "open('step.txt', 'w').write('1')", "%save", "1/0", "print('no')")
    code, _ = _papermill(failing, "-k", golem_small)
    assert code == 1
    saved = session_directories().__next__().state().saving.workspace
    resuming = _notebook(
        tmp_path / "again.ipynb", f"%connect local 1 resume={saved}", "print(open('step.txt').read())", "%disconnect"
    )
    code, done = _papermill(resuming, "-k", "golem")
    assert code == 0
    assert done.cells[1].outputs[0]["text"].strip() == "1"


def test_nbclient_runs_cells_and_an_error_stops_it(jupyter, tmp_path):  # noqa: ARG001
    cells = ["%connect local 1", "y = 6", "y * 7", "%disconnect"]
    notebook = new_notebook(cells=[new_code_cell(code) for code in cells])
    NotebookClient(
        notebook, kernel_name="golem", timeout=round(90 * slower()), resources={"metadata": {"path": tmp_path}}
    ).execute()
    assert notebook.cells[2].outputs[0]["data"]["text/plain"] == "42"
    displays = [one for one in notebook.cells[0].outputs if one["output_type"] == "display_data"]
    assert len(displays) == 2  # the stages, updated in place, and the card
    failing = new_notebook(cells=[new_code_cell("1 + 1")])
    with pytest.raises(CellExecutionError, match="NotConnected"):
        NotebookClient(failing, kernel_name="golem", timeout=round(60 * slower())).execute()


def test_jupyter_console(jupyter):  # noqa: ARG001
    environment = {**os.environ, "TERM": "dumb", "NO_COLOR": "1"}
    console = pexpect.spawn(
        sys.executable,
        ["-m", "jupyter_console", "--kernel", "golem", "--simple-prompt", "--ZMQTerminalInteractiveShell.banner="],
        env=environment, encoding="utf-8", timeout=90 * slower(), dimensions=(60, 160),
    )  # fmt: skip
    try:
        console.expect(r"In \[")
        console.sendline("%connect local 1")
        console.expect("Finding a provider")
        console.expect("Connected to")
        console.expect(r"In \[")
        console.sendline("6 * 7")
        console.expect("42")
        console.sendline("%disconnect")
        console.expect("it cost")
        console.sendline("exit()")
        console.expect(pexpect.EOF)
    finally:
        console.close(force=True)
