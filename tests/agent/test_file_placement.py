"""Where a session's files live, as seen by the Python of an image: one that is in no virtual environment."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import golem_launcher
from golem_launcher.agent import file_placement
from tests.patience import slower

_MEMORY = Path("/dev/shm")
"""Another file system than the root's, which is all that is asked of it."""
_PREPARED = """
import sys
from golem_launcher.agent import file_placement
file_placement.prepare(*sys.argv[1:])
"""
_SETTLED = """
import subprocess, sys
from golem_launcher.agent import file_placement
file_placement.prepare(*sys.argv[1:])
code = '''
import pathlib, site
place = pathlib.Path(site.getusersitepackages())
place.mkdir(parents=True, exist_ok=True)
(place / "installed_later.py").write_text("")
import installed_later
print(installed_later.__file__)
'''
subprocess.run([sys.executable, "-c", code], check=True)
"""


@pytest.mark.skipif(not _MEMORY.is_dir() or _MEMORY.stat().st_dev == Path("/").stat().st_dev, reason="one file system")
def test_what_is_installed_after_a_kernel_began_can_be_imported_in_it() -> None:
    """A Python looks only where there was a directory when it began."""
    python = Path(sys.base_prefix, "bin", "python3")
    with tempfile.TemporaryDirectory(dir=_MEMORY) as root:
        done = subprocess.run(
            [python, "-c", _SETTLED, root, root],
            cwd=Path(golem_launcher.__file__).parents[1], capture_output=True, text=True,
            timeout=60 * slower(), check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(root)


def test_a_new_disk_is_empty_also_where_it_is_of_the_file_system_of_all_else(tmp_path: Path) -> None:
    """As in the local network's processes, which are in no sandbox; what is in such a directory stays."""
    root, other = tmp_path / "new", tmp_path / "other"
    (root / file_placement.LOST_AND_FOUND).mkdir(parents=True)
    (other / file_placement.LOST_AND_FOUND / "found").mkdir(parents=True)
    for directory in (root, other):
        subprocess.run(
            [sys.executable, "-c", _PREPARED, directory, "/"], cwd=Path(golem_launcher.__file__).parents[1], check=True
        )
    assert not list(root.iterdir())
    assert (other / file_placement.LOST_AND_FOUND / "found").is_dir()
