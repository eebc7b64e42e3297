"""A thousand short tasks at ten providers, beside yapapi's own executor; ten thousand, and what memory they take."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
import time
from concurrent.futures import as_completed
from typing import TYPE_CHECKING, NamedTuple

import psutil

import golem_launcher
from benchmarks import bed
from benchmarks.row import Row
from golem_launcher.events import Stage
from golem_launcher.localnet import network as localnet

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_WORKERS = 10
_TASKS = 1_000
_MANY = 10_000
_WATCHED = 500
"""Of the many, so many are waited for: the supervisor knows none of them, and the others are there meanwhile."""
_MEGA = 1_000_000
_NETWORK = "terminate_seconds = 0\n" + "".join(
    f"""
[[provider]]
name = "worker-{number}"
memory_gib = 0.5
"""
    for number in range(_WORKERS)
)
_COMMAND, _FUNCTION = "echo {item}", "python3 -c 'print({item})'"
_YAPAPI = """
import asyncio, sys
from datetime import timedelta
from yapapi import Golem, Task
from yapapi.payload import vm

command, count, workers = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])

async def worker(context, tasks):
    providers.add(context.provider_id)
    async for task in tasks:
        script = context.new_script()
        done = script.run("/bin/sh", "-c", "export PATH; " + command.replace("{item}", str(task.data)))
        yield script
        task.accept_result(result=(await done).stdout)

async def main():
    package = await vm.repo(image_tag="golem/jupyterlab:local", min_mem_gib=0.4, min_storage_gib=0.2)
    async with Golem(budget=10, event_consumer=lambda event: None) as golem:
        async for task in golem.execute_tasks(
            worker, [Task(data=n) for n in range(count)], payload=package, max_workers=workers,
            timeout=timedelta(minutes=20),
        ):
            assert task.result.strip() == str(task.data)
            done.append(task.data)
            print(f"{len(done)} of {count}", file=sys.stderr, flush=True)

done, providers = [], set()
asyncio.run(main())
assert sorted(done) == list(range(count))
print(f"{len(providers)} providers", file=sys.stderr)
"""


class _Took(NamedTuple):
    """Seconds from nothing rented."""

    first: float
    """To the first result."""
    last: float
    machines: int
    """Of those that were rented, as many were ready to work by then."""


def same(x: int) -> int:
    return x


def rows(base: Path) -> list[Row]:
    description = base / "network.toml"
    description.write_text(_NETWORK)
    (base / "theirs.py").write_text(_YAPAPI)
    with bed.home(base / "many"):
        environment = localnet.up(description).environment()
        commands = _theirs(base, environment, _COMMAND), _our_commands(base)
        functions_of_theirs = _theirs(base, environment, _FUNCTION)
        our_functions, supervisor, here = _our_functions()
    return [
        *_compared("commands", *commands, "echo, by a shell"),
        *_compared("functions", functions_of_theirs, our_functions, "each in a process of its own"),
        Row(
            f"memory of the supervisor at {_WORKERS} machines and {_MANY:,} tasks",
            supervisor / _MEGA,
            "MB",
            least=150,
            detail=f"proportional set size; the program that gives them out has {here / _MEGA:.0f} MB more for them",
        ),
    ]


def _compared(what: str, theirs: _Took, ours: _Took, made: str) -> list[Row]:
    words = f"{_TASKS:,} short {what} at {_WORKERS} providers, over yapapi's own executor"
    return [
        Row(
            f"{words}, from nothing rented",
            theirs.last / ours.last,
            "x as fast",
            least=3,
            more_is_better=True,
            detail=f"to the last result {ours.last:.0f} s, yapapi {theirs.last:.0f} s; to the first {ours.first:.0f} s "
            f"and {theirs.first:.0f} s; {made}; all of it on the cores of this machine; {ours.machines} machines were "
            f"made ready by then, {theirs.machines} by yapapi",
        ),
        Row(
            f"{words}, from the first result to the last",
            (theirs.last - theirs.first) / (ours.last - ours.first),
            "x as fast",
            least=3,
            more_is_better=True,
            detail=f"{ours.last - ours.first:.1f} s, yapapi {theirs.last - theirs.first:.1f} s",
        ),
    ]


def _theirs(base: Path, environment: dict[str, str], command: str) -> _Took:
    """yapapi's."""
    argv = [sys.executable, "-W", "ignore", base / "theirs.py", command, str(_TASKS), str(_WORKERS)]
    return _took(argv, {**os.environ, **environment})


def _our_commands(base: Path) -> _Took:
    """A job's."""
    return _took(
        [bed.BIN / "golem-launcher", "run", "--name", "commands", "--map", f"0:{_TASKS}", "--workers", str(_WORKERS),
         "--mem", "0.4", "--disk", "0.2", "--budget", "10", "--output", base / "made", "--", "sh", "-c", _COMMAND],
        {**os.environ},
    )  # fmt: skip


def _took(argv: Sequence[str | Path], environment: dict[str, str]) -> _Took:
    """Of a program that says ``N of TOTAL`` on its standard error for each result; it has to end well."""
    began, first, machines = time.perf_counter(), 0.0, 0
    with subprocess.Popen(
        argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            machines += bool(re.match(r"Machine \d+ is ready", line))
            if told := re.match(r"(\d+) providers", line):
                machines = int(told[1])
            first = first or (time.perf_counter() - began if line.startswith(f"1 of {_TASKS}") else 0.0)
            if line.startswith(f"{_TASKS} of {_TASKS}"):
                last = time.perf_counter() - began
    if process.returncode:
        raise RuntimeError(f"{argv[0]} ended with {process.returncode}")
    return _Took(first, last, machines)


def _our_functions() -> tuple[_Took, float, float]:
    """An executor's; bytes of its supervisor, and more of this process, with many more to be done."""
    small = {"memory_gib": 0.4, "disk_gib": 0.2, "budget": 10}
    began = time.perf_counter()
    with golem_launcher.Executor(_WORKERS, name="functions", **small) as executor:
        results = executor.map(same, range(_TASKS))
        found, first = [next(results)], time.perf_counter() - began
        if [*found, *results] != list(range(_TASKS)):
            raise RuntimeError("a task came to something else")
        last = time.perf_counter() - began
        assert executor.session is not None
        machines = sum(machine.stage is Stage.READY for machine in executor.session.state().machines)
        took = _Took(first, last, machines)
        before = psutil.Process().memory_info().rss
        futures = [executor.submit(same, number) for number in range(_MANY)]
        for _ in itertools.islice(as_completed(futures), _WATCHED):
            pass
        size = psutil.Process(bed.supervisor_pid(executor.session)).memory_full_info().pss
        here = psutil.Process().memory_info().rss - before
        executor.shutdown(cancel_futures=True)
    return took, size, here
