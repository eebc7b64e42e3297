"""A web server in a provider, read through the VPN: start, run and shutdown of a yapapi service."""

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta

import aiohttp
from yapapi import Golem
from yapapi.contrib.service.socket_proxy import SocketProxy, SocketProxyService
from yapapi.payload import vm

SERVER = """
cd /golem/work && echo hello > index.html
python3 -m http.server 8000 -b ${GOLEM_BIND_ADDRESS:-0.0.0.0} > /dev/null 2> /golem/output/log &
"""

seen = {}


class Web(SocketProxyService):
    @staticmethod
    async def get_payload():
        return await vm.repo(image_hash="0" * 56, capabilities=[vm.VM_CAPS_VPN])

    async def start(self):
        async for script in super().start():
            yield script
        script = self._ctx.new_script()
        script.run("/bin/sh", "-c", SERVER)
        yield script

    async def run(self):
        while True:
            script = self._ctx.new_script()
            listed = script.run("/bin/ls", "/golem/work")
            yield script
            seen["run"] = (await listed).stdout
            await asyncio.sleep(0.5)

    async def shutdown(self):
        script = self._ctx.new_script()
        log = script.run("/bin/cat", "/golem/output/log")
        yield script
        seen["log"] = (await log).stdout


async def main():
    proxy = SocketProxy(ports=range(int(sys.argv[1]), int(sys.argv[1]) + 1))
    async with Golem(budget=1) as golem:
        network = await golem.create_network("192.168.0.1/24")
        async with network, aiohttp.ClientSession() as session:
            until = datetime.now(UTC) + timedelta(minutes=10)
            cluster = await golem.run_service(Web, network=network, expiration=until)
            while "run" not in seen:  # noqa: ASYNC110 - yapapi has no other way
                await asyncio.sleep(0.1)
            server = await proxy.run_server(cluster.instances[0], 8000)
            address = f"http://{server.local_address}:{server.local_port}/index.html"
            for _ in range(50):
                try:
                    async with session.get(address) as response:
                        seen["page"] = await response.text()
                    break
                except aiohttp.ClientError:
                    await asyncio.sleep(0.1)
            await proxy.stop()
            cluster.stop()
            while any(instance.is_available for instance in cluster.instances):  # noqa: ASYNC110
                await asyncio.sleep(0.1)


asyncio.run(main())
sys.stdout.write(json.dumps(seen))
