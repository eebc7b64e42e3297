"""gftp between two nodes: one gigabyte each way, requestor and provider on two daemons joined by our router.

The requestor's ``gftp server`` is a process of its own, as under yapapi; router and provider's end are one process.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from benchmarks.row import Row
from golem_launcher.localnet.router import Router
from golem_launcher.node.gftp import transfer
from golem_launcher.node.gsb import GsbClient
from tests.yagna_daemon import Daemon, start

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MEGA = 1_000_000
_MEGABYTES = 1000


def rows(_base: Path) -> list[Row]:
    result = asyncio.run(measure(_MEGABYTES))
    peaks = f"{result['peak_gftp_mb']:.0f} MB (gftp), {result['peak_router_mb']:.0f} MB (router and provider)"
    daemon = f"{result['daemon_download_mb_s']:.0f} and {result['daemon_upload_mb_s']:.0f} MB/s"
    return [
        Row(
            f"gftp: {_MEGABYTES} MB {way}",
            result[f"{name}_mb_s"],
            "MB/s",
            least=30.0,
            aim=100.0,
            more_is_better=True,
            detail=detail,
        )
        for way, name, detail in (
            ("to the provider", "download", f"peak memory {peaks}"),
            ("from the provider", "upload", f"through the provider's own daemon: {daemon} (to, from)"),
        )
    ]


async def measure(megabytes: int) -> dict[str, float]:
    """Speeds in MB/s; peak memory of the ``gftp`` process and of this one (router and provider), in MB.

    The provider's exe-unit lives in the router's process and uses the router itself; ``daemon_`` is the way through the
    provider's own daemon, as another implementation of a provider would go.
    """
    with contextlib.ExitStack() as stack:
        async with Router() as router:
            requestor = await asyncio.to_thread(stack.enter_context, start(router.port, "requestor"))
            provider = await asyncio.to_thread(stack.enter_context, start(router.port, "provider"))
            source, fetched, returned = (requestor.directory / name for name in ("source", "fetched", "returned"))
            await asyncio.to_thread(_fill, source, megabytes)
            async with await GsbClient.connect(provider.gsb_url) as daemon, _gftp(requestor) as ask:
                began = time.perf_counter()
                published = (await ask("publish", files=[str(source)]))[0]["url"]
                result = {"megabytes": megabytes, "publish_s": round(time.perf_counter() - began, 2)}
                for way, bus in (("", router), ("daemon_", daemon)):
                    began = time.perf_counter()
                    await transfer.download(bus, published, fetched)
                    result[f"{way}download_mb_s"] = round(megabytes / (time.perf_counter() - began), 1)
                    url = (await ask("receive", output_file=str(returned)))["url"]
                    began = time.perf_counter()
                    await transfer.upload(bus, fetched, url)
                    result[f"{way}upload_mb_s"] = round(megabytes / (time.perf_counter() - began), 1)
                result["peak_gftp_mb"] = round(ask.peak(), 1)
            result["peak_router_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000, 1)
            assert await asyncio.to_thread(_same, source, returned)
            await asyncio.to_thread(stack.close)
    return result


class _Ask:
    """Calls of one ``gftp server``."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def __call__(self, method: str, **params: object) -> object:
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        return json.loads(await self._process.stdout.readline())["result"]

    def peak(self) -> float:
        """Its greatest resident memory so far, in MB."""
        status = Path(f"/proc/{self._process.pid}/status")
        if status.exists():
            return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1000
        return psutil.Process(self._process.pid).memory_info().rss / MEGA


@contextlib.asynccontextmanager
async def _gftp(node: Daemon) -> AsyncIterator[_Ask]:
    environment = {**os.environ, "GSB_URL": node.gsb_url}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "golem_launcher.node.gftp.main",
        "server",
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield _Ask(process)
    finally:
        process.stdin.close()
        await process.wait()


def _fill(path: Path, megabytes: int) -> None:
    block = os.urandom(MEGA)
    with path.open("wb") as file:
        for number in range(megabytes):
            file.write(number.to_bytes(8, "big") + block[8:])


def _same(one: Path, other: Path) -> bool:
    if one.stat().st_size != other.stat().st_size:
        return False
    with one.open("rb") as left, other.open("rb") as right:
        while block := left.read(MEGA):
            if block != right.read(MEGA):
                return False
    return True
