"""Use is what this side sees itself: more than what keeps a connection alive, and no question of an open page."""

from __future__ import annotations

import asyncio

from golem_launcher.access.lab.lab_proxy_settings import RemoteLab
from golem_launcher.access.last_use import LastUse
from golem_launcher.access.link.link import listen
from golem_launcher.access.sockets.in_process_stream import DuplexStream, Pipe
from tests.patience import slower


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_keeps_a_connection_alive_is_no_use() -> None:
    clock = Clock()
    use = LastUse(clock)
    for _ in range(100):
        clock.now += 30
        use.moved(200)
    assert use.ago == 3000
    use.moved(900)
    assert use.ago == 0
    clock.now += 45
    assert use.ago == 45
    use.seen()
    assert use.ago == 0


def test_both_ways_of_a_stream_count() -> None:
    async def scene() -> list[float]:
        clock = Clock()
        use = LastUse(clock)
        there, back = Pipe(), Pipe()
        stream = use.stream(DuplexStream(back, there, there.break_off))
        ago = []
        clock.now = 100
        stream.write(bytes(1024))
        ago.append(use.ago)
        clock.now = 200
        back.write(bytes(1024))
        await stream.read(4096)
        ago.append(use.ago)
        assert await there.read(4096) == bytes(1024)
        return ago

    assert asyncio.run(scene()) == [0, 0]


async def _asked(method: str, path: str) -> float:
    """How long ago it was used once this was asked for by the link."""
    clock = Clock()
    use = LastUse(clock)

    async def dial() -> DuplexStream:
        there, back = Pipe(), Pipe()
        back.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        return DuplexStream(back, there, there.break_off)

    link = await listen("127.0.0.1", 0, RemoteLab(dial, "secret", use=use))
    try:
        clock.now = 100
        reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
        writer.write(f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{link.port}\r\nContent-Length: 0\r\n\r\n".encode())
        assert b"204" in await asyncio.wait_for(reader.readline(), 60 * slower())
        writer.close()
        return use.ago
    finally:
        await link.aclose()


def test_what_an_open_page_asks_is_no_use_and_what_a_person_does_is() -> None:
    asked = {
        ("GET", "/api/kernels"): 100,
        ("GET", "/api/contents?content=1"): 100,
        ("PUT", "/lab/api/workspaces/default"): 100,
        ("PUT", "/api/contents/Untitled.ipynb"): 0,
        ("POST", "/api/sessions"): 0,
        ("GET", "/files/data.csv"): 0,
    }
    for (method, path), ago in asked.items():
        assert asyncio.run(_asked(method, path)) == ago, path
