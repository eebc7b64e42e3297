"""Files that a page sends in parts: every byte once and in order, and JupyterLab's word for it."""

import asyncio
import base64
import contextlib
import json
import os

import pytest
from aiohttp import web

from golem_launcher.access.lab.large_files import LargeFiles
from golem_launcher.access.lab.uploads import ActiveUploads, UploadAnswer, UploadRefused
from golem_launcher.errors import AccessError, ProviderError
from tests.access.link.test_link import lab, run

_PART = os.urandom(600_000)
_PATH = "/api/contents/folder/a%20file.bin"


class Sending:
    """Has parts asked of a Lab that knows ``files``; like the real one it lags behind, until somebody waits for it."""

    def __init__(self, headers, files, refuses=None, *, known=True):
        self._known = known
        self.headers, self._files, self._refuses = headers, files, refuses
        self._waiting = []
        self._answer = None
        self.over = False
        self.room = asyncio.Semaphore(2)

    async def add(self, target, model, content):
        if self._answer is not None and not self._answer.good:
            raise UploadRefused(self._answer)
        if self.over:
            raise ProviderError("The provider failed.")
        self._waiting.append((target, model, content))
        if len(self._waiting) > 3:
            self.ask()

    def ask(self):
        while self._waiting:
            target, model, content = self._waiting.pop(0)
            if not self._known:
                self._answer, self.over = UploadAnswer(403, [], b""), True
                raise UploadRefused(self._answer)
            if target == self._refuses:
                self._answer = UploadAnswer(507, [(b"content-type", b"application/json")], b'{"message": "no room"}')
                self.over = True
                raise UploadRefused(self._answer)
            known = self._files.setdefault(target, bytearray())
            if model["chunk"] == 1:
                known.clear()
            known += content
            body = json.dumps({"name": "a file.bin", "size": len(known), "chunk": model["chunk"]}).encode()
            headers = [(b"content-type", b"application/json"), (b"content-length", b"999"), (b"x-own", b"1")]
            self._answer = UploadAnswer(200 if len(known) > len(content) else 201, headers, body)

    async def answer(self):
        if self.over and not self._waiting:
            raise UploadRefused(self._answer) if self._answer else ProviderError("The provider failed.")
        self.ask()
        return self._answer

    async def aclose(self):
        self.over = True


class _Far:
    """What the session has beside the link: the uploads that were begun, and the files that came of them."""

    def __init__(self, *, fault=None, refuses=None, refuses_without=None):
        self.begun, self.files = [], {}
        self._fault, self._refuses, self._token = fault, refuses, refuses_without
        self.asked = []
        """What came to the Lab by the tunnel."""

    async def begin(self, headers):
        if self._fault is not None:
            raise self._fault
        known = self._token is None or dict(headers).get(b"authorization", b"").decode() == self._token
        self.begun.append(Sending(headers, self.files, self._refuses, known=known))
        return self.begun[-1]

    @contextlib.asynccontextmanager
    async def link(self):
        async def usual(request):
            self.asked.append((request.method, request.raw_path, await request.read()))
            return web.Response(status=201, text="by the tunnel")

        async def nowhere():
            raise AccessError("There is no provider.")

        large = LargeFiles(nowhere, ActiveUploads(self.begin))
        async with lab(web.route("*", "/{path:.*}", usual), large=large) as there:
            yield there


def _body(number, content=_PART, **more):
    model = {"type": "file", "format": "base64", "name": "a file.bin", "chunk": number}
    return json.dumps({**model, "content": base64.b64encode(content).decode(), **more}).encode()


async def _put(there, number, content=_PART, path=_PATH, headers=None, **more):
    from yarl import URL  # noqa: PLC0415 - aiohttp's

    answer = await there.put(URL(path, encoded=True), data=_body(number, content, **more), headers=headers)
    return answer.status, await answer.read(), answer.headers


