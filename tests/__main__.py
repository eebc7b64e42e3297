"""The whole suite: set-up of what the system must give, then pytest. ``make test`` runs this."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

_PROGRAMS = {"chromium": "chromium", "bwrap": "bubblewrap", "mmdebstrap": "mmdebstrap"}
_INSTALL_SECONDS = 600


def main() -> int:
    """Install missing system packages where we may, then run pytest; its exit code is ours.

    These are real daemons, browsers and networks on a machine that may be busy: what fails is run once more, alone, and
    said aloud. What fails twice has failed.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a starter in the background may have it ignored
    _install_missing()
    code = _pytest(*sys.argv[1:])
    if code != pytest.ExitCode.TESTS_FAILED:
        return code
    sys.stdout.write("\nSome tests failed; those are run once more.\n")
    sys.stdout.flush()
    return _pytest("--last-failed", "--last-failed-no-failures=none", *sys.argv[1:])


def _pytest(*arguments: str) -> int:
    root = Path(__file__).resolve().parent.parent
    return subprocess.call([sys.executable, "-m", "pytest", *arguments], cwd=root)


def _install_missing() -> None:
    missing = [package for program, package in _PROGRAMS.items() if shutil.which(program) is None]
    if not missing:
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], env=environment, timeout=_INSTALL_SECONDS, check=False)
        subprocess.run(
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing],
            env=environment, timeout=_INSTALL_SECONDS, check=False, stdout=subprocess.DEVNULL,
        )  # fmt: skip
    still = [package for program, package in _PROGRAMS.items() if shutil.which(program) is None]
    if still:
        packages = " ".join(still)
        sys.stdout.write(
            f"Not installed: {packages}; their tests are skipped. To have them: sudo apt install {packages}\n"
        )


if __name__ == "__main__":
    sys.exit(main())
