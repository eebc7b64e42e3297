"""The machines that fit a request as rows of a table: what each costs for it, what it has, what is known of it.

Pure: machines and what is remembered of providers in, JSON values out. Every text in them is cleaned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from golem_launcher.market.history import ProviderRecord
from golem_launcher.units import coins_at_a_glance, counted, number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from golem_launcher.market.offered_machine import OfferedMachine
    from golem_launcher.market.scan import Offer
    from golem_launcher.request import LaunchRequest

ROWS_AT_MOST = 200
"""Of a market's machines, those that are taken first."""


def machine_rows(
    request: LaunchRequest,
    found: Sequence[OfferedMachine],
    known: Mapping[str, ProviderRecord],
    held: Mapping[str, str],
    scores: Mapping[str, float],
) -> list[dict[str, Any]]:
    """The machines that fit whatever ``request`` says of allowed providers, in the order in which they are taken.

    ``known`` is what is remembered of providers, ``held`` are the user's own sessions by the ids of those whose
    machines they have, ``scores`` is what others say of providers. Whom the user allowed by a name has those words
    as ``by``.
    """
    from golem_launcher.market.scan import judged  # noqa: PLC0415 - not needed to show the page

    others = request.model_copy(update={"allow": ()})
    fitting = judged(others, found, known, held).fitting[:ROWS_AT_MOST]
    return [
        _row(
            request,
            offer,
            known.get(offer.machine.provider_id, ProviderRecord()),
            scores.get(offer.machine.provider_id),
        )
        for offer in fitting
    ]


def _row(request: LaunchRequest, offer: Offer, record: ProviderRecord, score: float | None) -> dict[str, Any]:
    machine = offer.machine
    return {
        "id": machine.provider_id,
        "name": machine.name,
        "by": [word for word in request.allow if machine.is_allowed_by(word)],
        "price": coins_at_a_glance(offer.whole),
        "cost": float(offer.whole),
        "beyond": offer.whole > request.budget,
        "cpus": machine.cpus,
        "memory": machine.memory_gib,
        "disk": machine.disk_gib,
        "gpus": machine.gpus,
        "sizes": [number(round(size, 1)) for size in (machine.cpus, machine.memory_gib, machine.disk_gib)],
        "gpu": _gpu(machine),
        "tried": record.agreements,
        "went_well": record.reputation,
        "record": _record(record),
        "score": score,
        "place": machine.place,
        "speed": offer.speed,
        "seen": record.seen_at.isoformat() if record.seen_at else None,
        "note": f"Failed lately: {offer.note}" if offer.note else "",
    }


def _gpu(machine: OfferedMachine) -> str:
    if not machine.gpus:
        return ""
    model = machine.gpu_model or "GPU"
    return f"{machine.gpus} of {model}" if machine.gpus > 1 else model


def _record(record: ProviderRecord) -> str:
    if not record.agreements:
        return "not tried yet"
    well = record.agreements - min(record.failures, record.agreements)
    return f"{well:,} of {counted(record.agreements, 'session')} went well"
