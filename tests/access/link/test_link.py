"""The link between a browser and a Lab that does what it is told, a hostile one among them."""

import asyncio
import contextlib
import json
import socket

import aiohttp
import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from golem_launcher import socket_owner
from golem_launcher.access.lab import lab_frontend, labextension
from golem_launcher.access.lab.lab_proxy_settings import RemoteLab
from golem_launcher.access.link import reverse_proxy
from golem_launcher.access.link.link import listen
from golem_launcher.access.sockets.in_process_stream import DuplexStream
from golem_launcher.access.sockets.loopback_address import loopback_address
from golem_launcher.agent.tcp_carrier import reset
from tests.access.far_side import IN_TURN, stopwatch
from tests.examples import examples
from tests.patience import slower

SECONDS = 60


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 60 * slower()))


@contextlib.asynccontextmanager
async def link_to(port, there=None, **more):
    """``there``: an event, for a way that is not open before."""

    async def dial():
        if there is not None:
            await there.wait()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        return DuplexStream(reader, writer, lambda: reset(writer))

    listener = await listen(loopback_address("link"), 0, RemoteLab(dial, "secret", **more))
    try:
        yield listener.address
    finally:
        await listener.aclose()


@contextlib.asynccontextmanager
async def lab(*routes, **more):
    """A link to an aiohttp server with these routes; the link's address and a client."""
    application = web.Application(client_max_size=1 << 30)
    application.add_routes(routes)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        port = site._server.sockets[0].getsockname()[1]
        connector = aiohttp.TCPConnector(limit=0)
        async with link_to(port, **more) as address, aiohttp.ClientSession(address, connector=connector) as client:
            yield client
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def bytes_of(answer, **more):
    """A link to a server that answers every request with these bytes and leaves; its address."""

    async def serve(reader, writer):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        async with link_to(server.sockets[0].getsockname()[1], **more) as address:
            yield address
    finally:
        server.close()


async def ask(address, request=b"GET /api HTTP/1.1\r\n"):
    """The head and the body of the answer to a request, with the right Host."""
    host, port = address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request + f"Host: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := await asyncio.wait_for(reader.read(65536), SECONDS * slower()):
            found += piece
    writer.close()
    head, _, body = found.partition(b"\r\n\r\n")
    return head, body


def test_another_users_program_gets_nothing_even_with_the_links_token(monkeypatch):
    """The link stands in the arguments of the browser that ``open`` starts, for everybody to read."""

    async def scene():
        async with bytes_of(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\ntheirs") as address:
            for ours, theirs, status in [(1000, 1000, b"200"), (1000, 0, b"200"), (1000, 1001, b"403"), (0, 7, b"200")]:
                monkeypatch.setattr(socket_owner.os, "geteuid", lambda ours=ours: ours)
                monkeypatch.setattr(socket_owner, "owner", lambda *_, theirs=theirs: theirs)
                head, _ = await ask(address)
                assert head.split()[1] == status

    asyncio.run(scene())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n", b"200"),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 20_000, b"502"),
        (b"HTTP/1.1 200 OK\r\n" + b"a:\r\n" * 50_000 + b"\r\n", b"502"),
        (b"HTTP/1.1 200 OK\r\n" + b"a:\r\n" * 4_000 + b"Content-Length: 0\r\n\r\n", b"200"),
    ],
)
def test_an_answer_in_a_hundred_thousand_parts_does_not_stop_the_others(answer, status):
    async def scene():
        async with bytes_of(answer) as address, stopwatch() as longest:
            head, _ = await ask(address)
            # What comes before the real head is passed on, to the end of the patience.
            assert head.split(b"HTTP/1.1 103 ")[0].split()[1:2] in ([status], [])
        assert longest[0] < IN_TURN

    run(scene())


