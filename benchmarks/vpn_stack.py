"""The VPN's TCP in one process: two nodes back to back, one connection, without and with loss.

Both ends run here, so one end takes about half of the CPU shown.
"""

from __future__ import annotations

import asyncio
import socket
import time
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.row import Row
from golem_launcher.localnet.vpn import BadLine, LineRule, VpnEndpoint

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 32 * 1024 * 1024
_LOSSES = (0.0, 0.01)
_SECONDS = 25.0


def rows(_base: Path) -> list[Row]:
    return [asyncio.run(asyncio.wait_for(measure(loss), _SECONDS)) for loss in _LOSSES]


async def refuse(_port: int) -> socket.socket:
    raise ConnectionRefusedError


async def measure(loss: float) -> Row:
    loop = asyncio.get_running_loop()
    ours, program = socket.socketpair()
    program.setblocking(False)

    async def dial(_port: int) -> socket.socket:
        return ours

    nodes: list[VpnEndpoint] = []
    lines = [BadLine(lambda f, i=i: nodes[i].receive(f), LineRule(loss=loss, seed=i)) for i in (1, 0)]  # type: ignore[misc]
    nodes += [
        VpnEndpoint("192.168.0.1", "192.168.0.0/24", lines[0].send, refuse),
        VpnEndpoint("192.168.0.2", "192.168.0.0/24", lines[1].send, dial),
    ]
    client = await nodes[0].connect("192.168.0.2", 80)
    begun, cpu = time.perf_counter(), time.process_time()
    sending = asyncio.create_task(loop.sock_sendall(program, bytes(SIZE)))
    left = SIZE
    while left:
        left -= len(await loop.sock_recv(client, min(left, 1 << 18)))
    await sending
    took, used = time.perf_counter() - begun, time.process_time() - cpu
    speed = SIZE / took / 1e6
    client.close()
    program.close()
    for close in map(partial(VpnEndpoint.aclose), nodes):
        await close
    return Row(
        f"the VPN's end in user space, {loss:.0%} of frames lost",
        speed,
        "MB/s",
        detail=f"both ends {used / took:.0%} of a core; at 3.5 MB/s {used / (SIZE / 3.5e6):.1%}",
    )
