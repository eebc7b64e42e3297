"""What a session sends to a provider, and what it knows of the one that took it. Imports nothing of yapapi."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from golem_launcher.workload.shipment import Shipment


@dataclass(frozen=True)
class ActivitySpec:
    """What to put into an activity and how to start it there."""

    workload: str
    """What it is called to people."""
    needs: str
    """What it takes of an image beside a shell and Python, as people read it; may be empty."""
    shipment: Shipment
    disk_gib: float
    """Room that was asked for, in the workspace's volume."""
    image_is_known: bool = False
    """Whether the image has all that is needed, whatever a provider says: it was made here, or a session ran in it."""


@dataclass(frozen=True)
class Rented:
    """A provider in whose activity the workload runs."""

    provider_id: str
    provider_name: str
    """Cleaned."""
    agreement_id: str
    activity_id: str
    ip: str
    """Its address in the private network."""
    network_id: str
    """The private network's, as our node calls it."""
    own_disk: bool = True
    """Whether the workspace is a disk, and no directory of the provider's."""
    first_network_id: str = ""
    """The private network's as the provider's end calls it, where our node was started anew since."""