def test_a_crowd_is_answered_in_turn_however_long_it_takes(monkeypatch):
    """Behind others one waits for longer than for a Lab that is away."""
    monkeypatch.setattr(reverse_proxy, "_HELD_SECONDS", 0.5)
    narrow = asyncio.Semaphore(reverse_proxy._AT_ONCE // 2)

    async def hello(_):
        return web.Response(text="hello")

    async def scene():
        async with lab(web.get("/api", hello)) as there:
            host, port = str(there._base_url.host), there._base_url.port

            async def dial():
                async with narrow:
                    await asyncio.sleep(0.1)
                    reader, writer = await asyncio.open_connection(host, port)
                    return DuplexStream(reader, writer, lambda: reset(writer))

            listener = await listen(loopback_address("crowd"), 0, RemoteLab(dial, "secret"))
            heads = await asyncio.gather(*(ask(listener.address) for _ in range(120)))
            await listener.aclose()
            return [head.split()[1] for head, _ in heads]

    assert run(scene()) == [b"200"] * 120


def test_requests_keep_their_parts_and_share_a_connection():
    peers = set()

    async def echo(request):
        peers.add(request.transport.get_extra_info("peername"))
        body = await request.read()
        return web.json_response(
            {"path": request.raw_path, "host": request.host, "method": request.method, "body": len(body)}
        )

    async def scene():
        async with lab(web.route("*", "/{tail:.*}", echo)) as client:
            for method, path in (("GET", "/a%2Fb?x=1&y"), ("PUT", "/c"), ("DELETE", "/d"), ("PATCH", "/e")):
                body = None if method in {"GET", "DELETE"} else b"x" * 70_000
                async with client.request(method, path, data=body) as response:
                    told = await response.json()
                assert told == {"path": path, "host": "127.0.0.1:8888", "method": method, "body": len(body or b"")}
            async with client.head("/a") as response:
                assert (response.status, await response.read()) == (200, b"")

    run(scene())
    assert len(peers) == 1


def test_bodies_stream_in_both_directions():
    began = asyncio.Queue()

    async def upload(request):
        await began.put(None)
        size = 0
        async for piece in request.content.iter_any():
            size += len(piece)
        return web.Response(text=str(size))

    async def events(request):
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for number in range(3):
            await response.write(b"data: %d\n\n" % number)
            await began.get()  # the next one only once this was read over there
        return response

    async def pieces():
        for _ in range(300):
            yield b"x" * 100_000
            if began.qsize():
                began.get_nowait()

    async def scene():
        async with lab(web.post("/upload", upload), web.get("/events", events)) as client:
            async with client.post("/upload", data=pieces()) as response:
                assert await response.text() == "30000000"
            async with client.get("/events") as response:
                for number in range(3):
                    assert await response.content.readuntil(b"\n\n") == b"data: %d\n\n" % number
                    began.put_nowait(None)

    run(scene())


def test_websockets_of_its_own_page_and_of_no_other():
    async def echo(request):
        socket = web.WebSocketResponse(protocols=("v1.kernel.websocket.jupyter.org",))
        await socket.prepare(request)
        async for message in socket:
            await socket.send_bytes(message.data)
        return socket

    async def scene():
        async with lab(web.get("/ws", echo)) as client:
            origin = str(client._base_url).rstrip("/")
            protocols = ("v1.kernel.websocket.jupyter.org",)
            async with client.ws_connect("/ws", origin=origin, protocols=protocols, compress=15, max_msg_size=0) as ws:
                assert ws.protocol == protocols[0]
                for size in (1, 100_000, 3_000_000):
                    await ws.send_bytes(b"x" * size)
                    assert len((await ws.receive()).data) == size
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await client.ws_connect("/ws", origin="http://evil.example")
            assert refused.value.status == 403

    run(scene())


@pytest.mark.slow
def test_five_hundred_at_once():
    inside = most = 0
    everybody = None

    async def wait(_):
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        if inside == 500:
            everybody.set()
        await asyncio.wait_for(everybody.wait(), SECONDS * slower())
        return web.Response(text="ok")

    async def one(client):
        async with client.get("/wait") as response:
            return await response.text()

    async def scene():
        nonlocal everybody
        everybody = asyncio.Event()
        async with lab(web.get("/wait", wait)) as client:
            assert set(await asyncio.gather(*(one(client) for _ in range(500)))) == {"ok"}

    run(scene())
    assert most == 500


def test_a_stranger_at_the_door_is_refused_before_the_lab_hears_of_it():
    async def scene():
        async with bytes_of(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nseen") as address:
            for request in (
                b"GET /api HTTP/1.1\r\nOrigin: http://evil.example\r\n",
                b"GET http://example.org/ HTTP/1.1\r\n",
                b"CONNECT example.org:443 HTTP/1.1\r\n",
                b"GET / HTTP/1.1\r\nHost: evil.example\r\n",
                b"GET / HTTP/1.1\r\nX: \0\r\n",
                b"nonsense\r\n",
            ):
                head, body = await ask(address, request)
                assert head.split()[1] in {b"403", b"400"}, (request, head)
                assert b"seen" not in body
            assert (await ask(address))[1] == b"seen"

    run(scene())


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x16\x03\x01\x02", id="no HTTP"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000, id="an endless head"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", id="two lengths"),
        pytest.param(b"HTTP/1.1 999999 OK\r\n\r\n", id="no status"),
    ],
)
def test_what_is_no_answer_is_said_so(answer):
    async def scene():
        async with bytes_of(answer) as address:
            head, body = await ask(address)
            assert head.startswith(b"HTTP/1.1 502")
            assert body == b"JupyterLab does not answer at the moment.\n"
            head, body = await ask(address, b"GET /lab/x HTTP/1.1\r\nSec-Fetch-Mode: navigate\r\n")
            assert b'http-equiv="refresh"' in body  # a page tries again

    run(scene())


