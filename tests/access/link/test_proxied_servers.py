"""Pages of servers inside a session: each in an origin of its own, and nobody's but the user's."""

import asyncio
import contextlib

import aiohttp
import pytest
from aiohttp import web

from golem_launcher.access.lab.lab_proxy_settings import RemoteLab
from golem_launcher.access.link import link as link_module
from golem_launcher.access.link import proxied_servers as module
from golem_launcher.access.link.link import listen
from golem_launcher.access.link.proxied_servers import ProxiedServers, Wanted, at_port
from golem_launcher.access.sockets.in_process_stream import DuplexStream
from golem_launcher.access.sockets.loopback_address import loopback_address
from golem_launcher.agent.tcp_carrier import reset
from golem_launcher.errors import AccessError
from tests.patience import slower

STRANGER = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "none"}
GOES = {**STRANGER, "Authorization": "token secret"}
"""Whom the Lab lets in."""
IN_A_FRAME = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe", "Sec-Fetch-Site": "same-site"}
SHOWN = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty", "Sec-Fetch-Site": "same-origin"}
"""By a page's own script."""
OLD = {"User-Agent": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
       "Version/16.3 Safari/605.1.15", "Accept": "image/webp,*/*"}  # fmt: skip
"""What Safari before 16.4 says for a stranger's <img>: nothing of where it is."""
LAB, APP = 8888, 8501


@pytest.mark.parametrize(
    ("inner", "meant"),
    [
        ("/proxy/8501/", Wanted("8501", "/")),
        ("/proxy/8501", Wanted("8501", "/")),
        ("/proxy/8501?x=/1", Wanted("8501", "/?x=/1")),
        ("/proxy/8501/a/b%2Fc?x=1", Wanted("8501", "/a/b%2Fc?x=1")),
        ("/proxy/absolute/8501/a", Wanted("8501", "/base/proxy/absolute/8501/a")),
        ("/proxy/0/", None),
        ("/proxy/65536/", None),
        ("/proxy/127.0.0.1:80/", None),
        ("/proxy/8501x/", None),
        ("/lab/proxy/8501/", None),
        ("/files/proxy/8501/", None),
    ],
)
def test_what_is_meant(inner, meant):
    assert at_port(inner, "/base/") == meant


@contextlib.asynccontextmanager
async def session():
    """A client of the link to a Lab that knows a server by name, with another server at a port of its own."""

    async def told(request):
        cookies = "; ".join(f"{name}={value}" for name, value in request.cookies.items())
        response = web.json_response(
            {"path": request.raw_path, "host": request.host, "cookies": cookies,
             "token": request.headers.get("Authorization"), "origin": request.headers.get("Origin"),
             "named": request.headers.get("X-Forwarded-Host")}
        )  # fmt: skip
        response.set_cookie("mine", "1")
        return response

    async def socket(request):
        channel = web.WebSocketResponse()
        await channel.prepare(request)
        assert "X-Forwarded-Host" not in request.headers  # compared with the origin by code-server
        await channel.send_str(request.headers["Origin"])
        await channel.receive()
        return channel

    def lets_in(request):
        told = {request.headers.get("Authorization"), f"token {request.query.get('token')}"}
        if "token secret" not in told:
            raise web.HTTPForbidden

    async def names(request):
        lets_in(request)
        return web.json_response({"server_processes": [{"name": "rstudio"}]})

    async def status(request):
        lets_in(request)
        return web.json_response({"kernels": 0})

    ports = {}
    async with contextlib.AsyncExitStack() as stack:
        for port, routes in {
            LAB: [web.get("/server-proxy/servers-info", names), web.get("/api/status", status)],
            APP: [web.get("/ws", socket)],
        }.items():
            application = web.Application()
            application.add_routes([*routes, web.route("*", "/{tail:.*}", told)])
            runner = web.AppRunner(application)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            ports[port] = site._server.sockets[0].getsockname()[1]

        async def dial(port):
            if port not in ports:
                raise AccessError("Nobody listens there.")
            reader, writer = await asyncio.open_connection("127.0.0.1", ports[port])
            return DuplexStream(reader, writer, lambda: reset(writer))

        host = loopback_address("pages")
        pages = ProxiedServers(host, dial, token="secret", lab_port=LAB)
        stack.push_async_callback(pages.aclose)
        link = await listen(host, 0, RemoteLab(lambda: dial(LAB), "secret", lead=pages.lead))
        stack.push_async_callback(link.aclose)
        yield await stack.enter_async_context(
            aiohttp.ClientSession(link.address, cookie_jar=aiohttp.CookieJar(unsafe=True))
        )


def run(scene):
    async def play():
        async with session() as client:
            await scene(client)

    asyncio.run(asyncio.wait_for(play(), 60 * slower()))


async def led(client, path, headers=GOES):
    """Where a browser that goes to ``path`` ends up."""
    async with client.get(path, headers=headers, allow_redirects=False) as response:
        assert response.status == 302, await response.text()
        return response.headers["Location"]


