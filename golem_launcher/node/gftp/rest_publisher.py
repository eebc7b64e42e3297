"""Files offered through yagna's REST API, for a node on another machine."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from golem_launcher.errors import BusCallError, BusError, BusProtocolError
from golem_launcher.node.gftp.wire import LARGEST_CHUNK, SMALL_CHUNK, GftpError, local_address
from golem_launcher.node.gsb import flex, packets
from golem_launcher.waiting import cancel_all

if TYPE_CHECKING:
    from golem_launcher.node.gftp.files import Service

_LARGEST_MESSAGE: Final = 2 * LARGEST_CHUNK
_REST_SECONDS: Final = 30.0


class RestPublisher:
    """Offers files by yagna's ``gsb-api``: one websocket for each file."""

    largest_chunk = SMALL_CHUNK  # yagna takes messages of at most 64 KiB from its websocket

    def __init__(self, http: aiohttp.ClientSession, api_url: str, node_id: str) -> None:
        self._http = http
        self._services = f"{api_url}/gsb-api/v1/services"
        self.node_id = node_id
        self._served: dict[str, asyncio.Task[None]] = {}

    @classmethod
    async def connect(cls, api_url: str, app_key: str) -> RestPublisher:
        """Ask a node who it is; :class:`BusError` when it does not answer or refuses the key."""
        api_url = api_url.rstrip("/")
        http = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {app_key}"},
            timeout=aiohttp.ClientTimeout(total=_REST_SECONDS),
        )
        try:
            async with http.get(f"{api_url}/me", raise_for_status=True) as response:
                return cls(http, api_url, str((await response.json())["identity"]))
        except (TimeoutError, aiohttp.ClientError, KeyError, ValueError) as error:
            await http.close()
            raise BusError(f"The node at {api_url} does not answer: {error}.", "Check its address and key.") from error

    @property
    def connected(self) -> bool:
        """Whether the websockets of all files are still there."""
        return not any(task.done() for task in self._served.values())

    async def offer(self, name: str, service: Service) -> None:
        """Bind the file's service and serve its websocket."""
        address = local_address(name)
        body = {"listen": {"on": address, "components": list(service.components)}}
        try:
            async with self._http.post(self._services, json=body) as response:
                if response.status != HTTPStatus.CREATED:
                    text = (await response.text())[:200]
                    taken = response.status in {HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT}
                    raise BusCallError(
                        f"The node refused to offer a file: {response.status} {text}.",
                        code=packets.CONFLICT if taken else packets.FAILURE,
                    )
            socket = await self._http.ws_connect(
                f"{self._services}/{_encoded(address)}",
                protocols=["gsb+flexbuffers"],
                max_msg_size=_LARGEST_MESSAGE,
                heartbeat=_REST_SECONDS,
            )
        except (TimeoutError, aiohttp.ClientError) as error:
            raise BusError(f"The node refused to offer a file: {error}.") from error
        self._served[name] = asyncio.ensure_future(_serve(socket, service))

    async def withdraw(self, name: str) -> None:
        """Unbind the service and end its websocket."""
        task = self._served.pop(name, None)
        if task is None:
            return
        await cancel_all(task)
        with contextlib.suppress(aiohttp.ClientError, asyncio.TimeoutError):
            async with self._http.delete(f"{self._services}/{_encoded(local_address(name))}"):
                pass

    async def aclose(self) -> None:
        """Withdraw everything."""
        for name in tuple(self._served):
            await self.withdraw(name)
        await self._http.close()


async def _serve(socket: Any, service: Service) -> None:
    """Answer the requests of one websocket (aiohttp's, whose type differs between its versions), a few at once."""
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
