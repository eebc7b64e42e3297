"""The service bus of Golem (GSB): frames, encoding, client."""

from golem_launcher.node.gsb.calls import BusCall, Handler, err, ok
from golem_launcher.node.gsb.client import GsbClient

__all__ = ["BusCall", "GsbClient", "Handler", "err", "ok"]