def test_a_port_has_an_origin_of_its_own_at_whose_root_its_server_is():
    async def scene(client):
        place = await led(client, "/proxy/8501/a?x=1")
        origin, _, path = place.rpartition("/a")
        assert path == "?x=1"
        assert origin != str(client._base_url).rstrip("/")
        assert origin.rpartition(":")[0] == str(client._base_url).rpartition(":")[0]  # frames keep their cookies
        in_the_labs_frame = {**GOES, **IN_A_FRAME, "Sec-Fetch-Site": "same-origin"}
        assert (await led(client, "/proxy/8501/", in_the_labs_frame)).startswith(origin)
        async with client.get(place, headers=IN_A_FRAME) as response:
            told = await response.json()
            policy = response.headers["Content-Security-Policy"]
        named = origin.removeprefix("http://")  # gradio makes addresses of it
        assert told == {"path": "/a?x=1", "host": "127.0.0.1:8501", "cookies": "", "token": None, "origin": None,
                        "named": named}  # fmt: skip
        assert f"frame-ancestors 'self' {str(client._base_url).rstrip('/')}" in policy
        async with client.ws_connect(f"{origin}/ws", origin=origin) as channel:
            assert (await channel.receive()).data == "http://127.0.0.1:8501"
        forwarded = {**GOES, "Sec-Fetch-Site": "none", "Host": "localhost:9000", "X-Forwarded-Host": "evil.example"}
        async with client.get(place, headers=forwarded) as response:
            assert (await response.json())["named"] is None

    run(scene)


def test_neither_gets_the_others_cookies():
    async def scene(client):
        place = await led(client, "/proxy/8501/")
        for _ in range(2):
            async with client.get("/api") as response:
                labs = (await response.json())["cookies"]
            async with client.get(place, headers=STRANGER) as response:
                apps = (await response.json())["cookies"]
        assert (labs, apps) == ("mine=1", "mine=1")  # each its own
        assert len({cookie.key for cookie in client.cookie_jar}) == 2

    run(scene)


def test_a_server_with_a_name_is_asked_through_the_lab_and_nothing_else_is():
    async def scene(client):
        place = await led(client, "/rstudio?x=1")
        origin, _, rest = place.rpartition("/rstudio/")
        assert rest == "?x=1"
        async with client.get(place, headers={**STRANGER, "Authorization": "Bearer mine"}) as response:
            told = await response.json()
        assert (told["path"], told["token"]) == ("/rstudio/?x=1", "token secret")
        for path in ("/api/contents", "/rstudio-else/", "/"):
            async with client.get(origin + path, headers=STRANGER) as response:
                assert response.status == 403
        async with client.get("/unknown/", headers=GOES) as response:
            assert (await response.json())["path"] == "/unknown/"

    run(scene)


def test_what_scripts_ask_for_stays_with_the_lab():
    async def scene(client):
        async with client.get("/proxy/8501/a", headers={"Sec-Fetch-Mode": "cors"}) as response:
            told = await response.json()
        assert (told["path"], told["named"]) == ("/proxy/8501/a", None)

    run(scene)


def test_a_browser_beyond_a_forwarded_port_is_told_what_to_do():
    async def scene(client):
        async with client.get("/proxy/8501/", headers={**GOES, "Host": "localhost:8888"}) as response:
            assert response.status == 404
            assert "tunnel SESSION --port 8501 --remote-port 8501" in await response.text()

    run(scene)


def test_a_port_where_nobody_listens_says_so():
    async def scene(client):
        place = await led(client, "/proxy/9999/")
        async with client.get(place, headers=GOES) as response:
            assert response.status == 502
            assert "Port 9999 of the session does not answer" in await response.text()

    run(scene)


def test_another_users_program_is_turned_away(monkeypatch):
    async def scene(client):
        place = await led(client, "/proxy/8501/")
        monkeypatch.setattr(link_module, "is_ours", lambda _: False)
        async with client.get(place) as response:
            assert response.status == 403

    run(scene)


@pytest.mark.parametrize("path", ["/proxy/8501/", "/proxy/8501/?token=wrong", "/rstudio/"])
def test_nothing_is_opened_for_whom_the_lab_does_not_let_in(path, monkeypatch):
    async def scene(client):
        monkeypatch.setattr(module, "listen_for_user", None)
        async with client.get(path, headers=STRANGER, allow_redirects=False) as response:
            assert (await response.json())["path"] == path  # the Lab says it, by its login page

    run(scene)


def test_a_token_in_the_address_will_do():
    async def scene(client):
        assert (await led(client, "/proxy/8501/?token=secret", STRANGER)).endswith("/?token=secret")

    run(scene)


def test_a_strangers_page_in_an_old_browser_gets_nothing_to_it():
    """What says nothing of where it comes from is not let in, whatever browser or program it is."""

    async def scene(client):
        place = await led(client, "/proxy/8501/")
        own = place.rstrip("/")
        for headers, status in [
            (OLD, 403),
            ({**OLD, "Referer": "https://evil.example/"}, 403),
            ({**OLD, "Referer": str(client._base_url)}, 403),
            ({**OLD, "Referer": f"{own}.evil.example/"}, 403),
            ({**OLD, "Origin": "https://evil.example"}, 403),
            ({**OLD, "Referer": place}, 200),
            ({**OLD, "Origin": own}, 200),
            (SHOWN, 200),
        ]:
            async with client.get(place, headers=headers) as response:
                assert response.status == status, headers

    run(scene)


def test_there_is_an_end_to_what_is_opened_and_what_nobody_looks_at_makes_room(monkeypatch):
    async def scene(client):
        async def status(server):
            async with client.get(f"/proxy/{server}/", headers=GOES, allow_redirects=False) as response:
                return response.status

        monkeypatch.setattr(module, "_MOST", 1)
        place = await led(client, "/proxy/8501/")
        async with client.ws_connect(f"{place}ws", origin=place.rstrip("/")) as channel:
            await channel.receive()
            assert await status(2) == 503
            assert await led(client, "/proxy/8501/") == place
        while await status(2) == 503:  # until it is noticed that the page has left
            pass
        with pytest.raises(aiohttp.ClientConnectionError):
            await client.get(place, headers=SHOWN)
        assert await status(3) == 302

    run(scene)
