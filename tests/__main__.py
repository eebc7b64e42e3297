"""The whole suite: set-up of what the system must give, then pytest. ``make test`` runs this."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest

from tests import jobs

if TYPE_CHECKING:
    from collections.abc import Iterable

_PROGRAMS = {"chromium": "chromium", "bwrap": "bubblewrap", "unsquashfs": "squashfs-tools"}
_INSTALL_SECONDS = 600
_END_SECONDS = 120
_ROOT = Path(__file__).resolve().parent.parent
_CACHE = Path(".pytest_cache")
_MOST_WORKERS = 4


def main() -> int:
    """Install missing system packages where we may, then run pytest; its exit code is ours.

    These are real daemons, browsers and networks on a machine that may be busy: a file where something fails is run
    once more, alone, and that is said aloud. What fails twice has failed.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a starter in the background may have it ignored
    _install_missing()
    (_ROOT / _CACHE).mkdir(exist_ok=True)
    words = sys.argv[1:]
    if not words:
        todo = jobs.all_jobs(jobs.known_seconds())
        code = _run(todo)
        took = jobs.measured(filter(Path.exists, map(_report, todo)))
        (_ROOT / _CACHE / jobs.MEASURED.name).write_text(json.dumps(took, indent=1) + "\n")
        return code
    if words == ["quick"]:
        return _run(jobs.quick_jobs())
    return subprocess.call([*_pytest(jobs.Job("asked", (), 0)), *words], cwd=_ROOT)


def _run(todo: list[jobs.Job]) -> int:
    for job in todo:
        _report(job).unlink(missing_ok=True)
    began = time.monotonic()
    try:
        codes = asyncio.run(_Suite(todo, worker_count(os.cpu_count() or 1)).run())
    except (KeyboardInterrupt, asyncio.CancelledError):
        return pytest.ExitCode.INTERRUPTED
    failed = [job.name for job in todo if _again(job, codes[job.name])]
    minutes, seconds = divmod(round(time.monotonic() - began), 60)
    sys.stdout.write(f"\n{len(todo)} jobs in {minutes}:{seconds:02}; failed: {', '.join(failed) or 'none'}\n")
    return int(bool(failed))


def worker_count(cores: int) -> int:
    """Two for each core: most tests wait for daemons and clocks a good part of their time."""
    return 1 if cores == 1 else min(2 * cores, _MOST_WORKERS)


class _Suite:
    """Runs jobs side by side: a worker with nothing to do takes the first that nobody has begun.

    Half of the workers, one for each core, take what keeps a core busy; the others leave that for the last.
    """

    def __init__(self, todo: Iterable[jobs.Job], workers: int) -> None:
        self._waiting = list(todo)
        self._all = len(self._waiting)
        self._workers = workers
        self._codes: dict[str, int] = {}

    async def run(self) -> dict[str, int]:
        """The exit code of each. Told to end, it has ended what it started."""
        this = asyncio.current_task()
        assert this is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
        async with asyncio.TaskGroup() as workers:
            for number in range(self._workers):
                workers.create_task(self._work(busy=number < max(1, self._workers // 2)))
        return self._codes

    async def _work(self, *, busy: bool) -> None:
        while self._waiting:
            job = min(self._waiting, key=lambda job: job.busy is not busy)  # the first of its kind, else the first
            self._waiting.remove(job)
            began = time.monotonic()
            with tempfile.TemporaryFile() as printed:
                self._codes[job.name] = await _ended(job, printed)
                self._show(job, time.monotonic() - began, printed)

    def _show(self, job: jobs.Job, seconds: float, printed: IO[bytes]) -> None:
        """Whole, once it has ended: lines of jobs that run side by side would be mixed."""
        sys.stdout.write(f"\n=== {job.name}: {seconds:.0f} s; {len(self._codes)} of {self._all} jobs ===\n")
        sys.stdout.flush()
        printed.seek(0)
        shutil.copyfileobj(printed, sys.stdout.buffer)
        sys.stdout.flush()


async def _ended(job: jobs.Job, printed: IO[bytes] | IO[str]) -> int:
    process = await asyncio.create_subprocess_exec(
        *_pytest(job), f"--junitxml={_report(job)}", *job.files,
        cwd=_ROOT, stdin=subprocess.DEVNULL, stdout=printed, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    try:
        return await process.wait()
    except asyncio.CancelledError:
        process.send_signal(signal.SIGINT)  # once, not also by the terminal: then it ends what it started
        try:
            await asyncio.wait_for(process.wait(), _END_SECONDS)
        except TimeoutError:
            process.kill()
        raise


def _again(job: jobs.Job, code: int) -> int:
    """Whole files: what a test finds there is then what it found before, and only the other work is gone."""
    if code == pytest.ExitCode.NO_TESTS_COLLECTED:  # a room may have no quick ones
        return pytest.ExitCode.OK
    if code != pytest.ExitCode.TESTS_FAILED:
        return code
    files = jobs.failing_files(_report(job))
    sys.stdout.write(f"\nSome tests of {job.name} failed; their files are run once more, alone: {' '.join(files)}\n")
    sys.stdout.flush()
    again = dataclasses.replace(job, name=f"{job.name}-again", files=files)
    return asyncio.run(_ended(again, sys.stdout))


def _pytest(job: jobs.Job) -> list[str]:
    cache = ["-o", f"cache_dir={_CACHE / job.name}", "-o", "junit_family=xunit1"]
    return [sys.executable, "-m", "pytest", "-q", *cache, *job.options]


def _report(job: jobs.Job) -> Path:
    return _ROOT / _CACHE / f"{job.name}.xml"


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
