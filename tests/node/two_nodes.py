"""Two real daemons that our router joins, as the local network has them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from dataclasses import dataclass

from golem_launcher.localnet.router import Router
from tests.yagna_daemon import Daemon, start


@dataclass(frozen=True)
class Network:
    """Two daemons that a router joins; the router lives on a loop of its own."""

    requestor: Daemon
    provider: Daemon
    requestor_id: str
    provider_id: str
    router: Router
    loop: asyncio.AbstractEventLoop

    def on_router(self, coroutine):
        """Run a coroutine on the router's loop; awaited from a test's own."""
        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, self.loop))

    async def attach(self, prefix, handler):
        async def attach():
            self.router.attach(prefix, handler)

        await self.on_router(attach())

    async def detach(self, prefix):
        async def detach():
            self.router.detach(prefix)

        await self.on_router(detach())


@contextlib.contextmanager
def joined():
    """Both daemons and the router between them, for as long as the block."""
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
            router = Router()
            await router.start()
            return router

        router = run(make())
        stack.callback(lambda: run(router.aclose()))
        daemons = [stack.enter_context(start(router.port, name)) for name in ("requestor", "provider")]
        identities = [json.loads(daemon.get("/me"))["identity"] for daemon in daemons]
        yield Network(*daemons, *identities, router, loop)
