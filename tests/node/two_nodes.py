"""Two real daemons that our hub joins, as the local network has them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from dataclasses import dataclass

from golem_launcher.localnet.hub import Hub
from tests.yagna_daemon import Daemon, start


@dataclass(frozen=True)
class Network:
    """Two daemons that a hub joins; the hub lives on a loop of its own."""

    requestor: Daemon
    provider: Daemon
    requestor_id: str
    provider_id: str
    hub: Hub
    loop: asyncio.AbstractEventLoop

    def on_hub(self, coroutine):
        """Run a coroutine on the hub's loop; awaited from a test's own."""
        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, self.loop))

    async def attach(self, prefix, handler):
        async def attach():
            self.hub.attach(prefix, handler)

        await self.on_hub(attach())

    async def detach(self, prefix):
        async def detach():
            self.hub.detach(prefix)

        await self.on_hub(detach())


@contextlib.contextmanager
def joined():
    """Both daemons and the hub between them, for as long as the block."""
    with contextlib.ExitStack() as stack:
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        stack.callback(loop.close)
        stack.callback(thread.join)
        stack.callback(loop.call_soon_threadsafe, loop.stop)

        def run(coroutine):
            return asyncio.run_coroutine_threadsafe(coroutine, loop).result(30)

        async def make():
            hub = Hub()
            await hub.start()
            return hub

        hub = run(make())
        stack.callback(lambda: run(hub.aclose()))
        daemons = [stack.enter_context(start(hub.port, name)) for name in ("requestor", "provider")]
        identities = [json.loads(daemon.get("/me"))["identity"] for daemon in daemons]
        yield Network(*daemons, *identities, hub, loop)
