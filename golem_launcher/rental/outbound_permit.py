"""What lets a session reach more than everybody's may: the certificate or node descriptor that its request names."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from golem_launcher.outbound import OutboundRules
    from golem_launcher.permits import Permit
    from golem_launcher.request import LaunchRequest


async def permit_of(request: LaunchRequest, outbound_rules: OutboundRules, identity: str) -> Permit | None:
    """The request's permit, checked; ``None`` where it names none or asks for nothing that wants one.

    Raises ``LauncherError`` when it does not hold for these rules, this identity or this moment.
    """
    if not request.outbound_permit or request.outbound not in {"listed", "unrestricted"}:
        return None
    from golem_launcher import permits  # noqa: PLC0415 - cryptography takes a tenth of a second

    permit = await asyncio.to_thread(permits.read, map(Path, request.outbound_permit))
    permit.check(outbound_rules, identity, datetime.now(UTC))
    return permit
