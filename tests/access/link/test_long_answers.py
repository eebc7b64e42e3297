"""Files that a browser has from the Lab: over a connection of their own, exact, and never two versions in one."""

import asyncio
import os

import pytest
from aiohttp import web

from golem_launcher.access.lab.large_files import LargeFiles
from golem_launcher.access.lab.uploads import ActiveUploads
from golem_launcher.access.sockets.in_process_stream import DuplexStream
from golem_launcher.errors import AccessError
from tests.access.link.test_link import lab, run

_DATA = os.urandom(300_000)


class _Way:
    """The connections that are made for long answers; ``fault`` is what comes of them instead."""

    def __init__(self, fault=None):
        self.port = None
        self.made = 0
        self._fault = fault

    async def connect(self):
        self.made += 1
        if self._fault is not None:
            raise self._fault
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        return DuplexStream(reader, writer, writer.close)


async def _no_upload(_):
    raise AccessError("There is no provider.")


def _large(connect):
    return LargeFiles(connect, ActiveUploads(_no_upload))


def _serving(way, asked):
    """A Lab's file, which is told ``asked``: the headers of each question."""

    async def file(request):
        asked.append(request.headers)
        way.port = request.transport.get_extra_info("sockname")[1]
        return web.Response(body=_DATA, headers={"Last-Modified": "Tue, 01 Dec 2026 10:00:00 GMT"})

    return web.get("/{path:.*}", file)


@pytest.mark.parametrize(
    ("path", "dest", "of_its_own"),
    [
        ("/files/data.bin", None, True),
        ("/files/data.bin?download=1", "document", True),
        ("/files/film.mp4", "video", True),
        ("/directories/data?archiveFormat=zip", "document", True),
        ("/files/picture.png", "image", False),
        ("/files/data.bin#bytes=0-65535", "empty", False),
        ("/files/data.bin#bytes=65536-", "empty", True),
        ("/files/data.bin#bytes=0-9999999", "empty", True),
        ("/api/contents/data.bin", "empty", False),
    ],
)
def test_what_somebody_wants_to_have_has_a_connection_of_its_own(path, dest, of_its_own):
    way, asked = _Way(), []
    place, _, part = path.partition("#")

    async def scene():
        headers = {"Accept-Encoding": "gzip"} | ({"Sec-Fetch-Dest": dest} if dest else {})
        headers |= {"Range": part} if part else {}
        async with lab(_serving(way, asked), large=_large(way.connect)) as there:
            await (await there.get("/api/status")).read()  # by which the way knows the port
            assert await (await there.get(place, headers=headers)).read() == _DATA
            assert await (await there.head("/files/data.bin")).read() == b""

    run(scene())
    assert way.made == of_its_own
    assert ("Accept-Encoding" in asked[1]) != of_its_own
    assert (asked[1].get("Connection") == "close") == of_its_own


@pytest.mark.parametrize("fault", [AccessError("There is no provider."), ConnectionRefusedError()])
def test_where_there_is_none_it_comes_like_any_other(fault):
    way = _Way(fault)

    async def scene():
        async with lab(_serving(way, []), large=_large(way.connect)) as there:
            assert await (await there.get("/files/data.bin")).read() == _DATA

    run(scene())
    assert way.made == 1


def test_also_where_it_breaks_before_a_word_came():
    async def silent():
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        return DuplexStream(reader, writer, writer.close)

    async def scene():
        nonlocal port
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with lab(_serving(_Way(), []), large=_large(silent)) as there:
            assert await (await there.get("/files/data.bin")).read() == _DATA
        server.close()

    port = 0
    run(scene())


@pytest.mark.parametrize("brought", [True, False])
@pytest.mark.parametrize(
    ("known", "status", "length"),
    [
        ("Tue, 01 Dec 2026 10:00:00 GMT", 206, len(_DATA) - 100),
        ("Tue, 01 Dec 2026 09:59:59 GMT", 200, len(_DATA)),
        ('"some-tag"', 200, len(_DATA)),
        (None, 206, len(_DATA) - 100),
    ],
)
def test_a_download_goes_on_only_with_the_same_file(brought, known, status, length):
    """Jupyter's server gives a part of whatever is there now."""
    way = _Way()

    async def part(request):
        way.port = request.transport.get_extra_info("sockname")[1]
        headers = {"Last-Modified": "Tue, 01 Dec 2026 10:00:00 GMT"}
        if "Range" not in request.headers:
            return web.Response(body=_DATA, headers=headers)
        headers["Content-Range"] = f"bytes 100-{len(_DATA) - 1}/{len(_DATA)}"
        return web.Response(status=206, body=_DATA[100:], headers=headers)

    async def scene():
        headers = {"Range": "bytes=100-"} | ({"If-Range": known} if known else {})
        async with lab(web.get("/{path:.*}", part), large=_large(way.connect) if brought else None) as there:
            await (await there.get("/api/status")).read()
            answer = await there.get("/files/data.bin", headers=headers)
            assert answer.status == status
            assert await answer.read() == _DATA[-length:]
            assert await (await there.get("/files/data.bin")).read() == _DATA  # on the same connection, or another

    run(scene())
