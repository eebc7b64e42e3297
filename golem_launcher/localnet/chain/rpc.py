"""A small JSON-RPC client for EVM nodes. Blocking."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any
from urllib.parse import urlsplit

from golem_launcher.errors import LocalNetError
from golem_launcher.untrusted_text import clean_line, sentence

_SECONDS = 10.0
_POLL_SECONDS = 0.05
_LARGEST_ANSWER = 4 * 1024 * 1024
_LONGEST_REASON = 300


def call(url: str, method: str, *parameters: Any) -> Any:
    """The result of one call. Raises ``LocalNetError`` when the node does not answer, or answers with an error."""
    address = urlsplit(url)
    kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters})
    try:
        connection = kind(address.hostname or "", address.port, timeout=_SECONDS)
        try:
            path = (address.path or "/") + (f"?{address.query}" if address.query else "")
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            with connection.getresponse() as answer:
                value = json.loads(answer.read(_LARGEST_ANSWER))
        finally:
            connection.close()
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = clean_line(str(error) or type(error).__name__, longest=_LONGEST_REASON)
        raise LocalNetError(
            f"The chain's node at {address.scheme}://{address.netloc} does not answer as one: {reason}.",
            "See whether it runs, and that this is its JSON-RPC address.",
        ) from None
    if isinstance(value, dict) and value.get("error") is None and "result" in value:
        return value["result"]
    refusal = value.get("error") if isinstance(value, dict) else value
    said = refusal.get("message") if isinstance(refusal, dict) else refusal
    raise LocalNetError(
        sentence(f"The chain's node refused {method}: {clean_line(str(said), longest=_LONGEST_REASON)}")
    )


def number(url: str, method: str, *parameters: Any) -> int:
    """The result of a call that is a number in hexadecimal digits."""
    value = call(url, method, *parameters)
    try:
        return int(value, 16)
    except (TypeError, ValueError):
        raise LocalNetError(f"The chain's node answered {method} with something that is no number.") from None


def send(url: str, transaction: dict[str, str], *, seconds: float = 30.0) -> dict[str, Any]:
    """Send a transaction from an account that the node holds unlocked; its receipt. Raises ``LocalNetError``."""
    identifier = call(url, "eth_sendTransaction", transaction)
    end = time.monotonic() + seconds
    while True:
        receipt = call(url, "eth_getTransactionReceipt", identifier)
        if isinstance(receipt, dict):
            break
        if time.monotonic() > end:
            raise LocalNetError(
                f"The chain has not taken a transaction up within {seconds:.0f} s.", "See whether its node mines."
            )
        time.sleep(_POLL_SECONDS)
    if receipt.get("status") != "0x1":
        raise LocalNetError(f"The chain took the transaction {identifier} up, and it failed there.")
    return receipt
