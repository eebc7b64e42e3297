"""Explains which limits of a request exclude which machines, and how far to loosen them.

Pure: machines and a request in, words out. Prices are at full load, the most that an hour can cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from golem_launcher.gpus import MEMORY_SHARE, as_numbers, is_called
from golem_launcher.market.offered_machine import OFFERED
from golem_launcher.market.prices import SECONDS_PER_HOUR
from golem_launcher.networks import GOLEMS_COIN, NETWORKS
from golem_launcher.outbound import CAPABILITIES
from golem_launcher.request.fields import about, is_whole, least, title
from golem_launcher.software import SOFTWARE
from golem_launcher.units import counted, number

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from golem_launcher.gpus import OfferedGpu
    from golem_launcher.market.offered_machine import OfferedMachine
    from golem_launcher.market.prices import Price
    from golem_launcher.request import LaunchRequest

SHORTEST_USEFUL_SECONDS = 300
"""A budget must pay for at least this long (or the whole time asked for, when that is shorter)."""

_WAYS_AT_MOST = 3
_LITTLE = 0.1
_LONG = 1000
"""From here on all digits of a whole number are shown."""
_CALLED = {"x86_64": {"x86_64", "amd64", ""}}
"""What offers call an architecture, if they say it."""


@dataclass(frozen=True)
class Limit:
    """One way in which a request shuts machines out: how to see it, and how far to loosen it for a machine."""

    field: str
    fits: Callable[[LaunchRequest, OfferedMachine], bool]
    has: Callable[[LaunchRequest, OfferedMachine], float | Decimal | str | None]
    """The value of the field that would just take the machine; ``None`` when only an empty field would."""
    why: Callable[[LaunchRequest, OfferedMachine], str]
    """What the machine lacks, in words."""

    def words(self, value: float | Decimal | str | None, coin: str) -> str:
        """The advice to loosen the field to this ``value``, as a sentence's part; amounts are in ``coin``."""
        name, unit = title(self.field), about(self.field).unit.replace(GOLEMS_COIN, coin)
        if value is None:
            return f"{name}: any"
        more = "at least " if about(self.field).bound == "most" else ""
        return f"{name}: {more}{_typed(value)} {'' if unit == name.casefold() else unit}".rstrip()


@dataclass(frozen=True)
class Advice:
    """Which limits to loosen: in words, and as values of the request's fields (empty: no limit)."""

    text: str
    values: dict[str, str]


def useful_seconds(request: LaunchRequest) -> float:
    """The seconds that a budget must pay for at the least."""
    return min(float(request.hours) * SECONDS_PER_HOUR, SHORTEST_USEFUL_SECONDS)


def least_budget(request: LaunchRequest, price: Price) -> Decimal:
    """What a budget must be at the least where each machine asks this price: a useful while of all of them."""
    return price.at_most(useful_seconds(request)) * request.machines_paid


def gpus_wanted(request: LaunchRequest) -> int:
    """How many GPUs a machine must have: software that is made for one asks for one."""
    return max(request.gpus, 1 if SOFTWARE[request.software_taken].gpu and request.image is None else 0)


def capabilities_wanted(request: LaunchRequest) -> frozenset[str]:
    """The capabilities that a provider's runtime must have: ``vpn``, and those that outbound traffic takes."""
    return frozenset({"vpn", *(CAPABILITIES if request.outbound != "off" else ())})


def unsuited(request: LaunchRequest, machine: OfferedMachine) -> str:
    """Why a machine can't run such a session whatever its size and price, in words; empty when it can."""
    network = NETWORKS[request.network]
    if machine.runtime != "vm" and not (machine.reaches_gpus and gpus_wanted(request)):
        return f"it runs '{machine.runtime}', not images"
    if network.architecture and machine.architecture.casefold() not in _CALLED[network.architecture]:
        return f"its processor is {machine.architecture}, and the image is for {network.architecture}"
    if "vpn" not in machine.capabilities:
        return "it has no private network"
    if gpus_wanted(request) and machine.cards and (reason := _of_no_use(request, machine)):
        return reason
    if machine.platforms and network.platform not in dict(machine.platforms):
        return f"it is not paid in {network.token} on {network.payment_network}"
    return ""


def misses(request: LaunchRequest, machine: OfferedMachine) -> list[Limit]:
    """The limits that shut a machine out."""
    return [limit for limit in LIMITS if not limit.fits(request, machine)]


