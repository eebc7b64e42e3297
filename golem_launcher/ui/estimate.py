"""What a request will cost, by what is on offer now: how many machines fit, what they ask, and what to loosen.

Pure: machines and a request in, what the page shows out. Prices are at full load, the most that an hour can cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from golem_launcher.networks import NETWORKS
from golem_launcher.request.yaml import number
from golem_launcher.session.choice import SHORTEST_USEFUL_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from golem_launcher.request import LaunchRequest
    from golem_launcher.ui.machines import Machine

_BARS = 16
_HOUR = 3600.0
_YEAR = 365 * 24
_DIGITS = 3
_WAYS_AT_MOST = 3


@dataclass(frozen=True)
class _Limit:
    """One way in which a request shuts machines out: how to see it, and how far to loosen it for a machine."""

    field: str
    title: str
    unit: str
    fits: Callable[[LaunchRequest, Machine], bool]
    has: Callable[[LaunchRequest, Machine], float | Decimal | None]
    """The value of the field that would just take the machine; ``None`` when only an empty field would."""
    more: bool = False
    """Whether loosening means a larger value."""


def _hours(request: LaunchRequest) -> float:
    return float(request.hours) * _HOUR


def _cost(request: LaunchRequest, machine: Machine) -> Decimal:
    return machine.price.at_most(_hours(request))


def _model_fits(request: LaunchRequest, machine: Machine) -> bool:
    return not request.gpus or not request.gpu_model or request.gpu_model.casefold() in machine.gpu_model.casefold()


def _name_fits(names: tuple[str, ...], machine: Machine) -> bool:
    return any(name.casefold() in {machine.provider_id.casefold(), machine.name.casefold()} for name in names)


def _useful(request: LaunchRequest) -> float:
    """The seconds that a budget must pay for at the least, as a session asks them."""
    return min(_hours(request), SHORTEST_USEFUL_SECONDS)


_LIMITS = (
    _Limit("cpus", "Cores", "", lambda r, m: m.cpus >= r.cpus, lambda _r, m: max(1, int(m.cpus))),
    _Limit("memory_gib", "Memory", "GiB", lambda r, m: m.memory_gib >= r.memory_gib, lambda _r, m: _down(m.memory_gib)),
    _Limit("disk_gib", "Disk", "GiB", lambda r, m: m.disk_gib >= r.disk_gib, lambda _r, m: _down(m.disk_gib)),
    _Limit("gpus", "GPUs", "", lambda r, m: m.gpus >= r.gpus, lambda _r, m: m.gpus),
    _Limit("gpu_model", "GPU model", "", _model_fits, lambda _r, _m: None),
    _Limit(
        "gpu_memory_gib",
        "GPU memory",
        "GiB",
        lambda r, m: not r.gpus or not r.gpu_memory_gib or m.gpu_memory_gib >= r.gpu_memory_gib,
        lambda _r, m: _down(m.gpu_memory_gib) if m.gpus else None,
    ),
    _Limit(
        "price_per_hour",
        "Highest price",
        "GLM per hour",
        lambda r, m: r.price_per_hour is None or m.price.per_hour() <= r.price_per_hour,
        lambda _r, m: _up(m.price.per_hour()),
        more=True,
    ),
    _Limit(
        "budget",
        "Budget",
        "GLM",
        lambda r, m: m.price.at_most(_useful(r)) <= r.budget,
        lambda r, m: _up(m.price.at_most(_useful(r))),
        more=True,
    ),
    _Limit(
        "allow", "Only these providers", "", lambda r, m: not r.allow or _name_fits(r.allow, m), lambda _r, _m: None
    ),
    _Limit("deny", "Never these providers", "", lambda r, m: not _name_fits(r.deny, m), lambda _r, _m: None),
)


def estimate(request: LaunchRequest, found: Sequence[Machine]) -> dict[str, Any]:
    """What the page says of ``request`` when ``found`` is on offer, as its script takes it."""
    token = NETWORKS[request.network].token
    fitting = [machine for machine in found if not _missed(request, machine)]
    if not found:
        return {
            "state": "empty",
            "headline": "No machine is on offer.",
            "hint": "Offers come and go, and spread slowly: look again in a minute, or choose another network.",
        }
    if not fitting:
        return {
            "state": "unfit",
            "headline": "No machine fits.",
            "hint": f"{_count(len(found), 'machine')} on offer.",
            "loosen": _loosen(request, found),
        }
    prices = sorted(machine.price.per_hour() for machine in fitting)
    whole = min(_cost(request, machine) for machine in fitting)
    lasts = max(_lasts(request, machine) for machine in fitting)
    hours = _plain(float(request.hours))
    return {
        "state": "fits",
        "headline": f"{_count(len(fitting), 'machine')} {'fits' if len(fitting) == 1 else 'fit'}",
        "range": _range(prices, token),
        "rows": [
            [f"{_count(hours, 'hour')} at the best price", f"{glm(whole)} {token}"],
            ["Never more than the budget", f"{glm(request.budget)} {token}"],
            ["Which would last", _duration(lasts)],
        ],
        "hint": _warning(request, whole, token),
        "bars": _bars(prices, request),
    }


def _missed(request: LaunchRequest, machine: Machine) -> list[_Limit]:
    return [limit for limit in _LIMITS if not limit.fits(request, machine)]


def _loosen(request: LaunchRequest, found: Sequence[Machine]) -> list[dict[str, Any]]:
    """Which limits to loosen, and by how much: for the machines that miss the fewest, the smallest change first."""
    missed = [(machine, _missed(request, machine)) for machine in found]
    fewest = min(len(limits) for _, limits in missed)
    ways: dict[tuple[str, ...], list[Machine]] = {}
    for machine, limits in missed:
        if len(limits) == fewest:
            ways.setdefault(tuple(limit.field for limit in limits), []).append(machine)
    by_field = {limit.field: limit for limit in _LIMITS}
    said = []
    for fields, machines in sorted(ways.items(), key=lambda way: -len(way[1]))[:_WAYS_AT_MOST]:
        machine = min(machines, key=lambda machine: _distance(request, [by_field[field] for field in fields], machine))
        values = {field: by_field[field].has(request, machine) for field in fields}
        words = [_words(by_field[field], value) for field, value in values.items()]
        fit = sum(not _missed(request.model_copy(update=_given(values)), other) for other in found)
        said.append(
            {
                "text": f"{' and '.join(words)}: {_count(max(fit, 1), 'machine')} {'fits' if fit <= 1 else 'fit'}.",
                "values": {field: "" if value is None else number(value) for field, value in values.items()},
            }
        )
    return said


def _distance(request: LaunchRequest, limits: Sequence[_Limit], machine: Machine) -> float:
    """How far a request must go towards a machine: the sum of its steps, each as a share of what is asked."""
    distance = 0.0
    for limit in limits:
        asked, has = getattr(request, limit.field), limit.has(request, machine)
        distance += abs(float(has) / float(asked) - 1) if asked and has is not None else 1.0
    return distance


def _given(values: dict[str, float | Decimal | None]) -> dict[str, Any]:
    empty = {"allow": (), "deny": ()}
    return {field: empty.get(field) if value is None else value for field, value in values.items()}


def _words(limit: _Limit, value: float | Decimal | None) -> str:
    if value is None:
        return f"{limit.title}: any"
    return f"{limit.title}: {'at least ' if limit.more else ''}{number(value)} {limit.unit}".rstrip()


def _lasts(request: LaunchRequest, machine: Machine) -> float:
    """How many hours the budget pays for."""
    rate = machine.price.per_hour()
    left = max(request.budget - machine.price.start, Decimal(0))
    return float(left / rate) if rate > 0 else float("inf")


def _warning(request: LaunchRequest, whole: Decimal, token: str) -> str:
    if whole <= request.budget:
        return ""
    return f"The budget does not last for the whole time: that takes {glm(_up(whole))} {token}."


def _bars(prices: Sequence[Decimal], request: LaunchRequest) -> dict[str, Any]:
    """How many machines ask how much: equal steps from the lowest to the highest price."""
    low, high = prices[0], prices[-1]
    counts = [0] * (_BARS if high > low else 1)
    for price in prices:
        place = int((price - low) / (high - low) * len(counts)) if high > low else 0
        counts[min(place, len(counts) - 1)] += 1
    token = NETWORKS[request.network].token
    words = f"Prices of {_count(len(prices), 'machine')}: {_range(prices, token)}."
    return {"counts": counts, "low": glm(low), "high": glm(high), "words": words}


def _range(prices: Sequence[Decimal], token: str) -> str:
    low, high = glm(prices[0]), glm(prices[-1])
    return f"{low} {token} an hour" if low == high else f"{low} to {high} {token} an hour"


def glm(amount: Decimal) -> str:
    """An amount as one reads it at a glance: three digits that count."""
    if amount == 0:
        return "0"
    places = max(0, _DIGITS - 1 - amount.adjusted())
    return number(round(amount, min(places, 18)))


def _up(amount: Decimal) -> Decimal:
    """The amount, rounded up to what a field takes."""
    step = Decimal("0.000001") if amount < Decimal("0.01") else Decimal("0.0001") if amount < 1 else Decimal("0.01")
    return max(step, (amount / step).to_integral_value("ROUND_CEILING") * step)


def _down(size: float) -> float:
    """The size, rounded down to a tenth."""
    return max(0.1, int(size * 10) / 10)


def _plain(value: float) -> str:
    return number(round(value, 2))


def _duration(hours: float) -> str:
    if hours > _YEAR:
        return "over a year"
    if hours < 1:
        return f"{int(hours * 60)} minutes"
    if hours < 100:  # noqa: PLR2004
        return f"{_plain(int(hours * 10) / 10)} hours"
    return f"{int(hours / 24)} days"


def _count(count: int | str, word: str) -> str:
    return f"{count} {word}{'' if str(count) == '1' else 's'}"
