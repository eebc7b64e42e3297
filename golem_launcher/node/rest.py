"""The few REST calls to yagna that the launcher makes itself, typed, each with a deadline.

yapapi makes the rest. Money is ``Decimal`` in GLM; times are aware. Every call raises ``NodeUnreachable`` when the node
does not answer in time, is no yagna or refuses the key, and ``NodeError`` when it answers with another error.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import aiohttp
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from golem_launcher.errors import NodeError
from golem_launcher.node import probe
from golem_launcher.text import clean_line

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from golem_launcher.node.node import Node

_LARGEST_ANSWER = 8 * 1024 * 1024
_LONGEST_REASON = 300
_ERROR = 400


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


_A = TypeVar("_A", bound=_Answer)


class Version(_Answer):
    """Which yagna it is."""

    version: str
    name: str = ""


class Allocation(_Answer):
    """Money set aside."""

    id: str = Field(alias="allocationId")
    total: Decimal = Field(alias="totalAmount")
    spent: Decimal = Field(alias="spentAmount")
    remaining: Decimal = Field(alias="remainingAmount")
    platform: str = Field(default="", alias="paymentPlatform")
    timestamp: AwareDatetime
    timeout: AwareDatetime | None = None


class Agreement(_Answer):
    """A contract with a provider; ``state`` is ``Approved``, ``Terminated``, ``Expired`` and so on."""

    id: str = Field(alias="agreementId")
    state: str
    valid_to: AwareDatetime = Field(alias="validTo")


@dataclass(frozen=True)
class _Reply:
    status: int
    body: bytes


class NodeClient:
    """REST of one node: ``async with NodeClient(node) as client``. ``timeout`` seconds for each call."""

    def __init__(self, node: Node, *, timeout: float = 10.0) -> None:
        self._node = node
        self._timeout = timeout
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        probe.split_url(self._node.api_url)
        headers = {"Authorization": f"Bearer {self._node.app_key}"}
        self._http = aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=self._timeout))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._http is not None:
            await self._http.close()

    async def identity(self) -> str:
        """The node's identity, ``0x…``."""
        reply = await self._ask("GET", "me")
        return probe.read_identity(self._node.api_url, reply.status, reply.body)

    async def version(self) -> Version:
        """The version of the daemon."""
        return self._read(_Versions, await self._ask("GET", "version/get")).current

    async def allocations(self) -> list[Allocation]:
        """All allocations that are not released."""
        reply = await self._ask("GET", "payment-api/v1/allocations")
        return self._read(_Allocations, _Reply(reply.status, b'{"items":' + reply.body + b"}")).items

    async def release_allocation(self, allocation_id: str) -> bool:
        """Give the money back; ``False`` when there is no such allocation (any more)."""
        return self._done(await self._ask("DELETE", f"payment-api/v1/allocations/{_segment(allocation_id)}"))

    async def agreement(self, agreement_id: str) -> Agreement | None:
        """An agreement of ours; ``None`` when the node knows none of that id."""
        reply = await self._ask("GET", f"market-api/v1/agreements/{_segment(agreement_id)}")
        return None if reply.status == HTTPStatus.NOT_FOUND else self._read(Agreement, reply)

    async def terminate_agreement(self, agreement_id: str, reason: str) -> bool:
        """End an agreement; ``False`` when it has ended before or is not known."""
        path = f"market-api/v1/agreements/{_segment(agreement_id)}/terminate"
        body = {"message": reason, "golem.requestor.code": "Cancelled"}
        return self._done(await self._ask("POST", path, body))

    async def destroy_activity(self, activity_id: str) -> bool:
        """Destroy an activity of ours at its provider; ``False`` when it is gone already."""
        return self._done(await self._ask("DELETE", f"activity-api/v1/activity/{_segment(activity_id)}"))

    async def _ask(self, method: str, path: str, body: Any = None) -> _Reply:
        assert self._http is not None, "use it as an async context manager"
        url = f"{self._node.api_url.rstrip('/')}/{path}"
        try:
            async with self._http.request(method, url, json=body, allow_redirects=False) as response:
                data = bytearray()
                async for chunk in response.content.iter_any():
                    data += chunk
                    if len(data) > _LARGEST_ANSWER:
                        raise probe.no_yagna(self._node.api_url)
                reply = _Reply(response.status, bytes(data))
        except asyncio.TimeoutError as error:
            raise probe.silent(self._node.api_url, TimeoutError()) from error
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as error:
            reason = error if isinstance(error, OSError) else ConnectionError(0, "the connection broke")
            raise probe.silent(self._node.api_url, reason) from error
        except (aiohttp.ClientError, ValueError) as error:
            raise probe.no_yagna(self._node.api_url) from error
        if reply.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise probe.refused(self._node.api_url)
        return reply

    def _done(self, reply: _Reply) -> bool:
        if reply.status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE, HTTPStatus.CONFLICT}:
            return False
        if reply.status >= _ERROR:
            raise self._error(reply)
        return True

    def _read(self, model: type[_A], reply: _Reply) -> _A:
        if reply.status >= _ERROR:
            raise self._error(reply)
        try:
            return model.model_validate_json(reply.body)
        except ValidationError as error:
            raise probe.no_yagna(self._node.api_url) from error

    def _error(self, reply: _Reply) -> NodeError:
        try:
            reason = _Problem.model_validate_json(reply.body).message
        except ValidationError:
            reason = reply.body[:_LONGEST_REASON].decode(errors="replace")
        shown = clean_line(reason, longest=_LONGEST_REASON) or "no reason given"
        return NodeError(f"The node at {self._node.api_url} answered with error {reply.status}: {shown}")


class _Versions(_Answer):
    current: Version


class _Allocations(_Answer):
    items: list[Allocation]


class _Problem(_Answer):
    message: str


def _segment(identifier: str) -> str:
    return quote(identifier, safe="")
