"""The Lab's pages that are open in browsers: told to save, counted, and never believed in more than a count."""

import asyncio
import contextlib
import json
import re
import time
from types import SimpleNamespace

import aiohttp
import pytest

from golem_launcher.access.lab import labextension, open_documents
from golem_launcher.access.lab.lab_frontend import LabFrontend
from golem_launcher.access.lab.lab_proxy_settings import LabView, RemoteLab
from golem_launcher.access.lab.open_documents import OpenDocuments, SaveOutcome
from golem_launcher.access.link.link import listen
from golem_launcher.access.machine.vpn_to_machine import MachineVpn
from golem_launcher.access.sockets.loopback_address import loopback_address
from golem_launcher.access.sockets.port_socket import dial, port_socket_path
from golem_launcher.access.ways_in import WaysIn
from golem_launcher.session.saving.documents import missing
from golem_launcher.workload.lab import LAB
from tests.access.link.test_link import link_to, run
from tests.patience import slower

SECRET = "secret"
KEY = open_documents.key(SECRET)


@contextlib.asynccontextmanager
async def served():
    """A session's documents, and a client of its link; there is no Lab."""
    found = OpenDocuments(SECRET)
    async with link_to(1, attend=found.dial) as address, aiohttp.ClientSession(address) as client:
        yield SimpleNamespace(
            documents=found, connect=lambda: client.ws_connect("/golem-launcher/documents"), get=client.get
        )
        await found.aclose()


async def greeted(served, **more):
    page = await served.connect()
    await page.send_json({"key": KEY, **more})
    return page


async def until(condition):
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


def test_a_page_is_told_to_save_and_its_count_is_known():
    async def scene():
        async with served() as session:
            page = await greeted(session, unsaved=2)
            await until(lambda: session.documents.unsaved == 2)
            saving = asyncio.ensure_future(session.documents.save(20))
            order = await page.receive_json()
            await page.send_json({"unsaved": 1})
            await page.send_json({"saved": order["save"], "unsaved": 1})
            assert await saving == SaveOutcome(pages=1, silent=0, unsaved=1)
            await page.close()
            await until(lambda: session.documents.unsaved == 0)
            assert await session.documents.save(20) == SaveOutcome()

    run(scene())


def test_a_page_that_is_silent_or_leaves_holds_nobody_up():
    async def scene():
        async with served() as session:
            silent, leaves = await greeted(session), await greeted(session)
            await until(lambda: len(session.documents._pages) == 2)
            saving = asyncio.ensure_future(session.documents.save(0.5))
            await leaves.receive_json()
            await leaves.close()
            outcome = await saving
            assert outcome == SaveOutcome(pages=2, silent=1, unsaved=0)
            assert "may be missing" in missing(outcome)
            await silent.close()

    run(scene())


def test_pages_hear_of_a_provider_that_is_away_and_of_the_end_also_when_they_come_later():
    async def scene():
        async with served() as session:
            page = await greeted(session, unsaved=1)
            await until(lambda: session.documents.unsaved)
            session.documents.away(True)
            session.documents.away(True)
            session.documents.end("Stopped as asked.")
            assert [await page.receive_json() for _ in range(2)] == [{"away": True}, {"ended": "Stopped as asked."}]
            late = await greeted(session)
            assert [await late.receive_json() for _ in range(2)] == [{"away": True}, {"ended": "Stopped as asked."}]

    run(scene())


@pytest.mark.parametrize(
    "first",
    ['{"key": "guess", "unsaved": 3}', "[]", "{", "[" * 1000, '{"key": "' + "x" * 2000 + '"}', '{"key": "\\ud800"}'],
)
def test_who_does_not_know_the_key_or_the_language_is_let_go(first):
    async def scene():
        async with served() as session:
            page = await session.connect()
            await page.send_str(first)
            assert (await page.receive()).type in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSE}
            assert session.documents.unsaved == 0

    run(scene())


def test_who_asks_without_end_and_reads_nothing_costs_no_memory(monkeypatch):
    monkeypatch.setattr(open_documents, "_GREETING_SECONDS", 1.0)
    ping = b"\x89\xfd" + bytes(4) + b"x" * 125

    async def scene():
        found = OpenDocuments(SECRET)
        page = await found.dial()

        async def ask():
            for _ in range(5000):
                page.write(ping)
                await page.drain()

        asking = asyncio.ensure_future(ask())
        await until(lambda: not found._attending)
        answered = 0
        while data := await page.read(1 << 16):
            answered += len(data)
        assert 0 < answered < 256 * 1024
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)

    run(scene())


