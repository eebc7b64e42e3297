"""Checks whether a yagna answers at an address and accepts a key. Blocking."""

from __future__ import annotations

import http.client
import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from golem_launcher.errors import NodeUnreachable
from golem_launcher.node.clock_check import ahead_of
from golem_launcher.node.rest_client import BlockingRest, key_refused, silent

if TYPE_CHECKING:
    from golem_launcher.node.node import Node

_LARGEST_ANSWER = 65536
_IDENTITY = re.compile(r"0x[0-9a-fA-F]{40}")


def identity(node: Node, *, timeout: float = 5.0) -> str:
    """The node's identity (``0x…``), asked for with its key.

    Raises ``NodeUnreachable`` when nobody answers within ``timeout`` seconds, when who answers is no yagna, or when it
    refuses the key.
    """
    try:
        answer = BlockingRest(node, seconds=timeout).answer("GET", "/me", most=_LARGEST_ANSWER)
    except UnicodeEncodeError:
        raise key_refused(node.api_url) from None
    except OSError as error:
        raise silent(node.api_url, error) from error
    except (http.client.HTTPException, ValueError) as error:
        raise _no_yagna(node.api_url) from error
    return _read_identity(node.api_url, answer.status, answer.body)


def clock_ahead(node: Node, *, timeout: float = 5.0) -> float | None:
    """How many seconds this computer's clock is ahead of the node's; ``None`` when it does not say the time."""
    try:
        return ahead_of(BlockingRest(node, seconds=timeout).answer("GET", "/version/get").date)
    except (OSError, http.client.HTTPException, ValueError):
        return None


def _read_identity(api_url: str, status: int, body: bytes) -> str:
    """The identity in an answer to ``GET /me``; ``NodeUnreachable`` when it is refused or no such answer."""
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        raise key_refused(api_url)
    try:
        found = json.loads(body)["identity"] if status == HTTPStatus.OK else None
    except (ValueError, TypeError, LookupError, RecursionError):
        found = None
    if not isinstance(found, str) or not _IDENTITY.fullmatch(found):
        raise _no_yagna(api_url)
    return found


def _no_yagna(api_url: str) -> NodeUnreachable:
    """Something else answers at the address."""
    return NodeUnreachable(
        f"What answers at {api_url} is not a yagna.", "Set YAGNA_API_URL to the address of your node's REST service."
    )
