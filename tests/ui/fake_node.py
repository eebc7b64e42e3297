"""A node on a real network as the page meets it, answering in the shapes that yagna 0.17 was recorded with."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from golem_launcher import files, paths
from tests.market.offer import offer
from tests.market.test_outside import ME, PAYMENT, STATUS

if TYPE_CHECKING:
    from collections.abc import Iterator

_PRICES = (0.021, 0.024, 0.024, 0.026, 0.03, 0.03, 0.031, 0.035, 0.04, 0.042, 0.05, 0.055, 0.08, 0.11)
_KEYSTORE = json.dumps({"address": ME[2:], "crypto": {"cipher": "aes-128-ctr"}, "version": 3})


def offers(platform: str) -> list[dict[str, Any]]:
    takes = {f"golem.com.payment.platform.{platform}.address": "0x" + "cd" * 20}
    return [
        offer(f"node-{number}", price, provider_id=f"0x{number:040x}", **takes) for number, price in enumerate(_PRICES)
    ]


def answers_of(network: str = "polygon", token: str = "GLM", gas: str = "POL", **status: Any) -> dict[str, Any]:
    """What a node with a filled wallet says, by path; ``status`` overrides what it says of the wallet."""
    platform = f"erc20-{network}-{token.lower()}"
    paid = {**PAYMENT, "paymentPlatform": platform}
    coins = {"currency_short_name": gas, "currency_long_name": gas, "balance": "0.82"}
    return {
        "/me": {"identity": ME},
        "/_gsb/local/driver/erc20/Init": {"Ok": {}},
        "/_gsb/local/driver/erc20/Fund": {"Ok": f"Received 0.01 {gas} and minted 1000 {token}"},
        "/_gsb/local/payment/GetStatus": {"Ok": {**STATUS, "amount": "12.5", "gas": coins, **status}},
        "/_gsb/local/identity/GetKeyFile": {"Ok": _KEYSTORE},
        "/payment-api/v1/allocations": [{"allocationId": "a", "paymentPlatform": platform, "remainingAmount": "1.25"}],
        "/payment-api/v1/payments": [paid, {**paid, "amount": "0.5", "timestamp": "2026-11-19T08:30:00Z"}],
        "/market-api/v1/scan": "scan",
        "/market-api/v1/scan/scan": None,
        "/market-api/v1/scan/scan/events": offers(platform),
        "/market-api/v1/demands": "demand",
        "/market-api/v1/demands/demand": None,
    }


@contextmanager
def fake_node(answers: dict[str, Any]) -> Iterator[None]:
    """Serve ``answers``, which may change meanwhile, and make that the launcher's node. A set event holds one back."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.split("?")[0]
            value = answers.get(path)
            if isinstance(value, threading.Event):
                value.wait(30)
                value = answers.get(f"{path} then")
            body = json.dumps(value).encode()
            self.send_response(200 if path in answers else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - the library's names

        def log_message(self, *_: Any) -> None:
            pass

    remembered = paths.home() / "named-node.json"
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        files.write_json(remembered, {"api_url": f"http://127.0.0.1:{running.server_port}", "app_key": "fake-key"})
        try:
            yield
        finally:
            remembered.unlink()
            for value in answers.values():
                if isinstance(value, threading.Event):
                    value.set()
            running.shutdown()
            thread.join()
