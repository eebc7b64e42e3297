"""A VPN as programs inside an activity see it: an interface, and other providers at the end of it."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from golem_launcher.localnet.runtime.sandbox_runtime import why_no_sandbox
from golem_launcher.localnet.spec import BASE_IMAGE, image_hash
from tests.localnet.conftest import network_of
from tests.localnet.requestor import Requestor, play
from tests.localnet.test_misbehaviour import START, shell
from tests.networks import at_home

if TYPE_CHECKING:
    from collections.abc import Iterator

    from golem_launcher.localnet import network

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(why_no_sandbox()), reason="no sandbox here")]

TWO = """
terminate_seconds = 0

[[provider]]
name = "one"

[[provider]]
name = "two"

[[provider]]
name = "plain"
"""
LOOK = """
import fcntl, socket, struct
for _, name in socket.if_nameindex():
    if name not in {"eth0", "eth1"}:
        continue
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        wanted = struct.pack("256s", name.encode())
        address = socket.inet_ntoa(fcntl.ioctl(any_socket, 0x8915, wanted)[20:24])
        mtu = struct.unpack_from("=i", fcntl.ioctl(any_socket, 0x8921, wanted), 16)[0]
    print(name, address, mtu)
"""
SERVE = "cd /golem/output && (/usr/bin/env python3 -m http.server 8000 > /golem/work/log 2>&1 &) ; echo started"
FETCH = """
import hashlib, time, urllib.request
url, end = "http://10.9.8.3:8000/data", time.monotonic() + 30
while True:
    try:
        data = urllib.request.urlopen(url, timeout=10).read()
        break
    except OSError:
        if time.monotonic() > end:
            raise
        time.sleep(0.1)
print(len(data), hashlib.sha256(data).hexdigest())
"""
KNOCK = """
import asyncio, json
async def knock(host, port, turns):
    async with turns:
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), 5)
        except (OSError, asyncio.TimeoutError):
            return None
        writer.close()
        return [host, port]
async def all_doors(doors):
    turns = asyncio.Semaphore(128)
    return await asyncio.gather(*(knock(host, port, turns) for host, port in doors))
