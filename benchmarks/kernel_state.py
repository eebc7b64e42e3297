"""What keeping a notebook's variables costs, and how fast they are back, beside Kishu and dill in the same kernels."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from statistics import median, quantiles
from typing import TYPE_CHECKING

import psutil
from jupyter_client.manager import KernelManager

from benchmarks import bed
from benchmarks.row import Row
from golem_launcher.localnet import network as localnet
from golem_launcher.session import client
from golem_launcher.workload.archive import agent_archive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jupyter_client.blocking.client import BlockingKernelClient

_RIVALS = ("kishu==0.3.4", "dill", "numpy", "pandas", "ipykernel")
_MEGA = 1_000_000
_SECONDS = 120
_CELLS = 40
_TURNS = 5
_STATE = "0123456789abcdef"
_PAUSE_SECONDS = 0.7
"""Between cells: so that what each made is kept, and the next one runs beside or after that."""
_DATA = (
    "import numpy, pandas; rng = numpy.random.default_rng(1)",
    "a = rng.random(12_500_000)",  # 100 MB
    "df = pandas.DataFrame({name: rng.random(1_000_000) for name in 'uvwxyz'})",  # 48 MB
)
_EDIT = "a[5] = {}"
_EXTENSION = "golem_launcher_agent.kernel_state"


def rows(base: Path) -> list[Row]:
    base.mkdir(parents=True, exist_ok=True)
    python = _python(base / "venv")
    (base / "agent.pyz").write_bytes(agent_archive())
    plain = _cells(base / "plain", python, {})
    state = base / "kept" / ".jupyter" / "state" / _STATE
    told = {
        "PYTHONPATH": str(base / "agent.pyz"),
        "GOLEM_LAUNCHER_STATE_PATH": str(base / "agent.pyz"),
        "GOLEM_LAUNCHER_STATE": str(state),
        "GOLEM_LAUNCHER_STATE_TICKET": str(base / "ticket"),
    }
    kept = _cells(base / "kept", python, told)
    with _kernel(base / "kept", python, told) as client:  # the same one, restarted: what it kept is there
        _run(client, *_DATA)
        began = time.monotonic()
        _await_state(state, 1 + _newest(state))
        whole = time.monotonic() - began
        time.sleep(5.0)  # the pause after a large save
        before, edited = _names(state), _newest(state)
        _run(client, _EDIT.format("7.5"))
        began = time.monotonic()
        _await_state(state, edited + 1)
        edit = time.monotonic() - began
        new = sum((state / name).stat().st_size for name in _names(state) - before)
        time.sleep(1.0)
        quiet = _newest(state)
        _run(client, "print(len(a))")
        time.sleep(2.0)
        written = _newest(state) - quiet
    loads = [_back(base / f"again-{turn}", python, told, state) for turn in range(_TURNS)]
    back, processor = (median(each) for each in zip(*loads, strict=True))
    carried, sent = _carried(base / "sessions", state)
    rivals = _rivals(base, python)
    added = {name: _p95(kept[name]) - _p95(plain[name]) for name in kept}
    made_of = f"{_p95(kept['edit']):.0f} ms, plain {_p95(plain['edit']):.0f} ms; kishu {rivals['kishu edit']:.1f} s"
    nothing = {name: median(each["nothing"]) for name, each in (("kept", kept), ("plain", plain))}
    told_of_nothing = f"{nothing['kept']:.1f} ms, plain {nothing['plain']:.1f} ms; {written} states written"
    return [
        Row("a cell that edits 100 MB, more than without variables kept, p95", added["edit"], "ms", least=50, aim=25,
            detail=f"{made_of}; {_CELLS} cells each"),
        Row("a cell that changes nothing, the same, median", nothing["kept"] - nothing["plain"], "ms",
            least=5, aim=1, detail=told_of_nothing),
        Row("148 MB of variables kept, after the cell", whole, "s", least=1.5, aim=1.0,
            detail=f"half a second of it waiting for the next cell; dill {rivals['dill dump']:.2f} s and kishu "
            f"{rivals['kishu create']:.1f} s, in which no cell runs"),
        Row("one element of 100 MB changed, kept after", edit, "s", least=1.5, aim=1.0,
            detail=f"half a second of it waiting; dill {rivals['dill dump']:.2f} s"),
        Row("bytes written for it", new / _MEGA, "MB", least=2, aim=1.2,
            detail=f"dill {rivals['dill bytes'] / _MEGA:.0f} MB, kishu {rivals['kishu edit bytes'] / _MEGA:.0f} MB"),
        Row("148 MB of variables brought back at a new machine, over the raw transfer of their bytes to it",
            (carried + back) / sent, "x", least=1.5, aim=1.2,
            detail=f"a session that is resumed answers {carried:.2f} s later than an empty one, and the first cell "
            f"takes {back:.2f} s; `cp` of one file of these bytes {sent:.2f} s; medians of {_TURNS}, by turns; "
            f"dill {rivals['dill load']:.2f} s in the cell, and the same transfer before"),
        Row("a processor's work for a GB of variables brought back", processor / 0.148, "s", least=2, aim=1.5,
            detail="reading, hashing and unpickling, on however many cores; the first cell's own work with it"),
    ]  # fmt: skip


def _python(venv: Path) -> str:
    """A Python with the rivals, in which all kernels run."""
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    python = str(venv / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "-q", *_RIVALS], check=True, stdout=sys.stderr)
    return python


@contextlib.contextmanager
def _kernel(directory: Path, python: str, told: dict[str, str]) -> Iterator[BlockingKernelClient]:
    directory.mkdir(parents=True, exist_ok=True)
    manager = KernelManager(connection_file=str(directory / f"kernel-{time.monotonic_ns()}.json"))  # as Kishu wants it
    extra = [f"--IPKernelApp.extra_extensions={_EXTENSION}"] if told else []
    manager.kernel_spec.argv = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}", *extra]
    environment = {**os.environ, "IPYTHONDIR": str(directory / "ipython"), "KISHU_PATH_ROOT": str(directory), **told}
    manager.start_kernel(cwd=str(directory), env=environment)
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=_SECONDS)
        yield client
    finally:
        client.stop_channels()
        manager.shutdown_kernel()


def _run(client: BlockingKernelClient, *cells: str) -> float:
    """Seconds until the last of them was answered."""
    for cell in cells:
        began = time.perf_counter()
        reply = client.execute(cell, reply=True, timeout=_SECONDS)["content"]
        assert reply["status"] == "ok", reply
    return time.perf_counter() - began


def _cells(directory: Path, python: str, told: dict[str, str]) -> dict[str, list[float]]:
    """Milliseconds of each of some cells: of such that edit an array, and of such that change nothing."""
    with _kernel(directory, python, told) as client:
        _run(client, *_DATA)
        time.sleep(10.0)
        found: dict[str, list[float]] = {"edit": [], "nothing": []}
        for number in range(_CELLS):
            for name, cell in (("edit", _EDIT.format(number)), ("nothing", "len(a)")):
                found[name].append(1000 * _run(client, cell))
                time.sleep(_PAUSE_SECONDS)
    return found


def _p95(values: list[float]) -> float:
    return quantiles(values, n=20)[-1]


def _newest(state: Path) -> int:
    return max((int(path.stem[6:]) for path in state.glob("state-*.json")), default=0)


def _await_state(state: Path, number: int) -> None:
    end = time.monotonic() + _SECONDS
    while _newest(state) < number:
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.002)


def _names(state: Path) -> set[str]:
    return {path.relative_to(state).as_posix() for path in state.rglob("*") if path.is_file()}


def _carried(base: Path, state: Path) -> tuple[float, float]:
    """Seconds by which a session answers later for the files of a state, and of the raw transfer of their bytes."""
    fresh, resumed, sent = [], [], []
    base.mkdir()
    file = base / "file"
    file.write_bytes(b"".join(path.read_bytes() for path in state.rglob("*") if path.is_file()))
    with bed.home(base / "home"):
        localnet.up()
        with bed.session("kept") as session:
            shutil.copytree(state, session.work() / ".jupyter" / "state" / _STATE)
            client.save("kept")
        for turn in range(_TURNS):
            with bed.session(f"fresh-{turn}", save=False) as session:
                fresh.append(session.seconds)
            with bed.session(f"resumed-{turn}", resume="kept", save=False) as session:
                resumed.append(session.seconds)
                told = json.loads(bed.command("cp", str(file), f"resumed-{turn}:file", "--json"))
                sent.append(float(told["seconds"]))
    return median(resumed) - median(fresh), median(sent)


def _back(base: Path, python: str, told: dict[str, str], state: Path) -> tuple[float, float]:
    """Seconds of the first cell of a new kernel, which takes the state up, and of processors for it.

    pandas is imported before.
    """
    place = base / ".jupyter" / "state"
    place.parent.mkdir(parents=True)
    shutil.copytree(state.parent, place)
    ticket = base / "ticket"
    ticket.write_text(str(place / state.name))
    warm = base / "warm"
    warm.mkdir()
    (warm / "sitecustomize.py").write_text("import pandas")
    own = {
        **told,
        "PYTHONPATH": f"{told['PYTHONPATH']}:{warm}",
        "GOLEM_LAUNCHER_STATE": str(place / "fedcba9876543210"),
        "GOLEM_LAUNCHER_STATE_TICKET": str(ticket),
    }
    with _kernel(base, python, own) as kernel_client:
        (kernel,) = (one for one in psutil.Process().children() if "ipykernel_launcher" in one.cmdline())
        before = sum(kernel.cpu_times()[:2])
        took = _run(kernel_client, "assert (a[5], len(df)) == (7.5, 1_000_000)")
        return took, sum(kernel.cpu_times()[:2]) - before


def _rivals(base: Path, python: str) -> dict[str, float]:
    found: dict[str, float] = {}
    place = base / "rivals"
    place.mkdir()
    notebook = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (place / "kishu.ipynb").write_text(json.dumps(notebook))
    with _kernel(place, python, {}) as client:
        _run(client, *_DATA, "import dill")
        found["dill dump"] = _run(client, "dill.dump({'a': a, 'df': df}, open('d.bin', 'wb'))")
        found["dill bytes"] = (place / "d.bin").stat().st_size
    with _kernel(place, python, {}) as client:
        _run(client, "import dill, pandas")
        found["dill load"] = _run(client, "globals().update(dill.load(open('d.bin', 'rb')))")
    with _kernel(place, python, {}) as client:
        _run(client, "from kishu import init_kishu; init_kishu('kishu.ipynb')", _DATA[0])
        plain = _run(client, "pass")
        found["kishu create"] = _run(client, "\n".join(_DATA)) - plain
        stored = _stored(place)
        found["kishu edit"] = _run(client, _EDIT.format("7.5"))
        found["kishu edit bytes"] = _stored(place) - stored
    return found


def _stored(place: Path) -> int:
    return sum(path.stat().st_size for path in place.glob("kishu.kishudb*"))
