"""A cell through "Python 3 (Golem)" beside plain ipykernel and a session's gateway; what the kernel takes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
import uuid
from statistics import median
from typing import TYPE_CHECKING, Any

import aiohttp
import psutil
from jupyter_client.manager import start_new_kernel

from benchmarks import bed
from benchmarks.row import Row
from golem_launcher.kernel import kernelspec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CELLS = 60
_MEGABYTES = 10
_IDLE_SECONDS = 20.0
_SECONDS = 60
_MEGA = 1_000_000


def rows(base: Path) -> list[Row]:
    base.mkdir(parents=True, exist_ok=True)
    for name in ("JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        os.environ[name] = str(base / name)
    kernelspec.install()
    with bed.home(base / "home"), bed.session("kernel") as session, _kernel("python3") as plain:
        began = time.perf_counter()
        with _kernel("golem") as golem:
            idle_after = time.perf_counter() - began
            connecting = _seconds(lambda: _run(golem, "%connect local 1"))
            _run(golem, "%disconnect")
            _run(golem, f"%attach {session.directory.name} kernel=new")
            gateway = json.loads(bed.command("gateway", session.directory.name, "--json"))["url"]
            cells = _cells({"plain": plain, "golem": golem}, gateway)
            output = _seconds(lambda: _run(golem, f"print(('x' * 99 + chr(10)) * {_MEGABYTES * 10_000}, end='')"))
            interrupted = _interrupted(golem)
            process = psutil.Process(golem.manager.provisioner.pid)
            before = bed.cpu_seconds(process)
            time.sleep(_IDLE_SECONDS)
            idle = (bed.cpu_seconds(process) - before) / _IDLE_SECONDS
            memory = process.memory_full_info().pss / _MEGA
    middle = {name: 1000 * median(found) for name, found in cells.items()}
    made_of = ", ".join(f"{name} {value:.1f} ms" for name, value in middle.items())
    return [
        Row("an empty cell by the kernel on a provider, more than by a plain one", middle["golem"] - middle["plain"],
            "ms", least=15, aim=10, detail=f"{made_of}; median of {_CELLS} each, by turns"),
        Row("the same, more than by the session's gateway", middle["golem"] - middle["gateway"], "ms"),
        Row("the kernel is shown as idle after", idle_after, "s", least=1.0, aim=0.8),
        Row("%connect, more than the start of a session", connecting - session.seconds, "s", least=1.0, aim=0.5,
            detail=f"{connecting:.2f} s and {session.seconds:.2f} s; the session was started first, in a fresh home"),
        Row(f"{_MEGABYTES} MB of output of a cell", _MEGABYTES / output, "MB/s", detail="the VPN carries 3.4 MB/s"),
        Row("a cell is interrupted after", interrupted, "s", least=1.0, aim=0.5),
        Row("memory of the kernel's process here", memory, "MB", least=60, aim=50, detail="proportional set size"),
        Row("its CPU while idle", 100 * idle, "% of a core", least=0.5, aim=0.3),
    ]  # fmt: skip


class _Client:
    def __init__(self, manager: Any, client: Any) -> None:
        self.manager, self.client = manager, client


@contextlib.contextmanager
def _kernel(name: str) -> Iterator[_Client]:
    manager, client = start_new_kernel(kernel_name=name)
    try:
        yield _Client(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel()


def _run(kernel: _Client, code: str) -> None:
    reply = kernel.client.execute_interactive(code, timeout=_SECONDS, output_hook=lambda _: None)
    if reply["content"]["status"] != "ok":
        raise RuntimeError(f"{code}: {reply['content']}")


def _seconds(function: Any) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def _cells(kernels: dict[str, _Client], gateway: str) -> dict[str, list[float]]:
    """Seconds from asking to the reply and idle of an empty cell, by turns."""
    found: dict[str, list[float]] = {name: [] for name in (*kernels, "gateway")}

    async def by_gateway(channel: Any) -> None:
        message_id = uuid.uuid4().hex
        header = {"msg_id": message_id, "msg_type": "execute_request", "session": "b", "username": ""}
        content = {"code": "", "silent": False, "store_history": True, "user_expressions": {}}
        await channel.send_json(
            {"channel": "shell", "header": header, "parent_header": {}, "metadata": {}, "content": content}
        )
        missing = {"execute_reply", "idle"}
        while missing:
            said = await channel.receive_json(timeout=_SECONDS)
            if said["parent_header"].get("msg_id") == message_id:
                missing -= {said["msg_type"], said["content"].get("execution_state")}

    async def measure() -> None:
        async with aiohttp.ClientSession() as web:
            async with web.post(f"{gateway}/api/kernels", data=json.dumps({"name": "python3"})) as response:
                kernel_id = (await response.json())["id"]
            async with web.ws_connect(f"{gateway}/api/kernels/{kernel_id}/channels?session_id=b") as channel:
                await by_gateway(channel)
                for _ in range(_CELLS):
                    for name, kernel in kernels.items():
                        began = time.perf_counter()
                        await asyncio.to_thread(_run, kernel, "")
                        found[name].append(time.perf_counter() - began)
                    began = time.perf_counter()
                    await by_gateway(channel)
                    found["gateway"].append(time.perf_counter() - began)

    asyncio.run(measure())
    return found


def _interrupted(kernel: _Client) -> float:
    asked = kernel.client.execute("import time; print('begun', flush=True); time.sleep(60)")
    while kernel.client.get_iopub_msg(timeout=_SECONDS)["msg_type"] != "stream":
        pass
    began = time.perf_counter()
    kernel.manager.interrupt_kernel()
    while kernel.client.get_shell_msg(timeout=_SECONDS)["parent_header"].get("msg_id") != asked:
        pass
    return time.perf_counter() - began
