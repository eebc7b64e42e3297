"""What an agent tells of the files that viewers see, and says that no agent of ours would say."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from golem_launcher.errors import WorkspaceError
from golem_launcher.session.view_only.shown_files import ShownFile, ShownFiles, _listing
from tests.dialling import to_origin
from tests.patience import slower

_NS = 10**9


def _told(*files: Any, **more: Any) -> dict[str, Any]:
    return {"now": 1000 * _NS, "files": list(files), "more": False, **more}


def test_ages_are_counted_by_this_computers_clock() -> None:
    listed = _listing(_told(["a.md", 5, 990 * _NS, "1"], ["b.md", 5, 2000 * _NS, "1"]), {}, 5000.0)
    assert [(file.path, file.changed_at) for file in listed.files.values()] == [("b.md", 5000.0), ("a.md", 4990.0)]
    later = _listing(_told(["a.md", 5, 990 * _NS, "1"], ["b.md", 5, 999 * _NS, "2"]), listed.files, 6000.0)
    assert later.files["a.md"] is listed.files["a.md"]
    assert later.files["b.md"].changed_at == 5999.0


@pytest.mark.parametrize(
    "told",
    [{}, {"now": 1}, _told(7), _told(["a.md"]), _told(["a.md", -1, 0, ""]), _told(["a.md", 10**30, 0, ""]),
     _told(["a.md", 5, 2**64, ""]), _told(["a.md", 5, 0, "x" * 200]), _told(["a.md", True, 0, None]),
     _told(["a.md", 5, 0, "\ud800"]), _told(["\ud800.md", 5, 0, ""]),
     _told(["../a.md", 5, 0, ""]), _told(["/etc/a.md", 5, 0, ""]), _told([".a.md", 5, 0, ""]),
     _told(["a.txt", 5, 0, ""]),
     _told(["x/.y/a.md", 5, 0, ""]), _told(["a\0.md", 5, 0, ""]), _told([7, 5, 0, ""]), _told(now=2**80),
     _told(*([["a.md", 5, 0, ""]] * 301))],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(told: dict[str, Any]) -> None:
    with pytest.raises(WorkspaceError):
        _listing(told, {}, 0.0)


def test_a_client_stays_open_until_a_file_came_though_its_provider_was_left() -> None:
    file = ShownFile("a.md", 8, "1", 0.0)

    async def scene() -> None:
        token, half, rest = "first", asyncio.Event(), asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked = await reader.readuntil(b"\r\n\r\n")
            listing = json.dumps({"now": 0, "files": [], "more": False}).encode()
            body = b"12345678" if asked.startswith(b"POST /show ") else listing
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:4])
            await writer.drain()
            if body is not listing:
                half.set()
                await rest.wait()
            writer.write(body[4:])
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            shown = ShownFiles(to_origin(f"http://127.0.0.1:{port}"), lambda: token)
            coming = asyncio.create_task(shown.content(file))
            await half.wait()
            token = "second"
            assert (await shown.listing()).fresh
            rest.set()
            assert await coming == b"12345678"
            await shown.aclose()

    asyncio.run(asyncio.wait_for(scene(), 20 * slower()))
