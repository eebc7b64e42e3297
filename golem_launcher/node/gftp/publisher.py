"""Where files are offered: on the bus itself, or through yagna's REST API when the node runs on another machine."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Protocol

import aiohttp

from golem_launcher.errors import BusCallError, BusError, BusProtocolError
from golem_launcher.node.gftp.wire import LARGEST_CHUNK, SMALL_CHUNK, GftpError, local_address
from golem_launcher.node.gsb import Call, GsbClient, err, flex, frames, ok
from golem_launcher.node.gsb.client import DEFAULT_PORT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from golem_launcher.node.gftp.files import Service

_LARGEST_MESSAGE: Final = 2 * LARGEST_CHUNK
_REST_SECONDS: Final = 30.0


class Publisher(Protocol):
    """Offers services under names; knows the node they belong to."""

    largest_chunk: int
    """Bytes of the largest chunk that may be given to a peer."""
    node_id: str

    async def offer(self, name: str, service: Service) -> None:
        """Make a file available to other nodes; :class:`BusCallError` with code 409 when the name is taken."""

    async def withdraw(self, name: str) -> None:
        """Undo :meth:`offer`."""

    async def aclose(self) -> None:
        """Withdraw everything and end the connection."""


class BusPublisher:
    """Offers files by a connection to the bus."""

    largest_chunk = LARGEST_CHUNK

    def __init__(self, bus: GsbClient, node_id: str) -> None:
        self.bus = bus
        self.node_id = node_id

    @classmethod
    async def connect(cls, url: str) -> BusPublisher:
        """Connect to the bus of a node; :class:`BusError` when it is not there."""
        bus = await GsbClient.connect(url, name="gftp")
        try:
            identity = await bus.call("/local/identity/Get", "byDefault")
            return cls(bus, str(identity["nodeId"]))
        except (BusError, KeyError, TypeError) as error:
            await bus.aclose()
            raise BusError(f"The node at {url} has no identity.") from error

    async def offer(self, name: str, service: Service) -> None:
        """Register the file's service."""
        prefix = local_address(name)

        async def answer(call: Call) -> bytes:
            try:
                if call.address != f"{prefix}/{call.component}":
                    raise GftpError("There is nothing at this address.")  # noqa: TRY301
                await self.bus.drained()  # a peer that asks but does not read fills no memory
                return ok(await service.answer(call.component, call.payload()))
            except (GftpError, BusProtocolError) as error:
                return _refusal(error)

        await self.bus.register(prefix, answer)

    async def withdraw(self, name: str) -> None:
        """Unregister the file's service."""
        await self.bus.unregister(local_address(name))

    async def aclose(self) -> None:
        """End the connection; the bus forgets its services with it."""
        await self.bus.aclose()


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
        except (aiohttp.ClientError, asyncio.TimeoutError, KeyError, ValueError) as error:
            await http.close()
            raise BusError(f"The node at {api_url} does not answer: {error}.", "Check its address and key.") from error

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
                        code=frames.CONFLICT if taken else frames.FAILURE,
                    )
            socket = await self._http.ws_connect(
                f"{self._services}/{_encoded(address)}",
                protocols=["gsb+flexbuffers"],
                max_msg_size=_LARGEST_MESSAGE,
                heartbeat=_REST_SECONDS,
            )
        except (aiohttp.ClientError, asyncio.TimeoutError) as error:
            raise BusError(f"The node refused to offer a file: {error}.") from error
        self._served[name] = asyncio.ensure_future(_serve(socket, service))

    async def withdraw(self, name: str) -> None:
        """Unbind the service and end its websocket."""
        task = self._served.pop(name, None)
        if task is None:
            return
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        with contextlib.suppress(aiohttp.ClientError, asyncio.TimeoutError):
            async with self._http.delete(f"{self._services}/{_encoded(local_address(name))}"):
                pass

    async def aclose(self) -> None:
        """Withdraw everything."""
        for name in tuple(self._served):
            await self.withdraw(name)
        await self._http.close()


async def connect(environment: Mapping[str, str] = os.environ) -> BusPublisher | RestPublisher:
    """The way to the node that the environment names.

    ``GSB_URL``, else ``YAGNA_API_URL`` and ``YAGNA_APPKEY`` (also when the bus is not there), else the bus at yagna's
    default address. :class:`BusError` when nothing answers.
    """
    api_url, app_key = environment.get("YAGNA_API_URL"), environment.get("YAGNA_APPKEY")
    gsb_url = environment.get("GSB_URL")
    if gsb_url or not (api_url and app_key):
        try:
            return await BusPublisher.connect(gsb_url or f"tcp://127.0.0.1:{DEFAULT_PORT}")
        except BusError:
            if not (api_url and app_key):
                raise
    return await RestPublisher.connect(api_url, app_key)


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
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await socket.close()


def _refusal(error: BusError) -> bytes:
    return err(error.to_wire() if isinstance(error, GftpError) else {"InternalError": str(error)})


def _encoded(address: str) -> str:
    return base64.urlsafe_b64encode(address.encode()).decode().rstrip("=")
