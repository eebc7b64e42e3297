"""Publishes files through yagna's REST API, for a node on another machine."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from golem_launcher.errors import BusCallError, BusError, BusProtocolError, NodeError, NodeRefused, NodeUnreachable
from golem_launcher.node.gftp.wire import LARGEST_CHUNK, SMALL_CHUNK, GftpError, local_address
from golem_launcher.node.gsb import flex, packets
from golem_launcher.node.node import Node
from golem_launcher.node.rest_client import NodeRest
from golem_launcher.waiting import cancel_all

if TYPE_CHECKING:
    from golem_launcher.node.gftp.files import FileService

_LARGEST_MESSAGE: Final = 2 * LARGEST_CHUNK
_REST_SECONDS: Final = 30.0
_SERVICES: Final = "/gsb-api/v1/services"


class RestPublisher:
    """Offers files by yagna's ``gsb-api``: one websocket for each file."""

    largest_chunk = SMALL_CHUNK  # yagna takes messages of at most 64 KiB from its websocket

    def __init__(self, rest: NodeRest, node_id: str, resources: contextlib.AsyncExitStack) -> None:
        """``resources``: what ends with it."""
        self._rest = rest
        self._resources = resources
        self.node_id = node_id
        self._served: dict[str, asyncio.Task[None]] = {}

    @classmethod
    async def connect(cls, api_url: str, app_key: str) -> RestPublisher:
        """Ask a node who it is; :class:`BusError` when it does not answer or refuses the key."""
        async with contextlib.AsyncExitStack() as resources:
            node = Node(api_url.rstrip("/"), app_key)
            rest = await resources.enter_async_context(NodeRest.open(node, seconds=_REST_SECONDS))
            try:
                identity = str((await rest.get("/me"))["identity"])
            except NodeError as error:
                raise BusError(error.what, "Check its address and key.") from error
            except (TypeError, KeyError):
                raise BusError(f"What answers at {node.api_url} is not a yagna.", "Check its address.") from None
            return cls(rest, identity, resources.pop_all())

    @property
    def connected(self) -> bool:
        """Whether the websockets of all files are still there."""
        return not any(task.done() for task in self._served.values())

    async def offer(self, name: str, service: FileService) -> None:
        """Bind the file's service and serve its websocket."""
        address = local_address(name)
        body = {"listen": {"on": address, "components": list(service.components)}}
        try:
            await self._rest.post(_SERVICES, body)
            socket = await self._rest.websocket(
                f"{_SERVICES}/{_encoded(address)}",
                protocols=["gsb+flexbuffers"],
                max_msg_size=_LARGEST_MESSAGE,
                heartbeat=_REST_SECONDS,
            )
        except NodeRefused as error:
            taken = error.status in {HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT}
            raise BusCallError(error.what, code=packets.CONFLICT if taken else packets.FAILURE) from error
        except NodeUnreachable as error:
            raise BusError(error.what) from error
        self._served[name] = asyncio.ensure_future(_serve(socket, service))

    async def withdraw(self, name: str) -> None:
        """Unbind the service and end its websocket."""
        task = self._served.pop(name, None)
        if task is None:
            return
        await cancel_all(task)
        with contextlib.suppress(NodeError):
            await self._rest.delete(f"{_SERVICES}/{_encoded(local_address(name))}")

    async def aclose(self) -> None:
        """Withdraw all files that are still on offer. Called once."""
        for name in tuple(self._served):
            await self.withdraw(name)
        await self._resources.aclose()


async def _serve(socket: Any, service: FileService) -> None:
    """Answer the requests of one websocket (aiohttp's), a few at once."""
    turns = asyncio.Semaphore(16)
    tasks: set[asyncio.Task[None]] = set()

    async def answer(message: bytes) -> None:
        try:
            request = flex.loads(message)
            reply = {"id": request["id"]}
        except (BusProtocolError, KeyError, TypeError):
            turns.release()
            return
        try:
            reply["payload"] = await service.answer(str(request.get("component")), request.get("payload"))
        except GftpError as error:  # yagna wants a map here
            reply["error"] = {"InternalError": str(error)} if error.kind == "IntegrityError" else error.to_wire()
        finally:
            turns.release()
        with contextlib.suppress(ConnectionError, aiohttp.ClientError):
            await socket.send_bytes(flex.dumps(reply))

    try:
        async for message in socket:
            if message.type is aiohttp.WSMsgType.BINARY:
                await turns.acquire()
                task = asyncio.ensure_future(answer(message.data))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
    finally:
        await cancel_all(*tasks)
        await socket.close()


def _encoded(address: str) -> str:
    return base64.urlsafe_b64encode(address.encode()).decode().rstrip("=")
