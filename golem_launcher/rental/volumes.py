"""The volumes that a session asks its provider for: the workspace on a disk of its own, where the runtime has such.

Directories of the provider's disk come into Golem's VM by 9p, which lacks much of what programs do with files. Its
runtime makes disks (``storage``, ext2) since 0.5. Transfers go to and from directories alone, so one is always there.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from golem_launcher.untrusted_json import number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from golem_launcher.rental.activity_spec import ActivitySpec

_VERSION = re.compile(r"(\d{1,6})\.(\d{1,6})(\.|$)")
_FIRST_WITH_DISKS = (0, 5)
_ROOMY_GIB = 8.0
"""Packages go to the disk too: this much is asked for where the provider offers it; to format more would take time."""
_MEBIBYTES = 1024


def has_disks(properties: Mapping[str, Any]) -> bool:
    """Whether the runtime of an offer's ``properties`` makes disks."""
    found = _VERSION.match(str(properties.get("golem.runtime.version")))
    return found is not None and (int(found[1]), int(found[2])) >= _FIRST_WITH_DISKS


def volumes(spec: ActivitySpec, properties: Mapping[str, Any]) -> Any:
    """What ``deploy`` is to say of volumes to the provider with an offer's ``properties``."""
    shipment = spec.shipment
    if not has_disks(properties):
        return [shipment.workspace, shipment.run]
    roomy = min(number(properties.get("golem.inf.storage.gib")) or 0.0, _ROOMY_GIB)
    size = math.ceil(max(spec.disk_gib, roomy) * _MEBIBYTES)
    return {shipment.workspace: {"storage": {"size": f"{size}mib"}}, shipment.run: {"host": {}}}
