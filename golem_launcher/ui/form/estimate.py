"""Estimates a request's cost from the current offers: machines that fit, prices, limits to loosen.

Pure: machines and a request in, what the page shows out. Prices are at full load, the most that an hour can cost.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from golem_launcher.market.limit_advice import rounded_up, why_not
from golem_launcher.market.quote import first_taken, lasts_at, seconds_of, whole_cost
from golem_launcher.networks import NETWORKS
from golem_launcher.ui.form.machine_rows import machine_rows
from golem_launcher.units import coins_at_a_glance, counted, duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from decimal import Decimal

    from golem_launcher.market.history import ProviderRecord
    from golem_launcher.market.offered_machine import OfferedMachine
    from golem_launcher.request import LaunchRequest

_BARS = 16
_HOUR = 3600.0
_YEAR = 365 * 24
_NAMED = 3
"""Of the user's own sessions, or of machines."""


def estimate(
    request: LaunchRequest,
    found: Sequence[OfferedMachine],
    known: Mapping[str, ProviderRecord] | None = None,
    held: Mapping[str, str] | None = None,
    scores: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """What the page says of ``request`` when ``found`` is on offer, as its script takes it.

    ``known`` is what is remembered of providers, ``held`` are the user's own sessions by the ids of the providers whose
    machines they have, ``scores`` is what others say of providers, 0 to 1.
    """
    from golem_launcher.market.scan import judged  # noqa: PLC0415 - not needed to show the page

    token = NETWORKS[request.network].token
    known, held = known or {}, held or {}
    offers = judged(request, found, known, held)
    fitting = [offer.machine for offer in offers.fitting]
    if not found:
        return {
            "state": "empty",
            "headline": "No machine is on offer.",
            "short": "None on offer",
            "hint": "Offers come and go, and spread slowly: look again in a minute, or choose another network.",
        }
    if not fitting:
        own = judged(request, [machine for machine in found if machine.provider_id in held], known, {}).fitting
        return {
            "state": "unfit",
            **(_all_held(held[offer.machine.provider_id] for offer in own) if own else _none_fits(len(found))),
            "loosen": [asdict(advice) for advice in offers.advice],
        }
    prices = sorted(machine.price.per_hour() for machine in fitting)
    taken = first_taken(request, offers)
    chosen = [offer.machine for offer in taken]
    dearer = offers.left_for_last(taken)
    whole = whole_cost(request, chosen)
    several = f" of {counted(len(chosen), 'machine')}" if request.machines_paid > 1 else ""
    where = f"at {', '.join(machine.name for machine in chosen[:_NAMED])}" if dearer else "at the best price"
    return {
        "state": "fits",
        "headline": _headline(request, len(fitting)),
        "range": _range(prices, token),
        "short": f"{coins_at_a_glance(whole)} {token} for {duration(seconds_of(request))}",
        "rows": [
            [f"{duration(seconds_of(request))}{several} {where}", f"{coins_at_a_glance(whole)} {token}"],
            *_standby_rows(request, chosen, token),
            ["Never more than the budget", f"{coins_at_a_glance(request.budget)} {token}"],
            ["Which would last", _long(lasts_at(request.budget, chosen))],
        ],
        "hint": " ".join(filter(None, (*dearer[:1], _warning(request, whole, token, len(chosen))))),
        "bars": _bars(request, found),
        "token": token,
        "time": duration(seconds_of(request)),
        "best": [machine.name for machine in chosen],
        "machines": machine_rows(request, found, known, held, scores or {}),
    }


def _none_fits(on_offer: int) -> dict[str, str]:
    return {
        "headline": "No machine fits.",
        "short": "None fits",
        "hint": f"{counted(on_offer, 'machine')} on offer.",
    }


def _all_held(holders: Iterable[str]) -> dict[str, str]:
    """``holders``: the user's own sessions that have the machines that fit."""
    names = sorted(set(holders))
    more = f" and {counted(len(names) - _NAMED, 'other')}" if len(names) > _NAMED else ""
    return {
        "headline": "Your own sessions use all machines that fit.",
        "short": "None free",
        "hint": f"Running here already: {', '.join(names[:_NAMED])}{more}. End one of them, or choose another network.",
    }


def _headline(request: LaunchRequest, fitting: int) -> str:
    """How many fit; of those that the user picked by their ids, how many are picked: the others are shown as well."""
    if request.allow:
        return counted(fitting, "machine picked", "machines picked")
    return counted(fitting, "machine fits", "machines fit")


def _warning(request: LaunchRequest, whole: Decimal, token: str, providers: int) -> str:
    if providers < request.machines_wanted:
        return f"{request.machines_wanted} machines are wanted, each of another provider: the others are waited for."
    if providers < request.machines_paid:
        return "No machine of another owner fits for the standby: it is waited for, and paid once there is one."
    if whole <= request.budget:
        return ""
    return f"The budget does not last for the whole time: that takes {coins_at_a_glance(rounded_up(whole))} {token}."


def _bars(request: LaunchRequest, found: Sequence[OfferedMachine]) -> dict[str, Any]:
    """How many of the machines to choose from ask how much: equal steps from the lowest to the highest price."""
    others = request.model_copy(update={"allow": ()})
    prices = sorted(machine.price.per_hour() for machine in found if not why_not(others, machine))
    low, high = prices[0], prices[-1]
    counts = [0] * (_BARS if high > low else 1)
    for price in prices:
        place = int((price - low) / (high - low) * len(counts)) if high > low else 0
        counts[min(place, len(counts) - 1)] += 1
    token = NETWORKS[request.network].token
    words = f"Prices of {counted(len(prices), 'machine')}: {_range(prices, token)}."
    return {"counts": counts, "low": coins_at_a_glance(low), "high": coins_at_a_glance(high), "words": words}


def _range(prices: Sequence[Decimal], token: str) -> str:
    low, high = coins_at_a_glance(prices[0]), coins_at_a_glance(prices[-1])
    return f"{low} {token} an hour" if low == high else f"{low} to {high} {token} an hour"


def _standby_rows(request: LaunchRequest, chosen: Sequence[OfferedMachine], token: str) -> list[list[str]]:
    """What a standby costs, which is the last of the machines."""
    if not request.standby or len(chosen) < request.machines_paid:
        return []
    return [["Of that for the standby, an hour", f"{coins_at_a_glance(chosen[-1].price.per_hour())} {token}"]]


def _long(hours: float) -> str:
    return "over a year" if hours > _YEAR else duration(hours * _HOUR)
