"""Providers that misbehave while an activity runs, as a requestor sees them."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import time
from typing import Any

import aiohttp
import psutil
import pytest

from golem_launcher.errors import NodeError
from golem_launcher.localnet import network
from golem_launcher.localnet.misbehaviour import HOSTILE_TEXT
from golem_launcher.localnet.negotiation import NOTE_INTERVAL
from tests.localnet.requestor import Requestor, play, until
from tests.patience import slower

START = {"start": {"args": []}}


def shell(script: str, *, stream: bool = False) -> dict[str, Any]:
    capture = {"stream": {}} if stream else {"atEnd": {}}
    return {
        "run": {
            "entry_point": "/bin/sh",
            "args": ["-c", script],
            "capture": {"stdout": capture, "stderr": capture},
        }
    }


# Nobody accepts debit notes here: there shall be none to accept in time.
UNHURRIED = {NOTE_INTERVAL: 600}


async def activity_of(someone: Requestor, name: str) -> str:
    return await someone.activity(await someone.agree(name=name, properties=UNHURRIED))


def sleepers(seconds: str) -> list[int]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.cmdline() == ["sleep", seconds]:
                found.append(process.pid)
    return found


def test_a_slow_deploy_takes_its_time_and_works(in_troupe: network.LocalNetwork) -> None:
    async def scene(someone: Requestor) -> None:
        activity = await activity_of(someone, "slow")
        begin = time.monotonic()
        batch = await someone.send(activity, {"deploy": {}}, START, shell("echo at last"))
        assert not await someone.results(activity, batch, patience=0.5)
        state = await someone.rest.get(f"/activity-api/v1/activity/{activity}/state")
        assert state["state"] == ["Initialized", "Deployed"]
        results = await someone.results(activity, batch)
        assert time.monotonic() - begin > 1.5
        assert results[-1]["stdout"] == "at last\n"

    play(in_troupe, scene)


def test_one_that_never_gets_ready_can_be_left(in_troupe: network.LocalNetwork) -> None:
    async def scene(someone: Requestor) -> None:
        activity = await activity_of(someone, "never")
        batch = await someone.send(activity, {"deploy": {}}, START)
        await until(lambda: in_state(someone, activity, ["Deployed", "Ready"]))
        (deployed,) = await someone.results(activity, batch, patience=0.5)
        assert not deployed["isBatchFinished"]
        await left_behind_nothing(someone, activity, "never")

    play(in_troupe, scene)


def test_a_hanging_command_does_not_hinder_the_end(in_troupe: network.LocalNetwork) -> None:
    async def scene(someone: Requestor) -> None:
        activity = await activity_of(someone, "hanging")
        await someone.execute(activity, {"deploy": {}}, START)
        batch = await someone.send(activity, shell("echo never"))
        assert not await someone.results(activity, batch, patience=0.5)
        (ended,) = await someone.execute(activity, {"terminate": {}})
        assert ended["result"] == "Ok"
        (hung,) = await someone.results(activity, batch)
        assert "Unexpected state" in hung["message"]
        await left_behind_nothing(someone, activity, "hanging")

    play(in_troupe, scene)


@pytest.mark.parametrize("stream", [False, True])
def test_hostile_output_crosses_the_network_whole(in_troupe: network.LocalNetwork, *, stream: bool) -> None:
    async def scene(someone: Requestor) -> None:
        # Its own name is as hostile: no requestor can ask for it in a filter.
        agreement = await someone.agree(constraints="(golem.runtime.name=hostile)", properties=UNHURRIED)
        activity = await someone.activity(agreement)
        results = await someone.execute(activity, {"deploy": {}}, START, shell("echo own", stream=stream))
        output = results[-1]["stdout"]
        assert output.startswith(HOSTILE_TEXT)
        assert "\ufffd" in output  # what was no UTF-8
        assert max(map(len, output.splitlines())) >= 1_000_000
        assert output.endswith("own\n")

    play(in_troupe, scene)


@pytest.mark.slow
def test_the_dead_leave_nothing_behind(in_troupe: network.LocalNetwork) -> None:
    async def scene(someone: Requestor) -> None:
        agreement = await someone.agree(name="mortal", properties=UNHURRIED)
        activity = await someone.activity(agreement)
        await someone.send(activity, {"deploy": {}}, START, shell("setsid sleep 73173 & exec sleep 73174"))
        await until(lambda: len(sleepers("73173") + sleepers("73174")) == 2)
        directory = in_troupe.directory / "activities" / activity
        assert directory.exists()
        (in_troupe.directory.parent / "mortal-now").touch()
        await until(lambda: provider("mortal")["state"] == "dead")
        await until(lambda: not sleepers("73173") + sleepers("73174") and not directory.exists(), patience=10)
        # It died without a word: no end of the agreement, no bill, and nobody who answers for the activity.
        state = await someone.rest.get(f"/market-api/v1/agreements/{agreement['agreementId']}")
        assert state["state"] == "Approved"
        invoices = await someone.rest.get("/payment-api/v1/invoices", afterTimestamp=agreement["timestamp"])
        assert agreement["agreementId"] not in {invoice["agreementId"] for invoice in invoices}
        with pytest.raises(NodeError):
            await someone.send(activity, shell("true"))

    play(in_troupe, scene)


@pytest.mark.slow
def test_one_dies_when_its_time_has_come(in_troupe: network.LocalNetwork) -> None:
    async def scene(someone: Requestor) -> None:
        await activity_of(someone, "brief")
        await until(lambda: provider("brief")["state"] == "dead")

    play(in_troupe, scene)


SERVER = "cd /golem/output && exec python3 -m http.server 8000 -b ${GOLEM_BIND_ADDRESS:-0.0.0.0}"


@pytest.mark.slow
def test_bytes_arrive_whole_over_a_line_that_loses_delays_and_reorders(in_troupe: network.LocalNetwork) -> None:
    async def scene(someone: Requestor) -> None:
        agreement = await someone.agree(name="lossy", properties=UNHURRIED)
        deploy, ports = await someone.vpn(agreement)
        activity = await someone.activity(agreement)
        await someone.execute(activity, {"deploy": deploy}, START)
        make = shell("head -c 100000 /dev/urandom > /golem/output/blob && sha256sum /golem/output/blob")
        summed, _ = await someone.execute(activity, make, shell(f"({SERVER}) > /dev/null 2>&1 & exit 0"))
        wanted = summed["stdout"].split()[0]
        bodies = await asyncio.gather(*(download(someone, f"{ports}/8000") for _ in range(3)))
        assert {hashlib.sha256(body).hexdigest() for body in bodies} == {wanted}

    play(in_troupe, scene)


async def download(someone: Requestor, path: str) -> bytes:
    """The blob, asked for until the server listens."""
    end = time.monotonic() + 20 * slower()
    while True:
        answer = bytearray()
        async with contextlib.AsyncExitStack() as stack:
            stack.enter_context(contextlib.suppress(aiohttp.WSServerHandshakeError))  # nobody listens yet
            websocket = await someone.connect(path)
            stack.push_async_callback(websocket.close)
            await websocket.send_bytes(b"GET /blob HTTP/1.0\r\n\r\n")
            await asyncio.wait_for(read_all(websocket, answer), 180 * slower())
        head, _, body = bytes(answer).partition(b"\r\n\r\n")
        if head:
            assert b" 200 " in head
            return body
        assert time.monotonic() < end, "the server did not answer"
        await asyncio.sleep(random.random() / 5)


async def read_all(websocket: aiohttp.ClientWebSocketResponse, into: bytearray) -> None:
    async for message in websocket:
        if isinstance(message.data, bytes):
            into += message.data
        if b"\r\n\r\n" in into:
            head, _, body = bytes(into).partition(b"\r\n\r\n")
            if b"content-length: " + str(len(body)).encode() in head.lower():
                return


async def in_state(someone: Requestor, activity: str, wanted: list[str]) -> bool:
    return bool((await someone.rest.get(f"/activity-api/v1/activity/{activity}/state"))["state"] == wanted)


async def left_behind_nothing(someone: Requestor, activity: str, name: str) -> None:
    """The requestor can end the activity, and the provider keeps nothing of it."""
    await someone.destroy(activity)
    await until(lambda: not provider(name)["activities"])
    assert not [entry for entry in network.status()["providers"] if activity in entry["activities"]]


def provider(name: str) -> dict[str, Any]:
    return next(entry for entry in network.status()["providers"] if entry["name"] == name)
