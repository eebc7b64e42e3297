"""The part of a demand that says what is to run: the image, how large a machine, and what it may reach."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from yapapi.payload import vm
from yapapi.payload.package import Package

from golem_launcher import outbound
from golem_launcher.market.requirements import constraints

if TYPE_CHECKING:
    from collections.abc import Mapping

    from golem_launcher.permits import Permit
    from golem_launcher.request import LaunchRequest


def requested_machine(
    request: LaunchRequest,
    image: str,
    *,
    asked: outbound.OutboundRules,
    permit: Permit | None,
    expires: datetime,
) -> Package:
    """What a demand asks to run a session in: an ``image`` as demands name one, a size, a manifest.

    A provider lets programs out only by a manifest, so whatever may be reached is asked for in one, and a ``permit`` of
    the user's is put beside it. A session that may reach nothing has none: a VM without one has no way out at all; one
    with an empty manifest is given a card for the internet, and a look-up of names that it may not survive.
    """
    if not asked.anything:
        return _RequestedMachine(image, constraints(request), {})
    manifest = outbound.manifest(image, asked, now=datetime.now(UTC), expires=expires)
    encoded = outbound.encoded(manifest)
    permits = permit.properties(encoded) if permit else {}
    return _RequestedMachine(image, constraints(request), {outbound.PROPERTY: encoded, **permits})


@dataclass
class _RequestedMachine(Package):
    """An image with a manifest beside it. yapapi's own know no GPU and only signed manifests."""

    url: str
    constraints: str
    properties: Mapping[str, Any]
    """The manifest, where there is one, and what permits it."""

    async def resolve_url(self) -> str:
        """Where the image is, as the demand names it."""
        return self.url

    async def decorate_demand(self, demand: Any) -> None:
        """Say what is wanted, and what it is to run."""
        demand.ensure(self.constraints)
        demand.add(vm.VmRequest(package_url=self.url, package_format=vm.VmPackageFormat.GVMKIT_SQUASH))
        demand.properties.update(self.properties)
