"""Why no provider was found for a session, in words, and what its user can do: by what its choice saw on the market."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from golem_launcher.errors import BudgetError, LauncherError, MarketError
from golem_launcher.market.limit_advice import gpus_wanted, least_budget, loosen, sized
from golem_launcher.market.offered_machine import OFFERED, machines
from golem_launcher.networks import token_of
from golem_launcher.request.fields import about
from golem_launcher.units import counted, with_coin
from golem_launcher.untrusted_json import number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from golem_launcher.rental.choice import Choice
    from golem_launcher.request import LaunchRequest

_MOST_REASONS = 3
_MOST_NAMED = 5


def no_provider(choice: Choice, held: Mapping[str, str], offers: Sequence[Mapping[str, Any]] = ()) -> LauncherError:
    """The error with which a search ends.

    ``held``: the user's own sessions by the ids of the providers whose machines they have. ``offers``: what the market
    has, when it is known.

    Called by who rents a machine and finds nobody.
    """
    request = choice.request
    if choice.too_dear and not choice.backoff.reasons:
        return _price_error(choice)
    if choice.backoff.reasons:
        reasons = "; ".join(list(choice.backoff.reasons.values())[:_MOST_REASONS])
        remedy = "Try again, or ask for less."
        if request.image is not None:
            remedy = (
                "Try again; where all say the same, the image may be at fault: see that providers can fetch it and "
                "that it boots, or choose another."
            )
        return MarketError(f"No provider could run the session ({reasons}).", remedy)
    if choice.unfit and choice.all_refused:
        wanted = [reason for provider_id, reason in choice.unfit.items() if provider_id not in choice.unwanted]
        return MarketError(
            f"No offer fits: {next(iter(wanted or choice.unfit.values()))}",
            "See what is on offer and why it is not taken: golem-launcher offers --all",
        )
    elsewhere = choice.suitable - choice.backoff.busy  # without those that work for this session
    if elsewhere and elsewhere <= held.keys():
        names = sorted({held[provider_id] for provider_id in elsewhere})
        return MarketError(
            f"Your own sessions use all machines that fit: {', '.join(names[:_MOST_NAMED])}.",
            f"{_of_addresses(request)} End one of them: golem-launcher stop {names[0]}".lstrip(),
        )
    if choice.seen:
        remedy = _of_addresses(request) or "Try again; or ask for less, so that more machines fit."
        said = "; ".join(f"'{words}'" for words in choice.refusals)
        said = f" Providers said: {said}." if said else ""
        what = f"Machines that fit are on offer, and none came to terms with us in time.{said}"
        return MarketError(what, remedy)
    return MarketError(
        f"No offer fits: nobody offers {_limits(request)} on '{request.network}'{_most(_offers_at_most(offers))}.",
        _what_to_loosen(request, offers),
    )


def _of_addresses(request: LaunchRequest) -> str:
    """Why machines that fit may refuse a session that wants to reach what is outside; empty for another."""
    if request.outbound not in {"listed", "unrestricted"}:
        return ""
    return (
        "Most providers let sessions reach only what is on their whitelist: ask for fewer addresses, or give a permit "
        "that they trust (--outbound-permit)."
    )


def _price_error(choice: Choice) -> BudgetError:
    request = choice.request
    hourly, coin = request.price_per_hour, token_of(request.network)
    cheapest = min(price.per_hour() for price in choice.too_dear.values())
    if hourly is not None and cheapest > hourly:
        return BudgetError(
            f"Nobody asks as little as {with_coin(hourly, coin)} an hour: the cheapest machine that fits asks "
            f"{with_coin(cheapest, coin)}.",
            f"Allow a price of {with_coin(cheapest, coin)} an hour, or ask for less.",
        )
    price = min(choice.too_dear.values(), key=lambda price: price.at_most(choice.useful_seconds))
    needed = least_budget(request, price)
    minutes = choice.useful_seconds / 60
    of = f" of {request.machines_paid} machines" if request.machines_paid > 1 else ""
    pays_for = f", which pays for {counted(round(minutes), 'minute')}{of}" if minutes >= 1 else ""
    return BudgetError(
        f"The budget of {with_coin(request.budget, coin)} is too small: the cheapest offer costs "
        f"{with_coin(price.start, coin)} to start and up to {with_coin(price.per_hour(), coin)} an hour.",
        f"Allow at least {with_coin(needed, coin)}{pays_for}.",
    )


def _limits(request: LaunchRequest) -> str:
    """The limits of a request in words."""
    *most, last = [sized(name, least) for name in OFFERED if (least := getattr(request, name))]
    size = f"{', '.join(most)} and {last}"
    gpus = gpus_wanted(request)
    if not gpus:
        return size
    model = f" like '{request.gpu_model}'" if request.gpu_model else ""
    return f"{size} with {counted(gpus, 'GPU')}{model}"


def _offers_at_most(offers: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The most that any single one of these offers has, by the request's field."""
    most: dict[str, float] = {}
    for offer in offers:
        properties = offer.get("properties")
        for name in OFFERED:
            value = number(properties.get(about(name).offered)) if isinstance(properties, dict) else None
            if value is not None:
                most[name] = max(most.get(name, 0.0), value)
    return most


def _what_to_loosen(request: LaunchRequest, offers: Sequence[Mapping[str, Any]]) -> str:
    advice = loosen(request, machines(offers))
    return f"Loosen this: {advice[0].text}" if advice else "Ask for less, or try again later."


def _most(largest: Mapping[str, float]) -> str:
    if not largest:
        return ""
    return f" (the most offered is {', '.join(sized(name, largest.get(name, 0.0)) for name in OFFERED)})"
