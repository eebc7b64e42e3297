"""The example notebooks, and what the original's README has its readers type."""

import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tests.patience import slower

pytestmark = pytest.mark.slow

_EXAMPLES = sorted(Path(__file__).parents[2].glob("examples/kernel/*.ipynb"))


def test_there_are_three():
    assert len(_EXAMPLES) == 3


@pytest.mark.usefixtures("jupyter", "network")
@pytest.mark.parametrize("example", _EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs(example, tmp_path):
    notebook = tmp_path / example.name
    shutil.copy(example, notebook)
    arguments = [sys.executable, "-m", "papermill", notebook, notebook, "--no-progress-bar", "--cwd", tmp_path]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=170 * slower(), check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    texts = [str(output) for cell in nbformat.read(notebook, 4).cells for output in cell.get("outputs", [])]
    assert "it cost" in texts[-1]
    if example.stem.startswith("pandas"):
        assert (tmp_path / "summary.csv").read_text().startswith("station,count,mean,std")


def test_what_the_originals_readers_type_still_means_something(notebook):
    """``%status``, ``%fund goerli``, ``%budget goerli 1`` and its ``%connect``, word for word."""
    assert "Not connected" in notebook.run("%status").text
    explained = notebook.run("%budget goerli 1")
    assert "'goerli' is retired: 'hoodi' is used instead" in explained.errors
    assert "Hoodi" in explained.text
    notebook.run("%budget local 1")
    words = "mem>4 disk>100 cores>2 strategy=random image_hash=5389c01c128f94f14653bc0b56822c22b4b3987737ef8f3c0ac61946"
    refused = notebook.run(f"%connect {words}", check=False)  # the network of this computer has neither image nor disk
    assert refused.failed
    assert refused.reply["ename"] != "RequestError", refused.errors  # every word was understood
    notebook.run("%connect mem>0.5 disk>1 cores>1 strategy=random timeout=10m")
    assert "it cost" in notebook.run("%disconnect").text
