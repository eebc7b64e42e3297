"""``python -m benchmarks [NAME…]``: all benchmarks, or the named ones. All of them also write docs/benchmarks.md."""

from __future__ import annotations

import compileall
import contextlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from rich.console import Console
from rich.table import Table

import golem_launcher
from benchmarks import bed
from benchmarks.row import HEAD, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = {
    "start": 240,
    "kernel": 240,
    "kernel_state": 600,
    "tunnel": 260,
    "copy": 400,
    "lab_files": 200,
    "ways": 420,
    "idle": 120,
    "metrics": 60,
    "gftp": 120,
    "vpn_stack": 60,
    "saving": 400,
    "slow_line": 180,
    "recovery": 200,
    "machines": 150,
    "sessions": 600,
    "tasks": 240,
    "many_tasks": 600,
    "cluster": 240,
    "store": 300,
    "page": 300,
    "hub_load": 400,
}
"""All benchmarks, and how long each may take."""

_GRACE_SECONDS = 30
_DOCUMENT = Path(__file__).parent.parent / "docs" / "benchmarks.md"


def main() -> int:
    wanted = sys.argv[1:] or list(SECONDS)
    unknown = [name for name in wanted if name not in SECONDS]
    if unknown:
        print(f"no such benchmark: {', '.join(unknown)}. There are: {', '.join(SECONDS)}", file=sys.stderr)
        return 2
    compileall.compile_dir(Path(golem_launcher.__file__).parent, quiet=1)  # as all packages are once they are installed
    found: list[Row] = []
    failed: list[str] = []
    with _directory() as directory:
        for name in wanted:
            print(f"{name} …", file=sys.stderr, flush=True)
            rows = _run(name, directory / name)
            found += rows
            if not rows:
                failed.append(name)
    _print(found)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
        return 1
    if wanted == list(SECONDS):
        _DOCUMENT.write_text(_document(found), encoding="utf-8")
    return 0


def _run(name: str, directory: Path) -> list[Row]:
    """One benchmark in a process of its own; no rows when it failed or took too long."""
    directory.mkdir()
    quiet = ["-W", "ignore::UserWarning"]  # yapapi imports what is deprecated
    process = subprocess.Popen(
        [sys.executable, *quiet, "-m", "benchmarks.one", name, directory],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=SECONDS[name])
    except subprocess.TimeoutExpired:
        print(f"{name} took more than {SECONDS[name]} s", file=sys.stderr)
        output = b""
    finally:
        _end(process)
        for home in directory.iterdir():  # what it was killed too early to end itself
            if (home / "localnet").exists() or (home / "sessions").exists():
                with bed.home(home):
                    pass
    if process.returncode or not output:
        return []
    return [Row(**fields) for fields in json.loads(output.splitlines()[-1])]


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def _directory() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="golem-bench-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _print(rows: list[Row]) -> None:
    table = Table(*HEAD)
    for row in rows:
        table.add_row(*row.cells())
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def _document(rows: list[Row]) -> str:
    lines = [
        "# How fast, how small",
        "",
        "Written by `make bench`; run it to measure again (an hour and more; nothing else should be busy).",
        "Each number is a ratio or a difference taken in one run: both sides meet the same machine in the same mood.",
        "`.venv/bin/python -m benchmarks start` runs one alone. MB and GB are a million and a billion bytes.",
        "",
        f"Measured on {datetime.now(UTC):%Y-%m-%d} on {_machine()}.",
        "",
    ]
    table = (HEAD, ("---",) * len(HEAD), *(row.cells() for row in rows))
    return "\n".join([*lines, *(f"| {' | '.join(cells)} |" for cells in table)]) + "\n"


def _machine() -> str:
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{os.cpu_count()} cores ({model}), {memory:.0f} GiB of memory, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}"
    )


if __name__ == "__main__":
    sys.exit(main())
