"""Measures the machine, in less than 20 s: ``python3 agent.pyz --benchmark DIRECTORY`` prints one JSON object.

A program of its own, so that the agent answers meanwhile, and that leaves nothing behind. Figures are bytes a second
unless their names say otherwise; what can't be measured is left out.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import threading
import time
import zlib
from typing import Any

from . import gpus

_CORE_SECONDS, _MEMORY_SECONDS, _DISK_SECONDS, _GPU_SECONDS = 0.8, 0.5, 2.0, 12.0
_SECONDS = 20.0
_COPIED = 32 << 20
_WRITTEN, _PIECE = 128 << 20, 4 << 20
_LEFT_FREE = 1 << 30
_MULTIPLY = """
import time, torch
size = 4096
one = torch.randn(size, size, device="cuda", dtype=torch.float16)
def seconds(times):
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(times):
        one @ one
    torch.cuda.synchronize()
    return time.perf_counter() - began
seconds(3)
times = max(3, min(200, int(3 / max(seconds(3), 1e-6))))
print(2 * size**3 * times / seconds(times) / 1e12)
"""
"""Products of large matrices of half precision, as most training does."""


def run(directory: str) -> dict[str, Any]:
    """All figures, by a process of its own. Raises ``OSError`` and ``subprocess.SubprocessError``."""
    archive = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    command = [sys.executable, archive, "--benchmark", directory]
    done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=True, stdin=subprocess.DEVNULL)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main(directory: str) -> None:
    """Print all figures."""
    cores = len(os.sched_getaffinity(0))
    figures: dict[str, Any] = {"cores": cores, "core_rate": _packed(1), "cores_rate": _packed(cores)}
    figures["memory_rate"] = _copied()
    with contextlib.suppress(OSError):
        figures.update(_disk(directory))
    if (tflops := _gpu()) is not None:
        figures["gpu_tflops"] = tflops
    sys.stdout.write(json.dumps(figures))


def _packed(threads: int) -> float:
    """How much so many threads pack together, each on a core of its own where there are so many."""
    work = b" ".join(b"%d" % (number * 2654435761 % 1000003) for number in range(20000))
    end = time.perf_counter() + _CORE_SECONDS
    counts = [0] * threads

    def pack(number: int) -> None:
        while time.perf_counter() < end:
            zlib.compress(work)
            counts[number] += 1

    began = time.perf_counter()
    workers = [threading.Thread(target=pack, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(counts) * len(work) / (time.perf_counter() - began)


def _copied() -> float:
    """How fast memory is copied."""
    source, times = bytearray(_COPIED), 0
    began = time.perf_counter()
    while time.perf_counter() - began < _MEMORY_SECONDS:
        bytes(source)
        times += 1
    return times * _COPIED / (time.perf_counter() - began)


def _disk(directory: str) -> dict[str, float]:
    """How fast the disk of a directory takes and gives a file; a small disk is left alone."""
    room = os.statvfs(directory)
    if room.f_bavail * room.f_frsize < _WRITTEN + _LEFT_FREE:
        return {}
    path = os.path.join(directory, f"benchmark-{os.getpid()}")
    piece = os.urandom(_PIECE)
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        began, size = time.perf_counter(), 0
        while size < _WRITTEN and time.perf_counter() - began < _DISK_SECONDS:
            size += os.write(file, piece)
        os.fsync(file)
        written = size / (time.perf_counter() - began)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        os.lseek(file, 0, os.SEEK_SET)
        began, size = time.perf_counter(), 0
        while time.perf_counter() - began < _DISK_SECONDS and (data := os.read(file, _PIECE)):
            size += len(data)
        return {"disk_write_rate": written, "disk_read_rate": size / (time.perf_counter() - began)}
    finally:
        os.close(file)
        os.unlink(path)


def _gpu() -> float | None:
    """The speed of the GPU in teraflops; ``None`` where there is none, or no PyTorch that reaches it."""
    if not gpus.gpus() or importlib.util.find_spec("torch") is None:
        return None
    try:
        done = subprocess.run([sys.executable, "-c", _MULTIPLY], capture_output=True, timeout=_GPU_SECONDS, check=True)
        return float(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
