"""Goes on using a provider's private network that the node forgot when it was started anew.

yagna keeps private networks in its memory alone and gives each a new id, while the provider's end lives on under the
old one. So the node makes a new network, and the two are spliced on the bus:

* The bus finds a service by the longest registered beginning of an address. The node is told that the provider's id is
  ``<provider>/vpn/<old>/raw``, so that frames of the new network travel to ``…/vpn/<old>/raw/vpn/<new>/raw``, which the
  provider's end takes as its own.
* What the provider sends to the old network arrives at our node's bus, where nobody knows it any more: it is taken
  there and handed to the new one.

Whether it works is seen by asking what runs there; where it does not, another provider takes over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from golem_launcher.node.gsb import GsbClient
from golem_launcher.node.gsb.calls import ok

if TYPE_CHECKING:
    from golem_launcher.node.gsb.calls import BusCall


def remote_end(provider_id: str, old_network: str) -> str:
    """As whose address the new network sends to the provider's end of the old one."""
    return f"{provider_id}/vpn/{old_network}/raw"


class RejoinedNetwork:
    """Hands what comes for a forgotten network to the one in its place. ``open`` once, ``aclose`` once."""

    def __init__(self, bus: GsbClient, new_network: str) -> None:
        self._bus = bus
        self._address = f"/public/vpn/{new_network}/raw"

    @classmethod
    async def open(cls, gsb_url: str, *, old_network: str, new_network: str) -> RejoinedNetwork:
        """Take the old network's place on the node's bus. Raises ``BusError``."""
        bus = await GsbClient.connect(gsb_url)
        splice = cls(bus, new_network)
        try:
            await bus.register(f"/public/vpn/{old_network}", splice._pass_on)
        except BaseException:
            await bus.aclose()
            raise
        return splice

    async def aclose(self) -> None:
        """Let go of it."""
        await self._bus.aclose()

    def _pass_on(self, call: BusCall) -> bytes:
        self._bus.post(self._address, call.data, caller=call.caller)
        return ok()
