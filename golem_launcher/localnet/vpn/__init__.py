"""The provider's end of Golem's VPN, in user space: Ethernet frames in, sockets out."""

from .bad_line import BadLine, LineRule
from .connection_table import Counters, Limits
from .endpoint import VpnEndpoint

__all__ = ["BadLine", "Counters", "Limits", "LineRule", "VpnEndpoint"]
