"""A page at one provider that asks another one, read by yapapi's own HTTP proxy.

Then the program ends its engine, starts another, and goes on with both services: as in yapapi's webapp_suspend_resume.
"""

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta

import aiohttp
from yapapi import Golem
from yapapi.contrib.service.http_proxy import HttpProxyService, LocalHttpProxy
from yapapi.payload import vm
from yapapi.services import Service, ServiceState

PORT = int(sys.argv[1])
NOTES = "cd /golem/work && echo a note > note && exec python3 -m http.server 8000 -b 0.0.0.0 > /dev/null 2>&1 &"
PAGE = """
import http.server, sys, urllib.request

class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        text = b"it says " + urllib.request.urlopen(f"http://{sys.argv[1]}:8000/note", timeout=20).read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

http.server.ThreadingHTTPServer(("0.0.0.0", 80), Page).serve_forever()
"""
UNTIL = datetime.now(UTC) + timedelta(minutes=10)


class Notes(Service):
    @staticmethod
    async def get_payload():
        return await vm.repo(image_hash="0" * 56, capabilities=[vm.VM_CAPS_VPN])

    async def start(self):
        async for script in super().start():
            yield script
        script = self._ctx.new_script()
        script.run("/bin/sh", "-c", NOTES)
        yield script


class Page(HttpProxyService):
    def __init__(self, notes="", _id=""):
        """``_id`` is given to one that is gone on with; yapapi's own class takes none."""
        super().__init__(remote_port=80)
        self._notes = notes

    get_payload = staticmethod(Notes.get_payload)

    async def start(self):
        async for script in super().start():
            yield script
        script = self._ctx.new_script()
        script.upload_bytes(PAGE.encode(), "/golem/work/page.py")
        script.run("/bin/sh", "-c", f"exec python3 /golem/work/page.py {self._notes} > /dev/null 2>&1 &")
        yield script


async def running(cluster):
    while any(instance.state != ServiceState.running for instance in cluster.instances):  # noqa: ASYNC110
        await asyncio.sleep(0.1)


async def read(cluster):
    proxy = LocalHttpProxy(cluster, PORT)
    await proxy.run()
    try:
        async with aiohttp.ClientSession() as session:
            for _ in range(50):
                async with session.get(f"http://127.0.0.1:{PORT}/") as response:
                    if response.status == 200:
                        return await response.text()
                await asyncio.sleep(0.2)
    finally:
        await proxy.stop()


async def main():
    seen = {}
    golem = Golem(budget=1)
    await golem.start()
    network = await golem.create_network("192.168.0.1/24")
    notes = await golem.run_service(Notes, network=network, expiration=UNTIL)
    await running(notes)
    address = notes.instances[0].network_node.ip
    page = await golem.run_service(Page, network=network, expiration=UNTIL, instance_params=[{"notes": address}])
    await running(page)
    seen["first"] = await read(page)

    kept = network.serialize(), *([each.serialize() for each in cluster.instances] for cluster in (notes, page))
    for cluster in (notes, page):
        cluster.suspend()
    await golem.stop(wait_for_payments=False)
    network_kept, notes_kept, page_kept = json.loads(json.dumps(kept))

    async with Golem(budget=1) as golem:
        network = await golem.resume_network(network_kept)
        notes = await golem.resume_service(Notes, instances=notes_kept, network=network, expiration=UNTIL)
        page = await golem.resume_service(Page, instances=page_kept, network=network, expiration=UNTIL)
        await running(notes)
        await running(page)
        seen["second"] = await read(page)
        for cluster in (page, notes):
            cluster.stop()
        for cluster in (page, notes):
            while any(instance.is_available for instance in cluster.instances):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        await network.remove()
    return seen


sys.stdout.write(json.dumps(asyncio.run(main())))
