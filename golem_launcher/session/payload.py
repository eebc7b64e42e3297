"""The part of a demand that says what is to run: the image, how large a machine, and what it may reach."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from yapapi.payload import vm
from yapapi.payload.package import Package

from golem_launcher import outbound
from golem_launcher.market.requirements import constraints

if TYPE_CHECKING:
    from collections.abc import Mapping

    from golem_launcher.permits import Permit
    from golem_launcher.request import LaunchRequest


async def session_payload(
    request: LaunchRequest,
    image: str,
    *,
    registry_url: str,
    asked: outbound.Access,
    permit: Permit | None,
    expires: datetime,
) -> Package:
    """The payload of a session in ``image``, a tag or a hash that the registry knows.

    A provider lets programs out only by a manifest, so whatever may be reached is asked for in one; a session that may
    reach nothing has one as well, so that every provider agrees on that. A ``permit`` of the user's is put beside it.
    """
    package = await vm.repo(**_image_name(image), repository_url=registry_url)
    package.constraints = constraints(request)  # yapapi's own know no GPU
    manifest = outbound.manifest(await package.resolve_url(), asked, now=datetime.now(timezone.utc), expires=expires)
    encoded = outbound.encoded(manifest)
    return _WithManifest(package, {outbound.PROPERTY: encoded, **(permit.properties(encoded) if permit else {})})


def _image_name(image: str) -> dict[str, str]:
    """How yapapi wants an image named: a tag has a slash, a hash has none."""
    return {"image_tag" if "/" in image else "image_hash": image}


@dataclass
class _WithManifest(Package):
    """A package with a manifest beside it. yapapi's own takes signed ones only, and providers' whitelists need none."""

    package: Package
    properties: Mapping[str, Any]
    """The manifest, and what permits it."""

    async def resolve_url(self) -> str:
        """Where the image is, as the demand names it."""
        return str(await self.package.resolve_url())

    async def decorate_demand(self, demand: Any) -> None:
        """Add what the package says, and the manifest."""
        await self.package.decorate_demand(demand)
        demand.properties.update(self.properties)
