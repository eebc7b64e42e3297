"""The launcher's notebook and the examples, run as a user would check them: ``pytest --nbval-lax``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from golem_launcher.localnet import network
from golem_launcher.session.on_disk.directory import session_directories
from tests.patience import slower

if TYPE_CHECKING:
    from playwright.sync_api import Page

_ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.usefixtures("sessions")
def test_they_run_and_leave_nothing_running(page: Page, tmp_path: Path) -> None:
    page.locator(".gl-status[data-state=up]").wait_for()
    page.close()
    notebooks = [_ROOT / "launcher.ipynb", *sorted((_ROOT / "examples").glob("*.ipynb"))]
    assert len(notebooks) > 1
    places = {name: str(tmp_path / name) for name in ("JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "TMPDIR")}
    (tmp_path / "TMPDIR").mkdir()
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbval-lax", *map(str, notebooks)],
        env={**os.environ, **places},
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=150 * slower(),
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-3000:]
    sessions = list(session_directories())
    assert len(sessions) == 2
    assert [session.state().stage.value for session in sessions] == ["ended", "ended"]
    assert network.status()["stage"] == "ready"
