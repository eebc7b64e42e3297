"""The gate's own side of a hub's login, before what stands in for a hub. The real one is in tests/hub_spawner."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web

from golem_launcher import clock
from golem_launcher.access.hub.hub_login import HubLogin
from golem_launcher.access.hub.hub_settings import HubSettings, read, write
from golem_launcher.errors import AccessError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from golem_launcher.access.lab.lab_frontend import Served

_PAGE = [(b"accept", b"text/html")]


class StandInHub:
    """Gives a token for a code once, to whoever has the verifier; knows what tokens may."""

    def __init__(self) -> None:
        self.scopes = {"ann's": ["access:servers!server=ann/", "read:users"], "bob's": ["access:servers!server=bob/"]}
        self.challenges: dict[str, str] = {}
        self.asked: list[str] = []
        self.fails = False

    async def user(self, request: web.Request) -> web.Response:
        token = request.headers["Authorization"].removeprefix("token ")
        self.asked.append(token)
        if self.fails:
            return web.Response(status=502)
        if token not in self.scopes:
            return web.json_response({"status": 403}, status=403)
        return web.json_response({"name": "somebody", "scopes": self.scopes[token]})

    async def token(self, request: web.Request) -> web.Response:
        form = await request.post()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(str(form["code_verifier"]).encode()).digest()).decode()
        wanted = self.challenges.pop(str(form["code"]), None)
        if form["client_secret"] != "the server's" or wanted != challenge.rstrip("="):
            return web.json_response({"error": "invalid_grant"}, status=400)
        return web.json_response({"access_token": f"{form['code']}'s"})


@contextlib.asynccontextmanager
async def gate(hub: StandInHub, **settings: object) -> AsyncIterator[HubLogin]:
    app = web.Application()
    app.add_routes([web.get("/hub/api/user", hub.user), web.post("/hub/api/oauth2/token", hub.token)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    login = HubLogin(_settings(api_url=f"http://127.0.0.1:{runner.addresses[0][1]}/hub/api", **settings))
    try:
        yield login
    finally:
        await login.aclose()
        await runner.cleanup()


def _settings(**values: object) -> HubSettings:
    usual = {
        "host": "127.0.0.1",
        "prefix": "/user/ann/",
        "user": "ann",
        "api_url": "http://127.0.0.1:9/hub/api",
        "api_token": "the server's",
        "client_id": "jupyterhub-user-ann",
        "callback_url": "/user/ann/oauth_callback",
        "authorize_url": "/hub/api/oauth2/authorize",
        "access_scopes": ("access:servers!server=ann/", "access:servers!user=ann"),
    }
    return HubSettings.model_validate({**usual, **values})


async def _begin(login: HubLogin, hub: StandInHub, who: str, target: str = "/user/ann/lab?reset") -> tuple[str, bytes]:
    """To the hub's login, where ``who`` says yes: its answer's path, and the cookie that the browser has by then."""
    served = await login.admit(b"GET", target, _PAGE)
    assert served is not None
    place = urlsplit(_header(served, b"location"))
    asked = {name: values[0] for name, values in parse_qs(place.query).items()}
    assert place.path == "/hub/api/oauth2/authorize"
    assert asked["code_challenge_method"] == "S256"
    hub.challenges[who] = asked["code_challenge"]
    return f"/user/ann/oauth_callback?code={who}&state={asked['state']}", _cookies(served)[0]


def _header(served: Served, wanted: bytes) -> str:
    return next(value for name, value in served.headers if name == wanted).decode()


def _cookies(served: Served) -> list[bytes]:
    return [value.partition(b";")[0] for name, value in served.headers if name == b"set-cookie"]


async def _logged_in(login: HubLogin, hub: StandInHub) -> bytes:
    back, state = await _begin(login, hub, "ann")
    served = await login.admit(b"GET", back, [(b"cookie", state)])
    assert served is not None
    assert (served.status, _header(served, b"location")) == (302, "/user/ann/lab?reset")
    return _cookies(served)[-1]


def test_who_logs_in_at_the_hub_comes_in() -> None:
    async def scenario() -> None:
        hub = StandInHub()
        async with gate(hub) as login:
            cookie = await _logged_in(login, hub)
            assert b"ann's" not in cookie  # the hub's token stays here
            assert await login.admit(b"POST", "/user/ann/api", [(b"cookie", b"a=b; " + cookie)]) is None
            lab_page = [(b"authorization", b"token of-the-lab"), (b"cookie", cookie)]
            assert await login.admit(b"GET", "/user/ann/api", lab_page) is None
            assert hub.asked == ["ann's"]  # and is not asked about each time
            for stranger in ([], [(b"cookie", cookie[:-1] + b"!")], [(b"authorization", b"token unknown")]):
                served = await login.admit(b"GET", "/user/ann/api", stranger)
                assert served is not None
                assert served.status == 403
            assert await login.admit(b"GET", "/user/ann/api", [(b"authorization", b"Bearer ann's")]) is None

    asyncio.run(scenario())


def test_another_user_does_not() -> None:
    async def scenario() -> None:
        hub = StandInHub()
        async with gate(hub) as login:
            back, state = await _begin(login, hub, "bob")
            served = await login.admit(b"GET", back, [(b"cookie", state)])
            assert served is not None
            assert (served.status, _cookies(served)) == (403, [])
            served = await login.admit(b"GET", "/user/ann/lab", [*_PAGE, (b"authorization", b"token bob's")])
            assert served is not None
            assert served.status == 403

    asyncio.run(scenario())


def test_a_login_is_finished_by_the_browser_that_began_it_once() -> None:
    async def scenario() -> None:
        hub = StandInHub()
        async with gate(hub) as login:
            back, state = await _begin(login, hub, "ann")
            for cookies, place in (([], back), ([(b"cookie", state)], back.replace("state=", "state=x"))):
                served = await login.admit(b"GET", place, cookies)
                assert served is not None
                assert served.status == 403
            back, state = await _begin(login, hub, "ann")
            assert (await login.admit(b"GET", back, [(b"cookie", state)])).status == 302  # type: ignore[union-attr]
            assert (await login.admit(b"GET", back, [(b"cookie", state)])).status == 403  # type: ignore[union-attr]

    asyncio.run(scenario())


@pytest.mark.parametrize("place", ["/\\evil.example", "/elsewhere", "/user/annabel/"])
def test_a_login_leads_to_this_server_alone(place: str) -> None:
    async def scenario() -> None:
        hub = StandInHub()
        async with gate(hub) as login:
            back, state = await _begin(login, hub, "ann", place)
            served = await login.admit(b"GET", back, [(b"cookie", state)])
            assert served is not None
            assert _header(served, b"location") == "/user/ann/"

    asyncio.run(scenario())


def test_a_hub_that_is_away_is_believed_for_an_hour_and_a_logout_is_heard_of(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        hub, now = StandInHub(), clock.since_boot()
        async with gate(hub) as login:
            cookie = [(b"cookie", await _logged_in(login, hub))]
            hub.fails = True
            monkeypatch.setattr(clock, "since_boot", lambda: now + 3000)
            assert await login.admit(b"GET", "/user/ann/api", cookie) is None
            served = await login.admit(b"GET", "/user/ann/api", [(b"authorization", b"token new")])
            assert served is not None
            assert served.status == 503
            monkeypatch.setattr(clock, "since_boot", lambda: now + 4000)
            assert (await login.admit(b"GET", "/user/ann/api", cookie)).status == 503  # type: ignore[union-attr]
            hub.fails = False
            del hub.scopes["ann's"]  # logged out
            assert (await login.admit(b"GET", "/user/ann/api", cookie)).status == 403  # type: ignore[union-attr]
            assert (await login.admit(b"GET", "/user/ann/lab", cookie + _PAGE)).status == 302  # type: ignore[union-attr]

    asyncio.run(scenario())


def test_cookies_are_the_servers_own() -> None:
    async def cookie(headers: list[tuple[bytes, bytes]], **settings: object) -> str:
        async with gate(StandInHub(), **settings) as login:
            served = await login.admit(b"GET", "/user/ann/lab", [*_PAGE, *headers])
            assert served is not None
            return _header(served, b"set-cookie")

    plain = asyncio.run(cookie([]))
    assert "Path=/user/ann/; HttpOnly; SameSite=Lax" in plain
    assert "Secure" not in plain
    assert "; Secure" in asyncio.run(cookie([(b"x-forwarded-proto", b"https,http")]))
    own = asyncio.run(cookie([], own_host=True, secure=True))
    assert own.startswith("__Host-golem-gate-")
    assert "Path=/; HttpOnly; SameSite=Lax; Secure" in own


def test_anonymous_crowds_push_out_nobodys_login() -> None:
    async def scenario() -> None:
        hub = StandInHub()
        async with gate(hub) as login:
            back, state = await _begin(login, hub, "ann")
            for _ in range(1000):
                await login.admit(b"GET", "/user/ann/lab", _PAGE)
            served = await login.admit(b"GET", back, [(b"cookie", state)])
            assert served is not None
            assert (served.status, _header(served, b"location")) == (302, "/user/ann/lab?reset")

    asyncio.run(scenario())


def test_a_login_that_was_begun_can_be_neither_made_up_nor_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        hub = StandInHub()
        async with gate(hub) as login, gate(hub) as another:
            back, state = await _begin(login, hub, "ann")
            name, _, value = state.partition(b"=")
            begun, _, seal = value.rpartition(b".")
            other = (await _begin(login, hub, "bob"))[1].partition(b"=")[2]
            for forged in (begun, begun + b".", begun[:-1] + b"." + seal, other.partition(b".")[0] + b"." + seal, b"."):
                served = await login.admit(b"GET", back, [(b"cookie", name + b"=" + forged)])
                assert served is not None
                assert (served.status, _cookies(served)) == (403, [])
            assert (await another.admit(b"GET", back, [(b"cookie", state)])).status == 403  # type: ignore[union-attr]
            now = clock.since_boot()
            monkeypatch.setattr(clock, "since_boot", lambda: now + 601)
            assert (await login.admit(b"GET", back, [(b"cookie", state)])).status == 403  # type: ignore[union-attr]
            monkeypatch.setattr(clock, "since_boot", lambda: now + 590)
            assert (await login.admit(b"GET", back, [(b"cookie", state)])).status == 302  # type: ignore[union-attr]

    asyncio.run(scenario())


def test_logins_that_are_begun_do_not_pile_up_in_the_browser() -> None:
    async def scenario() -> None:
        async with gate(StandInHub()) as login:
            begun = []
            for target in ("/user/ann/lab", "/user/ann/la", "/user/ann/l", "/user/ann/lab?" + "x" * 8000):
                served = await login.admit(b"GET", target, _PAGE)
                assert served is not None
                begun += _cookies(served)
            assert len({cookie.partition(b"=")[0] for cookie in begun}) == 1
            assert max(map(len, begun)) < 4000  # browsers keep no larger ones
            assert all(re.fullmatch(rb"[\w-]+=[\w.-]+", cookie) for cookie in begun)  # nobody quotes it

    asyncio.run(scenario())


def test_extensions_are_shown_only_where_no_other_page_shares_the_origin() -> None:
    hosts = ((True, False), (True, True), (False, False))
    assert [_settings(own_host=host, named_servers=named).own_origin for host, named in hosts] == [True, False, False]
    assert not _settings(own_host=True).own_origin  # what is not known is not trusted


def test_what_a_hub_told_is_kept_for_the_owner_alone(tmp_path: Path) -> None:
    assert read(tmp_path) is None
    write(tmp_path, _settings())
    assert read(tmp_path) == _settings()
    assert "the server's" not in repr(_settings())
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o077 == 0
    file.write_text("{")
    with pytest.raises(AccessError):
        read(tmp_path)
