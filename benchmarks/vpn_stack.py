"""The VPN's TCP in one process: two nodes back to back, one connection. ``python benchmarks/vpn_stack.py [loss]``.

Both ends run here, so one end takes about half of the CPU shown.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from functools import partial

from golem_launcher.localnet.vpn import BadLine, LineRule, VpnEndpoint

SIZE = 32 * 1024 * 1024


async def refuse(_port: int) -> socket.socket:
    raise ConnectionRefusedError


async def measure(loss: float) -> None:
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
    print(f"loss {loss:.1%}: {speed:.1f} MB/s, both ends {used / took:.0%} of a core")
    print(f"CPU of both ends at 3.5 MB/s: {used / (SIZE / 3.5e6):.1%} of a core")
    print(nodes[1].counters)
    client.close()
    program.close()
    for close in map(partial(VpnEndpoint.aclose), nodes):
        await close


if __name__ == "__main__":
    asyncio.run(measure(float(sys.argv[1]) if len(sys.argv) > 1 else 0.0))
