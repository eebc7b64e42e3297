"""The providers' accounts: one identity and one app-key each, all in one yagna, opened for payments."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from golem_launcher.localnet.keystore import new_keystore

if TYPE_CHECKING:
    from collections.abc import Iterable

    from golem_launcher.node.gsb import GsbClient

_RECEIVE = 1
_SEND = 2


@dataclass(frozen=True)
class ProviderAccount:
    """An identity of a yagna and the key to act as it."""

    node_id: str
    app_key: str = field(repr=False)


async def ensure_accounts(bus: GsbClient, count: int) -> tuple[list[ProviderAccount], bool]:
    """The first ``count`` provider accounts of a yagna, and whether some are new.

    A new identity is known to the network only after the daemon started again. The first provider is the daemon's own
    identity.
    """
    infos = await bus.call("/local/identity/List", {})
    own = next(info["nodeId"] for info in infos if info["isDefault"])
    known = {"provider-1": own, **{info["alias"]: info["nodeId"] for info in infos if info["alias"]}}
    accounts, new = [], False
    for alias in (f"provider-{number}" for number in range(1, count + 1)):
        node_id = known.get(alias)
        if node_id is None:
            new = True
            made = await bus.call("/local/identity/CreateGenerated", {"alias": alias, "fromKeystore": new_keystore()})
            node_id = made["nodeId"]
        # Asking again for a key of the same name gives the same key.
        key = {"name": alias, "role": "manager", "identity": node_id, "allowOrigins": []}
        accounts.append(ProviderAccount(str(node_id), str(await bus.call("/local/appkey/Create", key))))
    return accounts, new


async def open_payments(
    bus: GsbClient, node_ids: Iterable[str], networks: Iterable[str], *, sends: bool = False
) -> None:
    """Register payment accounts with the daemon's driver, which forgets them when it ends."""
    mode = {"bits": _SEND if sends else _RECEIVE}
    inits: list[dict[str, Any]] = [
        {"address": node_id, "network": network, "token": None, "mode": mode}
        for node_id in node_ids
        for network in networks
    ]
    await asyncio.gather(*(bus.call("/local/driver/erc20/Init", init) for init in inits))
