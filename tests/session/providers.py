"""What a provider of the local network does of its own accord."""

import asyncio
import json
import threading
import urllib.request

from golem_launcher.localnet.accounts import ensure_accounts
from golem_launcher.node.gsb import GsbClient
from tests.patience import slower


def keys(network, count):
    """The key of each provider's identity."""

    async def ask():
        async with await GsbClient.connect(network.state["daemons"]["provider"]["gsb_url"]) as bus:
            accounts, _ = await ensure_accounts(bus, count)
            return {account.node_id: account.app_key for account in accounts}

    found = {}
    thread = threading.Thread(target=lambda: found.update(asyncio.run(ask())))  # this one may have a loop: Playwright's
    thread.start()
    thread.join()
    return found


def terminate(network, keys, machine, code="Shutdown"):
    """End the agreement of a session's machine, as its provider, for that reason."""
    url = network.state["daemons"]["provider"]["api_url"]
    urllib.request.urlopen(
        urllib.request.Request(
            f"{url}/market-api/v1/agreements/{machine.agreement_id}/terminate",
            data=json.dumps({"message": "no more", "golem.provider.code": code}).encode(),
            headers={"Authorization": f"Bearer {keys[machine.provider_id]}", "Content-Type": "application/json"},
            method="POST",
        ),
        timeout=20 * slower(),
    ).close()
