"""A real yagna that joins a router of ours, with an endpoint of ours as the other node of its VPN."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import dataclass

import aiohttp

from golem_launcher.localnet.router import Router
from golem_launcher.localnet.vpn import BadLine, LineRule, VpnEndpoint
from golem_launcher.node.gsb.calls import ok
from tests.yagna_daemon import start

NODE = "0x" + "ab" * 20


@dataclass
class Network:
    """yagna's websockets lead to ``endpoint``, whose port 80 is the test's server; other ports are closed."""

    endpoint: VpnEndpoint
    lines: tuple[BadLine, BadLine]
    http: aiohttp.ClientSession
    uri: str

    def connect(self, port=80):
        return self.http.ws_connect(f"{self.uri}/{port}", max_msg_size=0)


@contextlib.asynccontextmanager
async def joined(serve, rule=None):
    """``serve`` answers the connections; ``rule`` is the line's, each way."""
    loop = asyncio.get_running_loop()
    async with contextlib.AsyncExitStack() as stack:
        router = await stack.enter_async_context(Router())
        starting = start(router.port)
        daemon = await asyncio.to_thread(starting.__enter__)
        stack.push_async_callback(asyncio.to_thread, starting.__exit__, None, None, None)
        http = await stack.enter_async_context(aiohttp.ClientSession(headers={"Authorization": "Bearer key"}))

        async def ask(path, body=None):
            async with http.request("POST" if body else "GET", daemon.api_url + path, json=body) as response:
                response.raise_for_status()
                return await response.json()

        requestor = (await ask("/me"))["identity"]
        network = (await ask("/net-api/v1/net", {"ip": "192.168.0.0/24"}))["id"]
        await ask(f"/net-api/v1/net/{network}/addresses", {"ip": "192.168.0.1"})
        server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=200)
        stack.callback(server.close)

        async def dial(port):
            if port != 80:
                raise ConnectionRefusedError
            sock = socket.socket()
            sock.setblocking(False)
            await loop.sock_connect(sock, server.sockets[0].getsockname())
            return sock

        rule = rule or LineRule()
        out = BadLine(lambda frame: router.post(f"/net/{requestor}/vpn/{network}/raw", frame, caller=NODE), rule)
        endpoint = VpnEndpoint("192.168.0.2", "192.168.0.0/24", out.send, dial)
        back = BadLine(endpoint.receive, rule)
        stack.callback(out.close)
        stack.callback(back.close)
        stack.push_async_callback(endpoint.aclose)

        def handle(call):
            if call.component != "VpnControl":
                back.send(call.data)
            return ok()

        router.attach(f"/net/{NODE}/vpn/{network}", handle)
        await ask(f"/net-api/v1/net/{network}/nodes", {"id": NODE, "ip": "192.168.0.2"})
        yield Network(endpoint, (out, back), http, f"{daemon.api_url}/net-api/v1/net/{network}/tcp/192.168.0.2")