def test_an_answer_that_breaks_off_is_not_taken_for_a_whole_one():
    async def scene():
        async with (
            bytes_of(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhello") as address,
            aiohttp.ClientSession() as client,
        ):
            with pytest.raises(aiohttp.ClientError):
                async with client.get(address + "/api") as response:
                    await response.read()

    run(scene())


@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=400), st.booleans())
def test_no_bytes_of_a_provider_harm_the_link(data, begun):
    async def scene():
        answer = (b"HTTP/1.1 200 OK\r\n" if begun else b"") + data
        async with bytes_of(answer) as address:
            await ask(address)
            head, _ = await ask(address, b"GET /api HTTP/1.1\r\nOrigin: http://evil.example\r\n")
            assert head.startswith(b"HTTP/1.1 403")

    run(scene())


def test_a_redirect_that_leaves_is_shown_and_not_followed():
    async def scene():
        async with bytes_of(
            b"HTTP/1.1 302 Found\r\nLocation: http://evil.example/<b>\r\nContent-Length: 0\r\n\r\n"
        ) as address:
            head, body = await ask(address)
            assert head.startswith(b"HTTP/1.1 502")
            assert b"location" not in head.lower()
            assert b"http://evil.example/&lt;b&gt;" in body

    run(scene())


def _theirs(**config):
    escaped = json.dumps(config).replace("<", "\\u003c")
    return (
        '<html><script>evil()</script><script id="jupyter-config-data" type="application/json">'
        f'{escaped}</script><script src="/static/lab/main.0000000000000000.js"></script></html>'
    ).encode()


def test_the_labs_page_is_made_here_from_their_settings_alone():
    config = {
        "token": "abc", "baseUrl": "http://evil.example/", "fullStaticUrl": "//evil.example/",
        "treePath": "</script><b>", "fullMathjaxUrl": "http://evil.example/x.js", "deep": {"x": 1},
        "terminalsAvailable": True,
        "federated_extensions": [
            {"name": "evil", "load": "http://evil.example/x.js"},
            {"name": "@jupyter-widgets/jupyterlab-manager", "load": "../../files/evil.js"},
        ],
    }  # fmt: skip
    body = _theirs(**config)
    answer = (
        b"HTTP/1.1 200 OK\r\nSet-Cookie: username=x\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n"
        % len(body)
    )

    async def scene():
        async with bytes_of(answer + body) as address:
            head, page = await ask(address, b"GET /lab?token=abc HTTP/1.1\r\n")
            return head, page.decode()

    head, page = run(scene())
    assert b"golem-" in head
    assert "evil" not in page
    made = json.loads(_parts(page.encode())[1])
    assert made["token"] == "abc"
    assert made["terminalsAvailable"] is True
    assert made["treePath"] == "</script><b>"
    assert (made["baseUrl"], made["fullStaticUrl"]) == ("/", "/static/lab")
    assert [each["name"] for each in made["federated_extensions"]] == [
        "@jupyter-widgets/jupyterlab-manager",
        "golem-launcher",
    ]
    assert made["federated_extensions"][0]["load"].startswith("static/remoteEntry.")
    assert not {"fullMathjaxUrl", "deep"} & made.keys()
    scripts = page.count("<script")
    assert scripts == 3  # the settings, JupyterLab's own, and the one that hides the token


def test_with_extensions_the_page_is_the_providers_within_our_policy():
    theirs = {"name": "ipympl", "load": "static/remoteEntry.0123456789abcdef.js", "extension": "./extension"}
    config = {"token": "abc", "disabledExtensions": ["a:b"], "deep": {"x": 1}, "federated_extensions": [theirs]}
    body = _theirs(**config)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)

    async def scene():
        async with bytes_of(answer + body, extensions=True) as address:
            return await ask(address, b"GET /lab HTTP/1.1\r\n")

    head, page = run(scene())
    before, data, after = _parts(page)
    assert (before, after) == _parts(body)[::2]
    made = json.loads(data)
    assert made.pop("golemLauncherKey")
    assert made == {**config, "federated_extensions": [theirs, labextension.entry()]}
    assert b"script-src 'self'" in head


