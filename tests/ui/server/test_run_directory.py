"""What a page leaves on the disk: nothing, however it ends."""

import subprocess
import sys
from pathlib import Path

import pytest

from golem_launcher import paths
from golem_launcher.ui.server.run_directory import run_directory, running

_PAGE = """
from golem_launcher.ui.server.run_directory import run_directory
with run_directory(9001) as directory:
    (directory / "kernel-1").write_text("")
    print(directory, flush=True)
    input()
"""


@pytest.mark.parametrize("deep", [False, True], ids=["beside", "short"])
def test_what_a_killed_page_left_goes_with_the_next_one(tmp_path, monkeypatch, deep):
    home = tmp_path / ("deep" * 30 if deep else "h")
    monkeypatch.setenv(paths.HOME_VARIABLE, str(home))
    with run_directory(9002) as other:
        (other / "kernel-2").write_text("")
        page = subprocess.Popen([sys.executable, "-c", _PAGE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        with page:
            left = Path(page.stdout.readline().strip())
            assert running()["9001"].pid == page.pid
            with run_directory(9003):
                assert (left / "kernel-1").exists()  # it lives
            page.kill()
        assert left.exists()
        assert list(running()) == ["9002"]
        with run_directory(9001) as again:
            assert again == left
            assert list(again.iterdir()) == []
        assert (other / "kernel-2").exists()
    assert [path for path in (left, other) if path.exists()] == []
    assert [path.name for path in (home / "page").iterdir()] == ["starting.lock"]
