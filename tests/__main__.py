"""The whole suite: set-up of what the system must give, then pytest. ``make test`` runs this."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

_PROGRAMS = {"chromium": "chromium", "bwrap": "bubblewrap", "unsquashfs": "squashfs-tools"}
_INSTALL_SECONDS = 600
_ROOT = Path(__file__).resolve().parent.parent
_CACHE = ".pytest_cache"
# About how many seconds each room takes on two quiet cores; rooms of which nothing is said are short. What is said here
# decides how evenly the lanes are filled, and nothing else.
_SECONDS = {
    "kernel": 240,
    "browser": 500,
    "session": 300,
    "localnet": 210,
    "image": 60,
    "access": 60,
    "clock": 120,
    "workspace": 85,
    "market": 30,
    "node": 50,
    "rental": 60,
    "ui": 25,
}
_SHORT = 15
_MOST_LANES = 4


def main() -> int:
    """Install missing system packages where we may, then run pytest; its exit code is ours.

    These are real daemons, browsers and networks on a machine that may be busy: what fails is run once more, alone, and
    said aloud. What fails twice has failed.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a starter in the background may have it ignored
    _install_missing()
    lanes = [sys.argv[1:]] if sys.argv[1:] else spread(lane_count(os.cpu_count() or 1))
    return max(_again(lane, number, code) for number, (lane, code) in enumerate(zip(lanes, _first(lanes), strict=True)))


def lane_count(cores: int) -> int:
    """One lane more than there are cores: tests wait for daemons, browsers and clocks a good part of their time."""
    return 1 if cores == 1 else min(cores + 1, _MOST_LANES)


def spread(count: int) -> list[list[str]]:
    """All rooms and the few files beside them, in so many lanes: the longest first, each where the least is."""
    rooms = sorted(path.parent.name for path in (_ROOT / "tests").glob("*/__init__.py"))
    rooms.sort(key=lambda room: _SECONDS.get(room, _SHORT), reverse=True)
    lanes: list[list[str]] = [[] for _ in range(count)]
    filled = [0] * count
    for room in rooms:
        least = filled.index(min(filled))
        lanes[least].append(f"tests/{room}")
        filled[least] += _SECONDS.get(room, _SHORT)
    lanes[filled.index(min(filled))] += [f"tests/{path.name}" for path in (_ROOT / "tests").glob("test_*.py")]
    return [sorted(lane) for lane in lanes if lane]


def _first(lanes: list[list[str]]) -> list[int]:
    """Run all lanes side by side; their exit codes. The first one is seen as it goes, the others when they end."""
    with tempfile.TemporaryFile() as shown:
        others = [
            subprocess.Popen(_pytest(lane, number), cwd=_ROOT, stdout=shown, stderr=subprocess.STDOUT)
            for number, lane in enumerate(lanes)
            if number
        ]
        try:
            codes = [subprocess.call(_pytest(lanes[0], 0), cwd=_ROOT)]
            codes += [process.wait() for process in others]
        finally:
            for process in others:
                process.send_signal(signal.SIGINT)  # no more than a word to one that has ended
                process.wait()
            sys.stdout.flush()
            shown.seek(0)
            shutil.copyfileobj(shown, sys.stdout.buffer)
            sys.stdout.flush()
    return codes


def _again(lane: list[str], number: int, code: int) -> int:
    if code != pytest.ExitCode.TESTS_FAILED:
        return code
    sys.stdout.write("\nSome tests failed; those are run once more, alone.\n")
    sys.stdout.flush()
    return subprocess.call(
        _pytest(["--last-failed", "--last-failed-no-failures=none", *lane], number), cwd=_ROOT
    )  # fmt: skip


def _pytest(arguments: list[str], lane: int) -> list[str]:
    return [sys.executable, "-m", "pytest", "-o", f"cache_dir={_CACHE}/lane-{lane}", *arguments]


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
