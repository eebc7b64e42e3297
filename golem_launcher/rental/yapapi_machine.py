"""The part of a demand that says which machine is wanted, as yapapi publishes it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from yapapi.payload import vm
from yapapi.payload.package import Package

from golem_launcher import outbound
from golem_launcher.market.demand_constraints import constraints
from golem_launcher.rental.timeouts import REST_SECONDS
from golem_launcher.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from golem_launcher.rental.requested_machine import RequestedMachine


async def machine_for_demand(machine: RequestedMachine, expires: datetime) -> Package:
    """What a demand for such a machine says, until it ``expires``: called for each demand that is published.

    A provider lets programs out only by a manifest, so whatever may be reached is asked for in one, and a permit of
    the user's is put beside it. A session that may reach nothing has none: a VM without one has no way out at all; one
    with an empty manifest is given a card for the internet, and a look-up of names that it may not survive. Raises
    what :meth:`SessionImage.task_package` raises.
    """
    image = await wait_for(machine.image.task_package(), REST_SECONDS)
    wanted = constraints(machine.request)
    if not machine.outbound.anything:
        return _DemandedMachine(image, wanted, {})
    manifest = outbound.manifest(image, machine.outbound, now=datetime.now(UTC), expires=expires)
    encoded = outbound.encoded(manifest)
    permits = machine.permit.properties(encoded) if machine.permit else {}
    return _DemandedMachine(image, wanted, {outbound.PROPERTY: encoded, **permits})


@dataclass
class _DemandedMachine(Package):
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
