"""As many files as people have: what saving them takes in time, and in memory of this computer's."""

import json
import os
import subprocess
import sys
import time

import pytest

from golem_launcher.session.client import FRUGAL
from tests.workspace.transfer import saving_process

FILES = 50_000


@pytest.mark.slow
def test_fifty_thousand_tiny_files_are_saved_within_a_minute_in_450_bytes_each(provider, tmp_path):
    for number in range(FILES):
        if number % 1000 == 0:
            folder = provider.work / f"part-{number // 1000}"
            folder.mkdir()
        (folder / f"sample-{number}.txt").write_bytes(b"%d\n" % number)
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", saving_process.__name__, provider.url, str(tmp_path / "store"), "2"],
        stdout=subprocess.PIPE, env={**os.environ, **FRUGAL}, check=True, timeout=300,
    )  # fmt: skip
    took = time.monotonic() - began
    found = json.loads(done.stdout)
    assert found["files"] == [FILES, FILES], found
    assert took < 60, found
    assert (found["memory"] - found["before"]) / FILES < 450, found
