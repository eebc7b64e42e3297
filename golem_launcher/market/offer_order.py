"""In which order machines that fit are taken: one rule for sessions, and for all who say beforehand what one costs."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from golem_launcher.market.limit_advice import gpus_wanted
from golem_launcher.market.prices import SECONDS_PER_HOUR

if TYPE_CHECKING:
    from golem_launcher.market.history import ProviderRecord
    from golem_launcher.market.offered_machine import OfferedMachine
    from golem_launcher.request import LaunchRequest

UNKNOWN_REPUTATION = 0.5

NEARLY = Decimal("1.15")
"""Machines that cost at most so many times as much as the cheapest are taken at random: a cheap one that swallows every
agreement and never works would else be everybody's first choice."""
USUAL_CORE = 20e6
"""Bytes a second that a core packs in a benchmark: an ordinary one of a server."""
_BEFORE_CORES = 1e6
_AFTER_FAILURE = 0.1
"""Who failed of late is taken only before those that cost ten times as much."""


def worth(
    request: LaunchRequest,
    machine: OfferedMachine,
    record: ProviderRecord | None,
    *,
    luck: float = 0.0,
    reputation: float = UNKNOWN_REPUTATION,
) -> float:
    """The rank of a machine that fits: of several, the one with the highest is taken first. Never negative.

    Sessions call it for each offer that comes, the page and ``offers`` for those of a scan. ``record``: what is
    remembered of the provider; ``luck``: a session's random number for it, 0 to 1 (a scan has the same for all);
    ``reputation``: what others say of it, 0 to 1.
    """
    own = _worth(request, machine, record, luck, reputation)
    return own * _AFTER_FAILURE if record is not None and record.failed_lately() else own


def cost(request: LaunchRequest, machine: OfferedMachine) -> Decimal:
    """What a machine costs for the whole time that is asked for."""
    return machine.price.at_most(float(request.hours) * SECONDS_PER_HOUR)


def core_speed(record: ProviderRecord | None) -> float | None:
    """How fast one core of a provider's machine was when it was measured last, with a usual one as 1."""
    known = record.benchmark if record is not None else None
    return None if known is None else known.core_rate / USUAL_CORE


def speed(request: LaunchRequest, machine: OfferedMachine, record: ProviderRecord | None) -> float:
    """How fast a machine is: in cores, as they usually are; where a GPU is wanted, those whose GPU is known come first.

    Of one that was not measured each thread of its offer counts as such a core.
    """
    known = record.benchmark if record is not None else None
    cores = machine.cpus if known is None else known.cores_rate / USUAL_CORE
    if not gpus_wanted(request) or known is None or known.gpu_tflops is None:
        return cores
    return _BEFORE_CORES * (1 + known.gpu_tflops)


def _worth(
    request: LaunchRequest, machine: OfferedMachine, record: ProviderRecord | None, luck: float, reputation: float
) -> float:
    if request.choose == "random":
        return luck
    cheap = 1 / (float(Decimal("0.0001") + cost(request, machine)) * (1 + float(NEARLY - 1) * luck))
    if request.choose == "price":
        return cheap
    if request.choose == "speed":
        return speed(request, machine, record) + cheap / (1e6 + cheap)
    own = record.reputation if record is not None else UNKNOWN_REPUTATION
    return own + reputation + cheap / (1e6 + cheap)