print(json.dumps([door for door in asyncio.run(all_doors(DOORS)) if door]))
"""


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[network.LocalNetwork]:
    with network_of(tmp_path_factory.mktemp("two"), TWO) as up, at_home(up.directory.parent):
        yield up


def python(text: str) -> dict[str, Any]:
    capture = {"stdout": {"atEnd": {}}, "stderr": {"atEnd": {}}}
    return {"run": {"entry_point": "/usr/bin/env", "args": ["python3", "-c", text], "capture": capture}}


def output(result: dict[str, Any]) -> str:
    assert result["result"] == "Ok", json.dumps(result)  # whole: its message says why
    return str(result["stdout"])


def test_providers_reach_each_other_from_inside(two: network.LocalNetwork) -> None:
    async def scene(someone: Requestor) -> None:
        deploys, activities = [], []
        vpn = await someone.rest.post("/net-api/v1/net", {"ip": "10.9.8.0", "mask": "255.255.255.0"})
        path = f"/net-api/v1/net/{vpn['id']}"
        await someone.rest.post(f"{path}/addresses", {"ip": "10.9.8.1"})
        agreements = [await someone.agree(name=name) for name in ("one", "two")]
        nodes = {"10.9.8.1": agreements[0]["demand"]["requestorId"]}
        for number, agreement in enumerate(agreements):
            provider = agreement["offer"]["providerId"]
            nodes[f"10.9.8.{number + 2}"] = provider
            await someone.rest.post(f"{path}/nodes", {"id": provider, "ip": f"10.9.8.{number + 2}"})
        for number, agreement in enumerate(agreements):
            net = {"id": vpn["id"], "ip": "10.9.8.0", "mask": "255.255.255.0", "nodeIp": f"10.9.8.{number + 2}"}
            deploys.append({"deploy": {"net": [{**net, "nodes": nodes}]}})
            activities.append(await someone.activity(agreement))
        make = shell("head -c 300000 /dev/urandom > /golem/output/data; sha256sum /golem/output/data")
        *_, made, _ = await someone.execute(activities[1], deploys[1], START, make, shell(SERVE))
        *_, looked, fetched = await someone.execute(activities[0], deploys[0], START, python(LOOK), python(FETCH))
        assert output(fetched).split() == ["300000", output(made).split()[0]]
        assert output(looked).strip() == "eth0 10.9.8.2 1220"
        await someone.rest.delete(path)

    play(two, scene)


def test_who_knocks_at_the_requestor_or_at_another_session_hears_nobody(two: network.LocalNetwork) -> None:
    """The requestor's node lets nobody in and passes nothing on; a provider that was left is out of the network."""
    listening = {each.laddr.port for each in psutil.net_connections("tcp") if each.status == psutil.CONN_LISTEN}
    ports = sorted({*range(1, 513), *listening})

    async def scene(someone: Requestor) -> None:
        ids = []
        for number in (8, 7):
            vpn = await someone.rest.post("/net-api/v1/net", {"ip": f"10.9.{number}.0", "mask": "255.255.255.0"})
            await someone.rest.post(f"/net-api/v1/net/{vpn['id']}/addresses", {"ip": f"10.9.{number}.1"})
            ids.append(vpn["id"])
        members = {"one": (ids[0], "10.9.8.2"), "plain": (ids[0], "10.9.8.3"), "two": (ids[1], "10.9.7.2")}
        activities, providers = {}, {}
        for name, (vpn_id, ip) in members.items():
            agreement = await someone.agree(name=name)
            providers[name] = agreement["offer"]["providerId"]
            await someone.rest.post(f"/net-api/v1/net/{vpn_id}/nodes", {"id": providers[name], "ip": ip})
            gateway = f"{ip.rpartition('.')[0]}.1"
            net = {"id": vpn_id, "ip": f"{ip.rpartition('.')[0]}.0", "mask": "255.255.255.0", "gateway": gateway}
            nodes = {gateway: agreement["demand"]["requestorId"]}
            nodes |= {other: providers[each] for each, (_, other) in members.items() if each in providers}
            activities[name] = await someone.activity(agreement)
            deploy = {"deploy": {"net": [{**net, "nodeIp": ip, "nodes": nodes}]}}
            begin = [deploy, START] if name == "one" else [deploy, START, shell(SERVE)]
            for result in await someone.execute(activities[name], *begin):
                assert result["result"] == "Ok", result

        async def opened(*doors: tuple[str, int]) -> list[list[Any]]:
            (result,) = await someone.execute(activities["one"], python(KNOCK.replace("DOORS", str(list(doors)))))
            return list(json.loads(output(result)))

        neighbour = ("10.9.8.3", 8000)
        while not await opened(neighbour):  # it is being started
            pass
        strangers = [("10.9.7.2", 8000), *((host, port) for host in ("10.9.8.1", "10.9.7.1") for port in ports)]
        assert await opened(neighbour, *strangers) == [list(neighbour)]
        await someone.rest.delete(f"/net-api/v1/net/{ids[0]}/nodes/{providers['plain']}")
        while await opened(neighbour):  # the others are told
            pass
        for vpn_id in ids:
            await someone.rest.delete(f"/net-api/v1/net/{vpn_id}")

    play(two, scene)


def test_eth1_is_there_for_who_may_reach_the_internet(two: network.LocalNetwork) -> None:
    async def scene(someone: Requestor) -> None:
        out = {"protocols": ["https"], "urls": ["https://example.com"]}
        payload = {
            "payload": [{"urls": ["http://nowhere.invalid/i"], "hash": f"sha3:{image_hash(BASE_IMAGE)}"}],
            "compManifest": {"version": "0.1.0", "net": {"inet": {"out": out}}},
        }
        encoded = base64.b64encode(json.dumps(payload).encode()).decode()
        agreement = await someone.agree(name="plain", properties={"golem.srv.comp.payload": encoded})
        activity = await someone.activity(agreement)
        *_, looked = await someone.execute(activity, {"deploy": {}}, START, python(LOOK))
        assert output(looked).strip() == "eth1 10.42.42.2 1450"

    play(two, scene)