def test_parts_come_once_and_in_order_and_the_lab_answers_first_and_last():
    far, parts = _Far(), [os.urandom(600_000) for _ in range(9)] + [b"the end"]

    async def scene():
        async with far.link() as there:
            return [await _put(there, n, part) for n, part in zip([*range(1, 10), -1], parts, strict=True)]

    first, *between, last = run(scene())
    assert far.files == {_PATH: b"".join(parts)}
    assert (first[0], json.loads(first[1])["chunk"]) == (201, 1)
    assert [json.loads(body)["size"] for _, body, _ in between] == [600_000 * n for n in range(2, 10)]
    assert {status for status, _, _ in between} == {200}
    assert json.loads(last[1]) == {"name": "a file.bin", "size": 9 * 600_000 + 7, "chunk": -1}
    assert "x-own" not in last[2]
    assert len(far.begun) == 1
    assert far.begun[0].over


def test_what_the_lab_refuses_reaches_the_page():
    far = _Far(refuses=_PATH)

    async def scene():
        async with far.link() as there:
            status, body, _ = await _put(there, 1)
            assert (status, body) == (507, b'{"message": "no room"}')
            assert (await _put(there, 2))[:2] == (201, b"by the tunnel")  # as it is: the page gave up long ago

    run(scene())


def test_what_broke_off_is_an_error_and_nothing_is_asked_twice():
    far = _Far()

    async def scene():
        async with far.link() as there:
            assert (await _put(there, 1))[0] == 201
            far.begun[0].over = True
            for number in (2, 2, 3, -1):  # a program tries again: what was there is not whole, whatever comes now
                assert (await _put(there, number))[0] == 502
            assert (await _put(there, 1, path=_PATH + "2"))[0] == 201  # another file's is no reason to forget that
            assert (await _put(there, 3))[0] == 502

    run(scene())
    assert far.asked == []
    assert far.files == {_PATH: _PART, _PATH + "2": _PART}


def test_what_broke_off_can_be_begun_anew():
    far = _Far()

    async def scene():
        async with far.link() as there:
            await _put(there, 1)
            far.begun[0].over = True
            await _put(there, 2)
            for number in (1, 2, -1):
                assert (await _put(there, number))[0] in {200, 201}

    run(scene())
    assert far.files == {_PATH: _PART * 3}


@pytest.mark.parametrize("number", [1, 3, 77, -1])
def test_a_stranger_changes_nothing_for_an_upload_under_way(number):
    """JupyterLab refuses whoever has no token; meanwhile the parts of who has one come in their order."""
    far = _Far(refuses_without="token a")
    own = {"Authorization": "token a"}

    async def scene():
        async with far.link() as there:
            for part in (1, 2):
                await _put(there, part, bytes([part]) * 600_000, headers=own)
            strange, third = await asyncio.gather(
                _put(there, number, b"x" * 600_000), _put(there, 3, b"\x03" * 600_000, headers=own)
            )
            assert strange[0] == 403 or strange[1] == b"by the tunnel"
            assert third[0] == 200
            assert (await _put(there, -1, b"\x04" * 600_000, headers=own))[0] == 200

    run(scene())
    assert far.files == {_PATH: b"".join(bytes([part]) * 600_000 for part in (1, 2, 3, 4))}


def test_a_body_without_a_length_is_no_part():
    """It could have no end."""
    far = _Far()

    async def scene():
        async def parts():
            yield _body(1)

        async with far.link() as there:
            await _put(there, 1)
            assert await (await there.put("/api/contents/folder/b.bin", data=parts())).text() == "by the tunnel"

    run(scene())
    assert len(far.begun) == 1


@pytest.mark.parametrize("fault", [AccessError("There is no provider."), ConnectionRefusedError()])
def test_where_there_is_no_way_it_goes_as_usual(fault):
    far = _Far(fault=fault)

    async def scene():
        async with far.link() as there:
            for number in (1, 2, -1):
                assert (await _put(there, number))[:2] == (201, b"by the tunnel")

    run(scene())
    assert far.asked == [("PUT", _PATH, _body(number)) for number in (1, 2, -1)]


