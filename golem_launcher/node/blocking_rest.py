"""What a node knows, asked over its REST address, the services on its bus among it. Blocking; for nodes elsewhere too.

yagna answers ``POST /_gsb/SERVICE`` with what the service says, a Rust ``Result``. What its command line shows about
payments and identities comes from there.
"""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import NodeRefused
from golem_launcher.node.probe import split_url
from golem_launcher.node.rest import silent, understood
from golem_launcher.text import clean_line

if TYPE_CHECKING:
    from golem_launcher.node.node import Node

_LARGEST_ANSWER = 4 * 1024 * 1024
_LONGEST_REASON = 300


def call(node: Node, service: str, payload: Any, *, seconds: float = 15.0) -> Any:
    """What the service (``local/payment/GetStatus``, say) answers.

    Raises ``NodeUnreachable``, and ``NodeRefused`` with the service's own words when it answers with an error.
    """
    value = _ask(node, "POST", f"/_gsb/{service}", json.dumps(payload), seconds)
    if isinstance(value, dict) and "Ok" in value:
        return value["Ok"]
    raise NodeRefused(_reason(value))


def get(node: Node, path: str, *, seconds: float = 15.0) -> Any:
    """The JSON value at a path of the node's REST service. Raises ``NodeUnreachable`` and ``NodeRefused``."""
    return _ask(node, "GET", path, None, seconds)


def delete(node: Node, path: str, *, seconds: float = 15.0) -> None:
    """Delete what is at a path of the node's REST service. Raises ``NodeUnreachable`` and ``NodeRefused``."""
    _ask(node, "DELETE", path, None, seconds)


def _ask(node: Node, method: str, path: str, body: str | None, seconds: float) -> Any:
    address = split_url(node.api_url)
    kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
    connection = kind(address.hostname or "", address.port, timeout=seconds)
    headers = {"Authorization": f"Bearer {node.app_key}", "Content-Type": "application/json"}
    try:
        connection.request(method, address.path.rstrip("/") + path, body, headers)
        with connection.getresponse() as answer:
            status, data = answer.status, answer.read(_LARGEST_ANSWER)
    except (OSError, http.client.HTTPException) as error:
        raise silent(node.api_url, error) from error
    finally:
        connection.close()
    return understood(node.api_url, f"{method} {path}", status, data)


def _reason(value: Any) -> str:
    """The innermost words of an error."""
    while isinstance(value, dict) and value:
        value = next(iter(value.values()))
    return clean_line(str(value), longest=_LONGEST_REASON)
