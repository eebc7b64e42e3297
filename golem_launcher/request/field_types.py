"""The types of a request's fields with their bounds; :mod:`checks` has the rules that bounds can't express."""

from __future__ import annotations

import os
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from golem_launcher.paths import NAME_PATTERN
from golem_launcher.request.checks import (
    idle_time,
    known_network,
    known_software,
    known_workload,
    outbound_addresses,
    public_ssh_key,
    requirement_lines,
)

_GENERATION = r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?(@[1-9][0-9]{0,8})?$"
_IMAGE = (
    r"^([A-Za-z0-9][\w.-]*/[\w.-]+(:[\w.-]+)?|[0-9a-f]{56}|[a-z0-9][a-z0-9-]{0,39}"
    r"|hash:sha3:[0-9a-f]{56}:(https?|gftp)://[!-~]+)$"
)


def _several(value: Any) -> Any:
    """One of what a list is made of stands for a list of it, and a path for its words."""
    items = value if isinstance(value, list | tuple) else (value,)
    return tuple(os.fspath(item) if isinstance(item, os.PathLike) else item for item in items)


_Several = BeforeValidator(_several)

Name = Annotated[str, Field(pattern=NAME_PATTERN)]
NetworkName = Annotated[str, AfterValidator(known_network)]
Workload = Annotated[str, AfterValidator(known_workload)]
Software = Annotated[str, AfterValidator(known_software)]
SavedWorkspace = Annotated[str, Field(pattern=_GENERATION)]
"""A workspace's name, or name@generation."""
Image = Annotated[str, Field(pattern=_IMAGE, max_length=400)]
"""A tag or a hash of the registry's, a name of this computer's, or one as demands have it."""
SshKey = Annotated[str, AfterValidator(public_ssh_key)]
Glm = Annotated[Decimal, Field(gt=0, le=100_000, decimal_places=6)]
Hours = Annotated[Decimal, Field(ge=Decimal("0.01"), le=24 * 30, decimal_places=4)]
IdleTime = Annotated[str, AfterValidator(idle_time)]
Text = Annotated[str, Field(min_length=1, max_length=500)]
Lines = Annotated[tuple[Text, ...], _Several, Field(max_length=100)]
Paths = Annotated[tuple[Text, ...], _Several]
Packages = Annotated[tuple[str, ...], _Several, AfterValidator(requirement_lines), Field(max_length=1000)]
Addresses = Annotated[Lines, AfterValidator(outbound_addresses)]
WhenIdle = Literal["stop", "suspend", "release-gpu"]
Choose = Literal["price", "random", "reputation", "speed"]
Outbound = Literal["off", "packages", "listed", "unrestricted"]
