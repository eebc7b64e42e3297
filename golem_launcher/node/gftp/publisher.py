"""Publishes files on the local bus, or through yagna's REST API when the node is on another machine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from golem_launcher.errors import BusError, BusProtocolError
from golem_launcher.node.gftp.wire import LARGEST_CHUNK, GftpError, local_address
from golem_launcher.node.gsb import BusCall, GsbClient, err, ok
from golem_launcher.node.gsb.client import DEFAULT_PORT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from golem_launcher.node.gftp.files import FileService


class Publisher(Protocol):
    """Offers services under names; knows the node they belong to."""

    largest_chunk: int
    """Bytes of the largest chunk that may be given to a peer."""
    node_id: str

    @property
    def connected(self) -> bool:
        """Whether what was offered still is."""

    async def offer(self, name: str, service: FileService) -> None:
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

    @property
    def connected(self) -> bool:
        """Whether the bus is still there."""
        return not self.bus.closed.is_set()

    async def offer(self, name: str, service: FileService) -> None:
        """Register the file's service on the bus. Raises ``BusError``."""
        prefix = local_address(name)

        async def answer(call: BusCall) -> bytes:
            try:
                if call.address != f"{prefix}/{call.component}":
                    raise GftpError("There is nothing at this address.")  # noqa: TRY301
                await self.bus.drained()  # a peer that asks but does not read fills no memory
                return ok(await service.answer(call.component, call.payload(), call.caller))
            except (GftpError, BusProtocolError) as error:
                return _refusal(error)

        await self.bus.register(prefix, answer)

    async def withdraw(self, name: str) -> None:
        """Unregister the file's service, so that nobody fetches it any more. Raises ``BusError``."""
        await self.bus.unregister(local_address(name))

    async def aclose(self) -> None:
        """End the connection; the bus forgets its services with it."""
        await self.bus.aclose()


async def connect(environment: Mapping[str, str] = os.environ) -> Publisher:
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
    from golem_launcher.node.gftp.rest_publisher import RestPublisher  # noqa: PLC0415 - half of this program's start

    return await RestPublisher.connect(api_url, app_key)


def _refusal(error: BusError) -> bytes:
    return err(error.to_wire() if isinstance(error, GftpError) else {"InternalError": str(error)})
