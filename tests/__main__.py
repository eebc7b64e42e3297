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

import psutil
import pytest

from tests import jobs

if TYPE_CHECKING:
    from collections.abc import Iterable

_PROGRAMS = {"chromium": "chromium", "bwrap": "bubblewrap", "unsquashfs": "squashfs-tools"}
_INSTALL_SECONDS = 600
_END_SECONDS = 120
_ROOT = Path(__file__).resolve().parent.parent
_CACHE = Path(".pytest_cache")
_MOST_A_CORE = 4
_LOOK_SECONDS = 5.0
_LEAST_IDLE = 0.3
"""Of all cores together, over such a while: less, and one more job would only make the others slower."""
_JOB_BYTES = 2 * 1024**3
"""What a job may take, with a browser, several Labs and their nodes."""


def main() -> int:
    """Install missing system packages where we may, then run pytest; its exit code is ours.

    These are real daemons, browsers and networks on a machine that may be busy: a file where something fails is run
    once more, alone, and that is said aloud; so is a whole job that ended in another way. What fails twice has failed.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a starter in the background may have it ignored
    _install_missing()
    (_ROOT / _CACHE).mkdir(exist_ok=True)
    words = sys.argv[1:]
    if not words:
        return _measured(jobs.all_jobs(jobs.known_seconds(jobs.MEASURED)), jobs.MEASURED)
    if words == ["quick"]:
        return _measured(jobs.quick_jobs(jobs.known_seconds(jobs.MEASURED_QUICK)), jobs.MEASURED_QUICK)
    return subprocess.call([*_pytest(jobs.Job("asked", (), 0)), *words], cwd=_ROOT)


def _measured(todo: list[jobs.Job], kept: Path) -> int:
    """Run them, and write in the cache how long each file took, as it may be ``kept``; the exit code."""
    code = _run(todo)
    took = jobs.measured(filter(Path.exists, map(_report, todo)))
    (_ROOT / _CACHE / kept.name).write_text(json.dumps(took, indent=1) + "\n")
    return code


def _run(todo: list[jobs.Job]) -> int:
    for job in todo:
        _report(job).unlink(missing_ok=True)
    began, idle = time.monotonic(), _idle_seconds()
    try:
        codes = asyncio.run(_Suite(todo, os.cpu_count() or 1).run())
    except (KeyboardInterrupt, asyncio.CancelledError):
        return pytest.ExitCode.INTERRUPTED
    failed = [job.name for job in todo if _again(job, codes[job.name])]
    took = time.monotonic() - began
    busy = 1 - (_idle_seconds() - idle) / (took * (os.cpu_count() or 1))
    minutes, seconds = divmod(round(took), 60)
    sys.stdout.write(
        f"\n{len(todo)} jobs in {minutes}:{seconds:02}, the cores {100 * busy:.0f} % busy; "
        f"failed: {', '.join(failed) or 'none'}\n"
    )
    return int(bool(failed))


class _Suite:
    """Runs jobs side by side: a worker with nothing to do takes the first that nobody has begun.

    One for each core always works, on what keeps a core busy as long as there is any of that. Most tests wait for
    daemons and clocks a good part of their time: more work at the others when cores and memory have room for one more.
    """

    def __init__(self, todo: Iterable[jobs.Job], cores: int) -> None:
        self._waiting = list(todo)
        self._all = len(self._waiting)
        self._cores = cores
        self._next = asyncio.Lock()
        self._codes: dict[str, int] = {}

    async def run(self) -> dict[str, int]:
        """The exit code of each. Told to end, it has ended what it started."""
        this = asyncio.current_task()
        assert this is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
        async with asyncio.TaskGroup() as workers:
            for number in range(_MOST_A_CORE * self._cores):
                workers.create_task(self._work(busy=number < self._cores))
        return self._codes

    async def _work(self, *, busy: bool) -> None:
        while (job := await self._taken(busy=busy)) is not None:
            began = time.monotonic()
            with tempfile.TemporaryFile() as printed:
                self._codes[job.name] = await _ended(job, printed)
                self._show(job, time.monotonic() - began, printed)

    async def _taken(self, *, busy: bool) -> jobs.Job | None:
        """The first that waits of such a kind, else of the other; ``None`` when none is left."""
        if not busy:
            async with self._next:  # one after the other: each sees what the one before it takes
                while self._waiting and not await _room():
                    pass
        if not self._waiting:
            return None
        job = min(self._waiting, key=lambda job: job.busy is not busy)
        self._waiting.remove(job)
        return job

    def _show(self, job: jobs.Job, seconds: float, printed: IO[bytes]) -> None:
        """Whole, once it has ended: lines of jobs that run side by side would be mixed."""
        sys.stdout.write(f"\n=== {job.name}: {seconds:.0f} s; {len(self._codes)} of {self._all} jobs ===\n")
        sys.stdout.flush()
        printed.seek(0)
        shutil.copyfileobj(printed, sys.stdout.buffer)
        sys.stdout.flush()


async def _room() -> bool:
    """Whether the machine had room for one more, over a while."""
    idle = _idle_seconds()
    await asyncio.sleep(_LOOK_SECONDS)
    spare = (_idle_seconds() - idle) / (_LOOK_SECONDS * (os.cpu_count() or 1))
    return spare > _LEAST_IDLE and psutil.virtual_memory().available > _JOB_BYTES


def _idle_seconds() -> float:
    """That the cores had nothing to do so far, or what gives way to all else."""
    times = psutil.cpu_times()
    return float(times.idle + times.nice)


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
    """Whole files: what a test finds there is then what it found before, and only the other work is gone.

    A job that ended without naming a test (by a signal, an internal error, with half a report) is run again whole.
    """
    if code == pytest.ExitCode.NO_TESTS_COLLECTED:  # a room may have no quick ones
        return pytest.ExitCode.OK
    if code == pytest.ExitCode.OK:
        return code
    report = _report(job)
    files = jobs.failing_files(report) if code == pytest.ExitCode.TESTS_FAILED and report.exists() else ()
    if files:
        said = f"Some tests of {job.name} failed; their files are run once more, alone: {' '.join(files)}"
    else:  # no report says which file it was
        files = job.files
        said = f"{job.name} {_how_it_ended(code)}, and no test is named; it is run once more, alone and whole"
    sys.stdout.write(f"\n{said}\n")
    sys.stdout.flush()
    again = dataclasses.replace(job, name=f"{job.name}-again", files=files)
    code = asyncio.run(_ended(again, sys.stdout))
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        sys.stdout.write(f"\n{again.name} {_how_it_ended(code)}\n")
    return code


def _how_it_ended(code: int) -> str:
    """An exit code in words: a negative one is the number of the signal that ended it."""
    if code < 0:
        return f"was ended by signal {-code}"
    known = {each.value: each.name.lower().replace("_", " ") for each in pytest.ExitCode}
    return f"ended with exit code {code} ({known.get(code, 'not one of pytest')})"


def _pytest(job: jobs.Job) -> list[str]:
    own = ["-o", f"cache_dir={_CACHE / job.name}", "-o", "junit_family=xunit1"]
    without = ["-p", "no:nbval"]  # it is for notebooks, and takes two seconds of each job to load
    return [sys.executable, "-m", "pytest", "-q", *own, *without, *job.options]


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
