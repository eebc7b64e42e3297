"""What a supervisor loads before its session starts, and what it does without."""

import subprocess
import sys

import pytest

from golem_launcher.session.supervision.fork_server import _LOADED
from tests.patience import slower


@pytest.mark.slow
def test_a_supervisor_does_without_what_few_sessions_need():
    program = (
        "import importlib, sys\n"
        f"for name in {_LOADED!r}: importlib.import_module(name)\n"
        "from golem_launcher.session.supervision import preload\n"
        "preload.engine()\n"
        "print([name for name in ('numpy', 'flatbuffers', 'cryptography', 'asyncssh', 'yaml') if name in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120 * slower(), check=True
    )

    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_what_each_session_sends_is_made_before_supervisors_are_forked():
    """Made by each it takes 4 MB of each, and a tenth of a second."""
    program = (
        "from golem_launcher.session.supervision import fork_server\n"
        "from golem_launcher.workload import archive\n"
        "fork_server._loaded()\n"
        "print(archive.agent_archive.cache_info().currsize, archive.compiled_agent_archive.cache_info().currsize)"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120 * slower(), check=True
    )

    assert done.stdout.strip() == "1 1"
