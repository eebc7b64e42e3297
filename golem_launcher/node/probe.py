"""Ask an address whether a yagna answers there and accepts a key. Blocking."""

from __future__ import annotations

import http.client
import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from golem_launcher.errors import NodeUnreachable
from golem_launcher.node.clock_check import ahead_of
from golem_launcher.node.rest import key_refused, silent
from golem_launcher.text import clean_line

if TYPE_CHECKING:
    from golem_launcher.node.node import Node

_LARGEST_ANSWER = 65536
_IDENTITY = re.compile(r"0x[0-9a-fA-F]{40}")


def identity(node: Node, *, timeout: float = 5.0) -> str:
    """The node's identity (``0x…``), asked for with its key.

    Raises ``NodeUnreachable`` when nobody answers within ``timeout`` seconds, when who answers is no yagna, or when it
    refuses the key.
    """
    address, connection = _connection(node, timeout)
    try:
        headers = {"Authorization": f"Bearer {node.app_key}"}
        connection.request("GET", f"{address.path.rstrip('/')}/me", headers=headers)
        with connection.getresponse() as answer:
            return _read_identity(node.api_url, answer.status, answer.read(_LARGEST_ANSWER))
    except UnicodeEncodeError:
        raise key_refused(node.api_url) from None
    except OSError as error:
        raise silent(node.api_url, error) from error
    except (http.client.HTTPException, ValueError) as error:
        raise _no_yagna(node.api_url) from error
    finally:
        connection.close()


def clock_ahead(node: Node, *, timeout: float = 5.0) -> float | None:
    """How many seconds this computer's clock is ahead of the node's; ``None`` when it does not say the time."""
    address, connection = _connection(node, timeout)
    try:
        connection.request("GET", f"{address.path.rstrip('/')}/version/get")
        with connection.getresponse() as answer:
            return ahead_of(answer.getheader("Date"))
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


def _connection(node: Node, timeout: float) -> tuple[SplitResult, http.client.HTTPConnection]:
    address = split_url(node.api_url)
    kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
    return address, kind(address.hostname or "", address.port, timeout=timeout)


def split_url(api_url: str) -> SplitResult:
    """The parts of a node's address; ``NodeUnreachable`` when it is no http address."""
    try:
        address = urlsplit(api_url)
        if address.scheme in {"http", "https"} and address.hostname and address.port != 0:
            return address
    except ValueError:
        pass
    raise NodeUnreachable(
        f"The node's address {clean_line(api_url, longest=200)!r} is no http address.",
        "Set YAGNA_API_URL to something like http://127.0.0.1:7465",
    )


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
