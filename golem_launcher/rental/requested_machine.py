"""What a session asks each of its machines to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from golem_launcher.outbound import OutboundRules
    from golem_launcher.permits import Permit
    from golem_launcher.rental.image import SessionImage
    from golem_launcher.request import LaunchRequest


@dataclass(frozen=True)
class RequestedMachine:
    """A size, by the request; an image to boot; what may be reached from it."""

    request: LaunchRequest
    image: SessionImage
    outbound: OutboundRules
    permit: Permit | None
    """What makes providers allow more outbound than they do by themselves."""