def why_not(request: LaunchRequest, machine: OfferedMachine) -> tuple[str, ...]:
    """Why a machine is not taken, one reason each, in words; empty when it fits."""
    reason = unsuited(request, machine)
    return (*((reason,) if reason else ()), *(limit.why(request, machine) for limit in misses(request, machine)))


def loosen(request: LaunchRequest, found: Sequence[OfferedMachine]) -> list[Advice]:
    """Which limits to loosen, and by how much, when no machine fits: for the machines that miss the fewest.

    The way that most machines wait for comes first, and of each way the smallest change. Empty when no machine could
    run such a session.
    """
    missed = [(machine, misses(request, machine)) for machine in found if not unsuited(request, machine)]
    if not missed:
        return []
    fewest = min(len(limits) for _, limits in missed)
    ways: dict[tuple[str, ...], list[OfferedMachine]] = {}
    for machine, limits in missed:
        if len(limits) == fewest:
            ways.setdefault(tuple(limit.field for limit in limits), []).append(machine)
    return [_advice(request, fields, machines, found) for fields, machines in _by_size(ways)[:_WAYS_AT_MOST]]


def _by_size(ways: dict[tuple[str, ...], list[OfferedMachine]]) -> list[tuple[tuple[str, ...], list[OfferedMachine]]]:
    return sorted(ways.items(), key=lambda way: -len(way[1]))


def _advice(
    request: LaunchRequest, fields: tuple[str, ...], machines: list[OfferedMachine], found: Sequence[OfferedMachine]
) -> Advice:
    by_field = {limit.field: limit for limit in LIMITS}
    machine = min(machines, key=lambda machine: _distance(request, [by_field[field] for field in fields], machine))
    values = {field: by_field[field].has(request, machine) for field in fields}
    coin = NETWORKS[request.network].token
    words = [by_field[field].words(value, coin) for field, value in values.items()]
    loosened = request.model_copy(update=_given(values))
    fit = max(1, sum(not why_not(loosened, other) for other in found))
    return Advice(
        f"{' and '.join(words)}, then {counted(fit, 'machine fits', 'machines fit')}.",
        {field: _typed(value) for field, value in values.items()},
    )


def _distance(request: LaunchRequest, limits: Sequence[Limit], machine: OfferedMachine) -> float:
    """How far a request must go towards a machine: the sum of its steps, each as a share of what is asked."""
    distance = 0.0
    for limit in limits:
        asked, has = getattr(request, limit.field), limit.has(request, machine)
        measured = asked and has is not None and not isinstance(has, str)
        distance += abs(float(has) / float(asked) - 1) if measured else 1.0  # type: ignore[arg-type]
    return distance


def _given(values: dict[str, float | Decimal | str | None]) -> dict[str, Any]:
    empty = {"allow": (), "deny": ()}
    return {field: empty.get(field) if value is None else value for field, value in values.items()}


def _typed(value: float | Decimal | str | None) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return number(value)


def _of_no_use(request: LaunchRequest, machine: OfferedMachine) -> str:
    """Why such a session can't use the GPUs that a machine has, in words; empty when it can."""
    from golem_launcher.market.cuda_needs import cuda_need  # noqa: PLC0415 - reads requirements; few ask for GPUs

    if not machine.reaches_gpus:
        return "its runtime lets no program use its GPU"
    need = cuda_need(request)
    if need is None or any(card.is_capable_of(need.capability) for card in _cards(request, machine)):
        return ""
    has = max((card.compute_capability for card in _cards(request, machine)), key=as_numbers)
    return f"its GPU is of compute capability {has}, and {need.package} needs {need.capability}"


def _cards(request: LaunchRequest, machine: OfferedMachine) -> Sequence[OfferedGpu]:
    """Those of its GPUs that are called as is asked for; all, where none is: the model is what it lacks then."""
    return [card for card in machine.cards if is_called(card.model, request.gpu_model or "")] or machine.cards


def _gpus(request: LaunchRequest, machine: OfferedMachine) -> int:
    return sum(card.count for card in _cards(request, machine))


def _model_fits(request: LaunchRequest, machine: OfferedMachine) -> bool:
    model = request.gpu_model
    return not gpus_wanted(request) or not model or any(is_called(card.model, model) for card in machine.cards)


