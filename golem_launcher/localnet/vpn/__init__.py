"""The provider's end of Golem's VPN, in user space: Ethernet frames in, sockets out."""

from .endpoint import VpnEndpoint
from .link import BadLine, LineRule
from .table import Counters, Limits

__all__ = ["BadLine", "Counters", "Limits", "LineRule", "VpnEndpoint"]