def test_numbers_of_a_hostile_page_are_bounded():
    async def scene():
        async with served() as session:
            page = await greeted(session, unsaved=10**30)
            await until(lambda: session.documents.unsaved == open_documents.MOST_UNSAVED)
            for lie in (-5, "many", True, None, 1.5):
                await page.send_json({"unsaved": lie, "saved": 10**30})
                await until(lambda: session.documents.unsaved == 0)
                await page.send_json({"unsaved": 7})
                await until(lambda: session.documents.unsaved == 7)
            saving = asyncio.ensure_future(session.documents.save(20))
            assert (await page.receive_json())["save"] == 1
            await page.send_json({"saved": 1})
            assert (await saving).silent == 0

    run(scene())


def test_no_more_pages_than_a_person_opens():
    async def scene():
        async with served() as session:
            pages = [await greeted(session, unsaved=1) for _ in range(open_documents._MOST_PAGES)]
            await until(lambda: session.documents.unsaved == len(pages))
            more = await greeted(session, unsaved=1)
            await more.receive()
            assert session.documents.unsaved == len(pages)

    run(scene())


def test_a_link_of_another_process_leads_its_pages_to_the_supervisor(tmp_path):
    async def scene():
        found = OpenDocuments(SECRET)
        head = MachineVpn(tmp_path, "mine", 1)
        ways = WaysIn(tmp_path, LAB, {1: head}, LabView(found), secret=SECRET, host=loopback_address("mine"))
        await ways.start()
        lab = RemoteLab(None, SECRET, attend=lambda: dial(port_socket_path(tmp_path), open_documents.PORT))
        listener = await listen(loopback_address("link"), 0, lab)
        try:
            async with aiohttp.ClientSession(listener.address) as client:
                page = await client.ws_connect("/golem-launcher/documents")
                await page.send_json({"key": KEY, "unsaved": 4})
                await until(lambda: found.unsaved == 4)
                found.end("over")
                assert await page.receive_json() == {"ended": "over"}
        finally:
            await listener.aclose()
            await ways.aclose()

    run(scene())


def test_a_page_is_told_how_the_session_stands_and_what_comes_of_what_it_asks_for():
    async def scene():
        found = OpenDocuments(SECRET, look=lambda: {"name": "first"}, hear=lambda asked: f"no {asked}")
        async with link_to(1, attend=found.dial) as address, aiohttp.ClientSession(address) as client:
            page = await client.ws_connect("/golem-launcher/documents")
            await page.send_json({"key": KEY, "unsaved": 1})
            await page.send_json({"unsaved": 1, "ask": "more", "look": True})
            assert [await page.receive_json() for _ in range(2)] == [
                {"told": "no more"},
                {"session": {"name": "first"}},
            ]
            assert found.unsaved == 1
            await found.aclose()

    run(scene())


def test_a_request_that_is_no_websocket_is_told_so():
    async def scene():
        async with served() as session:
            async with session.get("/golem-launcher/documents") as response:
                assert response.status == 426
            async with session.get("/golem-launcher/farewell") as response:
                assert response.status == 404  # nor is the provider asked how the session ended

    run(scene())


def test_a_page_that_begins_its_settings_endlessly_often_is_seen_to_be_none_in_no_time():
    begun = time.process_time()
    assert LabFrontend(key=KEY).page(b'<script id="jupyter-config-data" type="application/json">' * 18_000) is None
    assert time.process_time() - begun < 1 * slower()


@pytest.mark.parametrize("extensions", [False, True])
def test_a_number_that_no_float_is_makes_no_page_that_browsers_cannot_read(extensions):
    theirs = b'<script id="jupyter-config-data" type="application/json">{"a": %s, "b": [%s]}</script>'
    made = LabFrontend(extensions=extensions, key=KEY).page(theirs % (b"1e999", b"-1e999"))
    assert extensions == (made is None)  # theirs is shown then, as it is
    assert made is None or not {b"Infinity", b'"a"', b'"b"'} & set(re.findall(rb'Infinity|"[ab]"', made))


def test_the_page_names_the_extension_and_its_key():
    theirs = b'<script id="jupyter-config-data" type="application/json">{}</script>'
    made = LabFrontend(key=KEY).page(theirs)
    config = json.loads(made.split(b'type="application/json">')[1].split(b"</script>")[0])
    assert config["federated_extensions"] == [labextension.entry()]
    assert config["golemLauncherKey"] == KEY
    served = LabFrontend().file(f"/lab/extensions/golem-launcher/{labextension.entry()['load']}", gzipped=False)
    assert served.status == 200
    assert b"_JUPYTERLAB" in served.body
    for path, (_, body) in labextension.files().items():
        assert LabFrontend().file(path, gzipped=False).body == body
    assert SECRET.encode() not in made