def test_a_part_with_another_cookie_is_the_labs_to_judge():
    """Jupyter's server gives a new one now and then; somebody else has none."""
    far = _Far()

    async def scene():
        async with far.link() as there:
            assert (await _put(there, 1, headers={"Authorization": "token a"}))[0] == 201
            for number, token in ((2, "a"), (3, "b"), (4, "b")):
                assert (await _put(there, number, headers={"Authorization": f"token {token}"}))[0] == 200
            assert (await _put(there, -1, headers={"Authorization": "token b"}))[0] == 200

    run(scene())
    assert [dict(one.headers)[b"authorization"] for one in far.begun] == [b"token a", b"token b"]
    assert not {b"content-length", b"expect"} & set(dict(far.begun[0].headers))
    assert far.files == {_PATH: _PART * 5}


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"type": "notebook", "format": "json", "content": {"cells": ["x" * 600_000]}}).encode(),
        _body(1, format="text"),
        _body(1, type="notebook"),
        _body("1"),
        _body(True),
        _body(None),
        _body(1)[:-3] + b'\\n"}',
        _body(1).replace(b'"content": "', b'"content": "===='),
        _body(1).replace(b'"content": "', b'"content": "\\u0041\\u0041'),
        _body(1)[:-1] + b', "content": "AAAA"}',
        b'{"type": "file", "format": "base64", "chunk": 1, "more": {"content": "%s"}}' % (b"AAAA" * 200_000),
        b'{"type": "file", "format": "base64", "chunk": 1, "content": "%s' % (b"AAAA" * 200_000),
        b"[" * 600_000,
        b"x" * 600_000,
        bytes(600_000),
    ],
)
def test_what_is_no_part_goes_as_it_came(body):
    far = _Far()

    async def scene():
        async with far.link() as there:
            assert await (await there.put("/api/contents/a.bin", data=body)).text() == "by the tunnel"

    run(scene())
    assert far.asked == [("PUT", "/api/contents/a.bin", body)]
    assert far.begun == []


@pytest.mark.parametrize(
    ("method", "path", "waits"),
    [
        ("DELETE", "/api/contents/folder/a%20file.bin", True),
        ("PATCH", "/api/contents/folder", True),
        ("PUT", "/api/contents/folder/a%20file.bin", True),
        ("PATCH", "/api/contents/folder/another", False),
        ("GET", "/api/contents/folder/a%20file.bin", False),
    ],
)
def test_what_changes_the_file_meanwhile_waits_for_what_was_taken(method, path, waits):
    from yarl import URL  # noqa: PLC0415

    far = _Far()

    async def scene():
        async with far.link() as there:
            await _put(there, 1)
            await _put(there, 2)
            assert len(far.files[_PATH]) == len(_PART)
            answer = await there.request(method, URL(path, encoded=True), data=b"{}" if method != "GET" else None)
            assert await answer.text() == "by the tunnel"
            assert len(far.files[_PATH]) == len(_PART) * (1 + waits)

    run(scene())


def test_a_page_that_begins_anew_begins_with_nothing():
    far = _Far()

    async def scene():
        async with far.link() as there:
            for number in (1, 2, 3, 1, -1):
                assert (await _put(there, number, bytes([number & 255]) * 600_000))[0] in {200, 201}

    run(scene())
    assert far.files == {_PATH: b"\x01" * 600_000 + b"\xff" * 600_000}
    assert [one.over for one in far.begun] == [True, True]


def test_a_program_that_asks_whether_to_go_on_is_told():
    far = _Far()

    async def scene():
        async with far.link() as there:
            host, port = str(there._base_url).removeprefix("http://").rstrip("/").split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            body = _body(1)
            writer.write(
                f"PUT {_PATH} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: {len(body)}\r\n"
                "Expect: 100-continue\r\n\r\n".encode()
            )
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
            writer.write(body)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 201 ")
            writer.close()

    run(scene())
    assert far.files == {_PATH: _PART}
