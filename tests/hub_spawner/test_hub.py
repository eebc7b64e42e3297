"""Two users of a real JupyterHub, from login to a second server, on the real local network."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from golem_launcher import files, paths
from golem_launcher.access.hub import hub_settings
from golem_launcher.events import Stage
from golem_launcher.hub_spawner import quotas, users
from golem_launcher.hub_spawner.quotas import Quota, Quotas
from golem_launcher.session import client
from golem_launcher.session.on_disk.directory import session_directories
from golem_launcher.session.on_disk.liveness import alive
from tests.hub_spawner.a_hub import SERVICE_TOKEN, Browser, Hub, running, xsrf
from tests.networks import own_network
from tests.patience import slower

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

# The Lab at these providers writes down the head of each request that comes to it.
_SHELL = """
mkdir -p curious
cat > curious/sitecustomize.py <<'PYTHON'
try:
    from tornado.httputil import HTTPHeaders
except ImportError:
    pass
else:
    parse = HTTPHeaders.parse.__func__
    def told(cls, headers, **more):
        with open('/tmp/heads', 'a') as file:
            file.write(headers + chr(10))
        return parse(cls, headers, **more)
    HTTPHeaders.parse = classmethod(told)
PYTHON
PYTHONPATH=$PWD/curious exec /bin/sh "$@"
"""
_PROVIDER = """
[[provider]]
name = "curious-{number}"
memory_gib = 0.6
[provider.commands]
"/bin/sh" = '''{shell}'''
"""
_NETWORK = "terminate_seconds = 0\n" + "".join(_PROVIDER.format(number=number, shell=_SHELL) for number in (1, 2))
_KILLS = int(os.environ.get("GOLEM_LAUNCHER_HUB_KILLS", "1"))
_SEED = os.environ.get("GOLEM_LAUNCHER_SEED") or str(random.randrange(10**6))
_START_SECONDS = 4.0
"""In which a hub is up, about."""
_FORM = {"profile": "small", "hours": "0.5", "budget": "0.3"}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    home = tmp_path_factory.mktemp("home")
    with own_network(home, _NETWORK), running(tmp_path_factory.mktemp("hub")) as up:
        try:
            yield up
        finally:
            up.kill("hub")
            for user in users.known():
                with paths.home_of(user.home):
                    for directory in session_directories():
                        with contextlib.suppress(Exception):
                            client.stop(directory.name, force=True)


def test_two_users(hub: Hub) -> None:
    asyncio.run(_two_users(hub))


async def _two_users(hub: Hub) -> None:
    async with Browser(hub, "ann") as ann, Browser(hub, "bob") as bob, Browser(hub, "carol") as carol:
        await hub.answers(ann.http)
        await asyncio.gather(ann.log_in(), bob.log_in(), carol.log_in())
        await _the_form_and_what_is_refused(ann)
        await _both_start(ann, bob)
        kernel = await _each_has_a_lab_and_nobody_anothers(ann, bob)
        await _what_the_hub_gave_the_browser_stays_here(ann)
        await _a_hub_that_is_killed_finds_its_servers(ann, bob, kernel)
        await _stop_saves_and_the_next_goes_on(ann)
        assert await bob.lab().execute("print('here')") == "here\n"  # all the while
        await _an_administrator_sees_all_and_ends_one(carol, bob)
        await _a_start_goes_on_that_a_killed_hub_had_begun(hub)
        await _a_start_that_the_hub_gives_up_leaves_nothing(hub)


async def _the_form_and_what_is_refused(ann: Browser) -> None:
    _, form = await ann.page("/hub/spawn")
    assert "Small &lt;b&gt;" in form
    assert 'name="budget"' in form
    assert "At most 8." in form
    _, refused = await ann.spawn(**{**_FORM, "hours": "9"})
    assert "Time: at most 8 on this hub." in refused
    quotas.write(Quotas(everybody=Quota(coins=Decimal("0.2"))))
    status, refused = await ann.spawn(**_FORM)
    assert (status, "this asks for 0.3" in refused) == (403, True)
    assert not list((paths.shared_home() / "users/ann").glob("sessions/[!.]*"))  # no money was set aside


async def _both_start(ann: Browser, bob: Browser) -> None:
    quotas.write(Quotas(everybody=Quota(machines=1), groups={"students": Quota(coins=Decimal("0.5"))}))
    for browser in (ann, bob):
        await browser.spawn(**_FORM)
    for told in await asyncio.gather(ann.progress(), bob.progress()):
        assert told[-1].get("ready"), (told, ann.hub.log()[-3000:])
        assert "negotiating" in [one["message"] for one in told]
        shares = [one["progress"] for one in told if "progress" in one]
        assert shares == sorted(shares)


async def _each_has_a_lab_and_nobody_anothers(ann: Browser, bob: Browser) -> str:
    for browser in (ann, bob):
        status, page = await browser.page(f"/user/{browser.user}/lab")
        assert (status, "JupyterLab" in page) == (200, True)
    with paths.home_of(paths.shared_home() / "users/ann"):
        told = hub_settings.read(next(session_directories()).path)
    assert told is not None
    assert (told.named_servers, told.own_host) == (False, False)  # so the hub is set up
    kernel = str((await ann.lab().call("POST", "/api/kernels", {"name": "python3"}))["id"])
    assert await ann.lab().run(kernel, "_ = open('kept.txt', 'w').write('anns'); print(6 * 7)") == "42\n"
    assert "kept.txt" not in await bob.lab().execute("import os; print(os.listdir())")
    for path in ("/lab", "/api/contents/kept.txt", "/oauth_callback?code=x&state=y"):
        status, page = await bob.page(f"/user/ann{path}")
        assert status == 403, (path, page)
    async with bob.http.get(f"{ann.server}/api/contents") as answer:
        assert answer.status == 403
    assert (await bob.asks_hub("GET", "/user/ann/api/status"))[0] == 200  # a service that may
    return kernel


async def _what_the_hub_gave_the_browser_stays_here(ann: Browser) -> None:
    heads = await ann.lab().execute("print(open('/tmp/heads').read())")
    given = {cookie.value for cookie in ann.http.cookie_jar if cookie.key.startswith(("jupyterhub", "golem-gate"))}
    assert len(given) >= 3
    assert "websocket" in heads.lower()  # kernels' as well
    for secret in (*given, SERVICE_TOKEN, "jupyterhub", "golem-gate", "x-forwarded"):
        assert secret not in heads, secret


async def _a_hub_that_is_killed_finds_its_servers(ann: Browser, bob: Browser, kernel: str) -> None:
    """Again and again, at any moment of its start and its work; who works goes on meanwhile."""
    moments = random.Random(_SEED)
    await ann.lab().run(kernel, "turns = []")
    for turn in range(_KILLS):
        ann.hub.kill()
        assert (await ann.lab().call("GET", f"/api/kernels/{kernel}"))["id"] == kernel
        ann.hub.start()
        if turn % 2:
            await asyncio.sleep(moments.uniform(0, _START_SECONDS))  # and it is killed while it starts
        else:
            await ann.hub.answers(ann.http)
        assert await ann.lab().run(kernel, f"turns.append({turn}); print(len(turns))") == f"{turn + 1}\n"
    await ann.hub.answers(ann.http)
    for browser in (ann, bob):
        _, model = await browser.asks_hub("GET", f"/hub/api/users/{browser.user}")
        assert model["servers"][""]["ready"], (_SEED, ann.hub.log()[-3000:])
    assert await ann.lab().run(kernel, "print(open('kept.txt').read())") == "anns\n"
    assert len(list((paths.shared_home() / "users").glob("*/sessions/*/request.json"))) == 2, "and none was begun anew"


async def _stop_saves_and_the_next_goes_on(ann: Browser) -> None:
    await ann.asks_hub("DELETE", "/hub/api/users/ann/server")
    async with asyncio.timeout(90 * slower()):
        while (await ann.asks_hub("GET", "/hub/api/users/ann"))[1]["servers"]:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.2)
    with paths.home_of(paths.shared_home() / "users/ann"):
        (ended,) = session_directories()
        assert client.saving_of(ended).generation
        assert not alive(ended)
    await ann.spawn(**_FORM)
    assert (await ann.progress())[-1].get("ready"), ann.hub.log()[-3000:]
    await ann.page("/user/ann/lab")
    assert (await ann.lab().call("GET", "/api/contents/kept.txt"))["content"] == "anns"


async def _an_administrator_sees_all_and_ends_one(carol: Browser, bob: Browser) -> None:
    status, text = await carol.page("/services/golem/")
    assert (status, "Servers that run" in text) == (200, True), text
    assert all(f'<th scope="row">{user}</th>' in text for user in ("ann", "bob", "students"))
    status, refused = await bob.page("/services/golem/")
    assert (status, "ann" in refused) == (403, False), "who is no administrator sees nothing"
    form = {"user": "bob", "server": "bob", "_xsrf": xsrf(text)}
    for browser, sent, expected in (
        (bob, form, 403),
        (carol, {**form, "_xsrf": "made-up"}, 403),
        (carol, {**form, "user": "../ann"}, 409),
        (carol, {**form, "server": "another"}, 409),
    ):
        async with browser.http.post(f"{bob.hub.origin}/services/golem/end", data=sent) as answer:
            assert answer.status == expected, await answer.text()
    assert (await bob.asks_hub("GET", "/hub/api/users/bob"))[1]["servers"], "nothing has happened to it"
    async with carol.http.post(f"{bob.hub.origin}/services/golem/end", data=form) as answer:
        assert (answer.status, "bob saves all, and ends" in await answer.text()) == (200, True)
    async with asyncio.timeout(90 * slower()):
        while (await bob.asks_hub("GET", "/hub/api/users/bob"))[1]["servers"]:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.2)
    with paths.home_of(paths.shared_home() / "users/bob"):
        (ended,) = session_directories()
        assert client.saving_of(ended).generation, "it was saved"


async def _a_start_goes_on_that_a_killed_hub_had_begun(hub: Hub) -> None:
    """Of its session that hub had written nothing down yet, and the next one finds it all the same."""
    async with Browser(hub, "eve") as eve:
        await eve.log_in()
        await eve.spawn(**_FORM)
        with paths.home_of(users.established("eve", "eve", ()).home):
            async with asyncio.timeout(60 * slower()):
                while not any(map(alive, session_directories())):  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.01)
            hub.kill()
            (begun,) = session_directories()
            assert begun.state().stage is not Stage.READY
            hub.start()
            await hub.answers(eve.http)
            async with asyncio.timeout(90 * slower()):
                while not ((await _server(eve)) or {}).get("ready"):
                    assert await _server(eve), hub.log()[-3000:]  # it is never given up
                    await asyncio.sleep(0.2)
            assert [one.name for one in session_directories()] == [begun.name]
            await _is_led_to(eve)
            await eve.page("/user/eve/lab")
            assert await eve.lab().execute("print('here')") == "here\n"
            await eve.asks_hub("DELETE", "/hub/api/users/eve/server")
            await _until(eve, None)
            assert not alive(begun)


async def _is_led_to(browser: Browser) -> None:
    """Wait until the hub's proxy leads to a user's gate, which a new hub sees to once its services are there."""
    async with asyncio.timeout(60 * slower()):
        while True:
            async with browser.http.get(f"{browser.server}/api/status", allow_redirects=False) as answer:
                if answer.status == 403:
                    return
            await asyncio.sleep(0.2)


async def _server(browser: Browser) -> dict[str, Any] | None:
    """What the hub says of a user's server, while it has one."""
    _, model = await browser.asks_hub("GET", f"/hub/api/users/{browser.user}")
    found: dict[str, Any] | None = model["servers"].get("")
    return found


async def _a_start_that_the_hub_gives_up_leaves_nothing(hub: Hub) -> None:
    """Not even where it was just about to begin: the hub knows of no session then."""
    home = users.established("dora", "dora", ()).home
    async with Browser(hub, "dora") as dora:
        await dora.log_in()
        with files.locked(home / "start.lock", deadline=5):  # where it waits
            spawning = asyncio.create_task(dora.spawn(**_FORM))
            await _until(dora, "spawn")
            await asyncio.sleep(2)  # the hub waits for one
        await spawning
        await _until(dora, None)
    with paths.home_of(home):
        async with asyncio.timeout(60 * slower()):
            while not (begun := list(session_directories())) or any(map(alive, begun)):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.1)


async def _until(browser: Browser, pending: str | None) -> None:
    """Wait until the hub says that this is what it does with a user's server; ``None``: nothing."""
    async with asyncio.timeout(60 * slower()):
        while True:
            if (await _server(browser) or {"pending": None})["pending"] == pending:
                return
            await asyncio.sleep(0.05)
