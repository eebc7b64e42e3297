"""Python that was never compiled: it is, on the session's own disk, and nothing else is touched."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from golem_launcher.agent import compiling, file_placement
from tests.patience import slower

_SETTLE = """
import os, sys
from golem_launcher.agent import compiling
compiling.prepare(sys.argv[1])
print(sys.pycache_prefix, os.environ.get("PYTHONPYCACHEPREFIX"))
"""


@pytest.fixture
def image(tmp_path):
    """Where packages lie, one of them JupyterLab by its name."""
    for name in ("jupyterlab", "science"):
        (tmp_path / "image" / name).mkdir(parents=True)
        (tmp_path / "image" / name / "__init__.py").write_text("answer = 42\n")
    (tmp_path / "image/science/broken.py").write_text("this is (no Python")
    (tmp_path / "work" / file_placement.OWN).mkdir(parents=True)
    return tmp_path / "image"


def prepared(image, root, **variables):
    """The place of compiled Python after it was prepared: as this process has it, and as its children do."""
    path = os.pathsep.join((str(image), str(Path.cwd())))
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": path, **variables}
    argv = [sys.executable, "-c", _SETTLE, str(root)]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60 * slower(), check=True)
    return done.stdout.split()


def test_where_jupyterlab_was_never_compiled_it_is_kept_on_the_sessions_disk(image, tmp_path):
    root = tmp_path / "work"
    assert prepared(image, root) == [str(root / file_placement.OWN / "compiled")] * 2


def test_where_it_was_compiled_or_must_not_be_or_there_is_no_disk_all_stays(image, tmp_path):
    root, none = tmp_path / "work", ["None", "None"]
    assert prepared(image, root, PYTHONDONTWRITEBYTECODE="1") == none
    assert prepared(image, tmp_path) == none
    subprocess.run([sys.executable, "-m", "compileall", "-q", image / "jupyterlab"], timeout=60 * slower(), check=True)
    assert prepared(image, root) == none


def test_what_can_be_compiled_is_at_the_lowest_priority_and_only_there(image, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path / "compiled"))
    asyncio.run(asyncio.wait_for(compiling.compile_packages([str(image)]), 60 * slower()))
    compiled = sorted(
        path.name.partition(".")[0] for path in (tmp_path / "compiled").rglob("*.pyc") if "image" in str(path)
    )
    assert compiled == ["__init__", "__init__"]
    assert not list(image.rglob("*.pyc"))