def test_strict_mode_says_what_it_leaves_out_and_keeps_what_that_would_have_replaced():
    told = []
    named = [{"name": name, "load": "x.js"} for name in ("ipympl", "@jupyter-widgets/jupyterlab-manager", "<b>")]
    body = _theirs(disabledExtensions=["@jupyterlab/notebook-extension:cell-executor"], federated_extensions=named)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)

    async def scene():
        async with bytes_of(answer + body, left_out=told.append) as address:
            return await ask(address, b"GET /lab HTTP/1.1\r\n")

    _, page = run(scene())
    assert told == [("<b>", "ipympl")]
    assert "disabledExtensions" not in json.loads(_parts(page)[1])


def _parts(page):
    """What is before the settings, they, and what comes after."""
    before, _, rest = page.partition(b'type="application/json">')
    data, _, after = rest.partition(b"</script>")
    return before, data, after


@pytest.mark.parametrize("extensions", [False, True])
def test_files_that_the_launcher_has_come_from_here(extensions):
    main, _ = lab_frontend.own_page()

    async def scene():
        async with bytes_of(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\ntheirs", extensions=extensions) as address:

            async def body(path, more=b""):
                head, found = await ask(address, b"GET %b HTTP/1.1\r\nConnection: close\r\n%b" % (path.encode(), more))
                return head.split()[1], found, head

            status, found, head = await body(f"/static/lab/{main}")
            assert status == b"200"
            assert found == lab_frontend.find(f"/static/lab/{main.partition('?')[0]}").read_bytes()
            assert lab_frontend.find("/static/lab/\0.js") is None
            assert b"immutable" in head
            tag = next(line for line in head.split(b"\r\n") if line.startswith(b"etag: "))[6:]
            assert (await body(f"/static/lab/{main}", b"If-None-Match: %b\r\n" % tag))[:2] == (b"304", b"")
            # Another version's file, and one that has no hash in its name: theirs only where their scripts may run.
            other = await body("/static/lab/main.0123456789abcdef.js")
            assert other[:2] == ((b"200", b"theirs") if extensions else (b"404", other[1]))
            assert b"theirs" not in other[1] or extensions
            bare = await body("/static/lab/style.js")
            assert (bare[1] == b"theirs") == extensions
            for path in ("/static/lab/..%2f..%2f..%2f..%2f..%2fetc%2fpasswd", "/static/lab/../../../../etc/passwd"):
                assert b"root:" not in (await body(path))[1]

    run(scene())


def test_a_lab_that_is_away_and_comes_back():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]

    async def hello(_):
        return web.Response(text="hello")

    async def scene():
        async with link_to(port) as address, aiohttp.ClientSession() as client:
            async with client.get(address + "/api") as response:
                assert response.status == 502
            application = web.Application()
            application.add_routes([web.get("/api", hello)])
            for _ in range(2):  # it is started, ended with connections kept, and started again
                runner = web.AppRunner(application)
                await runner.setup()
                await web.TCPSite(runner, "127.0.0.1", port, reuse_address=True).start()
                async with client.get(address + "/api") as response:
                    assert await response.text() == "hello"
                await runner.cleanup()

    run(scene())


def test_requests_wait_for_another_provider_and_arrive_once():
    heard = []

    async def take(request):
        heard.append(await request.read())
        return web.Response(text="taken")

    async def scene():
        there = asyncio.Event()
        async with lab(web.put("/api/contents/a", take), web.get("/api", take), there=there) as client:
            body = b"x" * 300_000
            waiting = [
                asyncio.ensure_future(client.put("/api/contents/a", data=body)),
                asyncio.ensure_future(client.get("/api")),
            ]
            leaving = asyncio.ensure_future(client.get("/api"))
            async with client.get("/lab/x", headers={"Sec-Fetch-Mode": "navigate"}) as response:
                assert response.status == 502
                assert 'http-equiv="refresh"' in await response.text()  # a person is told, and need not wait
            leaving.cancel()
            assert not any(task.done() for task in waiting)
            there.set()
            assert [(await task).status for task in waiting] == [200, 200]
            assert sorted(heard) == [b"", body]

    run(scene())


def test_only_what_reads_is_asked_for_again():
    asked = []

    async def serve(reader, writer):
        asked.append((await reader.readuntil(b"\r\n\r\n"))[:4])
        if len(asked) % 2 == 0:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        writer.close()

    async def scene():
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        try:
            async with link_to(server.sockets[0].getsockname()[1]) as address:
                assert (await ask(address))[1] == b"ok"
                head, _ = await ask(address, b"POST /api/kernels HTTP/1.1\r\nContent-Length: 0\r\n")
                assert head.startswith(b"HTTP/1.1 502")
        finally:
            server.close()
        assert asked == [b"GET ", b"GET ", b"POST"]

    run(scene())