def _gpu_memory(request: LaunchRequest, machine: OfferedMachine) -> float:
    """What as many of its GPUs have as are asked for, or as there are: the memory of the smallest of the largest."""
    left, memory = gpus_wanted(request), 0.0
    for card in sorted(_cards(request, machine), key=lambda card: -card.memory_gib):
        if left > 0:
            left, memory = left - card.count, card.memory_gib
    return memory


def _gpu_memory_fits(request: LaunchRequest, machine: OfferedMachine) -> bool:
    least = request.gpu_memory_gib
    return not gpus_wanted(request) or not least or _gpu_memory(request, machine) >= least * MEMORY_SHARE


def rounded_up(amount: Decimal) -> Decimal:
    """The amount, rounded up to what a form's field takes: advice of a limit is enough when it is followed."""
    step = Decimal("0.000001") if amount < Decimal("0.01") else Decimal("0.0001") if amount < 1 else Decimal("0.01")
    return max(step, (amount / step).to_integral_value("ROUND_CEILING") * step)


def _down(size: float) -> float:
    """The size, rounded down to a tenth."""
    return int(size * 10) / 10


def sized(name: str, size: float) -> str:
    """An amount of what a field asks for, in words: ``4 cores``, ``7.5 GiB of memory``."""
    shown, unit, what = f"{size:.3g}" if size < _LONG else f"{size:.0f}", about(name).unit, title(name).casefold()
    if unit == what:
        return f"{shown} {unit.removesuffix('s') if size == 1 else unit}"
    return f"{shown} {unit} of {what}"


def _offered(name: str) -> Limit:
    """The limit of a field that is compared with one property of offers."""
    return Limit(
        name,
        fits=lambda r, m: m.sizes[name] >= (getattr(r, name) or 0),
        has=lambda _r, m: max(least(name), int(m.sizes[name]) if is_whole(name) else _down(m.sizes[name])) or None,
        why=lambda r, m: f"{sized(name, m.sizes[name])}, {getattr(r, name):g} are asked for",
    )


LIMITS = (
    *map(_offered, OFFERED),
    Limit(
        "gpus",
        fits=lambda r, m: _gpus(r, m) >= gpus_wanted(r),
        has=_gpus,
        why=lambda r, m: f"{counted(_gpus(r, m), 'GPU') if m.gpus else 'no GPUs'}, {gpus_wanted(r)} asked for",
    ),
    Limit(
        "gpu_model",
        fits=_model_fits,
        has=lambda _r, _m: None,
        why=lambda r, m: f"its GPU is {m.gpu_model or 'none'}, '{r.gpu_model}' is asked for",
    ),
    Limit(
        "gpu_memory_gib",
        fits=_gpu_memory_fits,
        has=lambda r, m: max(_LITTLE, _down(_gpu_memory(r, m))) if m.gpus else None,
        why=lambda r, m: f"{_gpu_memory(r, m):g} GiB of GPU memory, {r.gpu_memory_gib or 0:g} are asked for",
    ),
    Limit(
        "price_per_hour",
        fits=lambda r, m: r.price_per_hour is None or m.price.per_hour() <= r.price_per_hour,
        has=lambda _r, m: rounded_up(m.price.per_hour()),
        why=lambda r, m: f"it asks {m.price.per_hour().normalize():f} an hour, at most {r.price_per_hour} may be paid",
    ),
    Limit(
        "budget",
        fits=lambda r, m: least_budget(r, m.price) <= r.budget,
        has=lambda r, m: rounded_up(least_budget(r, m.price)),
        why=lambda r, _m: (
            f"the budget of {r.budget} does not pay for {counted(round(useful_seconds(r) / 60), 'minute')} of "
            f"{'it' if r.machines_paid == 1 else f'{r.machines_paid} like it'}"
        ),
    ),
    Limit(
        "outbound",
        fits=lambda r, m: capabilities_wanted(r) <= m.capabilities | {"vpn"},
        has=lambda _r, _m: "off",
        why=lambda _r, _m: "it lets nothing out to the internet",
    ),
    Limit(
        "allow",
        fits=lambda r, m: not r.allow or any(map(m.is_allowed_by, r.allow)),
        has=lambda _r, _m: None,
        why=lambda _r, _m: "it is not among the providers that you allow",
    ),
    Limit(
        "deny",
        fits=lambda r, m: not any(map(m.is_denied_by, r.deny)),
        has=lambda _r, _m: None,
        why=lambda _r, _m: "you never want this one",
    ),
)
