"""The provider's end of Golem's VPN, in user space: Ethernet frames in, sockets out."""

from .bad_line import BadLine, LineRule
from .connection_table import NodeCounters, NodeLimits
from .endpoint import VpnEndpoint

__all__ = ["BadLine", "LineRule", "NodeCounters", "NodeLimits", "VpnEndpoint"]
