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
