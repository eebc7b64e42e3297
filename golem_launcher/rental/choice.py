"""Which offers a session takes: what it needs, what it can pay, whom it has tried before. Knows nothing of yapapi."""

from __future__ import annotations

import math
import secrets
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from golem_launcher.background_thread import run_in_background
from golem_launcher.errors import ProviderError
from golem_launcher.market import history, offer_order
from golem_launcher.market.limit_advice import (
    Limit,
    misses,
    unsuited,
    useful_seconds,
    why_not,
)
from golem_launcher.market.offered_machine import machine_of, machines
from golem_launcher.market.prices import Price
from golem_launcher.networks import token_of
from golem_launcher.rental.provider_backoff import ProviderBackoff
from golem_launcher.session_state import ProvidersSeen
from golem_launcher.untrusted_text import clean_line, clean_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from golem_launcher.gpus import OfferedGpu
    from golem_launcher.market.offered_machine import OfferedMachine
    from golem_launcher.request import LaunchRequest

_MONEY_FIELDS = {"budget", "price_per_hour"}
_NAME_FIELDS = {"allow", "deny"}
_AFTER_SETBACK = 1e-9
"""Who failed this very session is taken after everybody else."""
_MOST_REFUSALS = 3
_MOST_PASSED_OVER = 3
_LONGEST_REFUSAL = 300


@dataclass
class Choice:
    """Judges offers for one request and remembers why it refused them."""

    request: LaunchRequest
    backoff: ProviderBackoff = field(default_factory=ProviderBackoff)
    """Who is out, or comes last, because of what it did in this session."""
    too_dear: dict[str, Price] = field(default_factory=dict)
    unfit: dict[str, str] = field(default_factory=dict)
    unwanted: set[str] = field(default_factory=set)
    """Those of the unfit whom the user does not want by name."""
    seen: set[str] = field(default_factory=set)
    known: Mapping[str, history.ProviderRecord] = field(default_factory=history.read)
    """What earlier sessions learned of providers."""
    reputation: Mapping[str, float] = field(default_factory=dict)
    """What others say of providers, 0 to 1."""
    refusals: list[str] = field(default_factory=list)
    """What providers said when they refused our terms, cleaned; each once."""
    suitable: set[str] = field(default_factory=set)
    """Those with an offer that will do, whatever else they offer."""
    quoted: dict[str, list[Price]] = field(default_factory=dict)
    """What each provider asks on the market, in all its offers."""
    offered: dict[str, OfferedMachine] = field(default_factory=dict)
    """What each of the suitable has on the market."""
    places: dict[str, str] = field(default_factory=dict)
    """The country that each provider says it is in, of those that say it."""
    scores: dict[str, float] = field(default_factory=dict)
    """What was said of the suitable last."""
    agreed_to: set[str] = field(default_factory=set)
    """Those of the suitable that came to terms with us."""
    luck: dict[str, float] = field(default_factory=dict)
    """A random number of each provider, 0 to 1, kept so that its offers are judged alike."""

    @property
    def useful_seconds(self) -> float:
        """How long the budget must last at the least."""
        return useful_seconds(self.request)

    @property
    def all_refused(self) -> bool:
        """Whether there were offers and none of them will do."""
        return bool(self.seen) and self.seen <= self.backoff.away() | self.too_dear.keys() | self.unfit.keys()

    @property
    def looked_at(self) -> set[str]:
        """The providers whose offers came, without those that the user excludes by name."""
        return self.seen - self.unwanted

    @property
    def hopeless(self) -> bool:
        """Whether offers came from providers that the user does not exclude, and none will do: it is no use to wait."""
        return bool(self.looked_at) and self.all_refused

    @property
    def judged(self) -> ProvidersSeen:
        """How many of the providers that were seen are of each kind, each counted once: shown while one is sought."""
        away = self.backoff.away() - self.backoff.busy  # the latter work for this session
        return ProvidersSeen(**Counter("set_aside" if one in away else self._kind(one) for one in self.seen))

    def _kind(self, provider_id: str) -> str:
        if provider_id in self.unwanted:
            return "unwanted"
        if provider_id in self.too_dear:
            return "too_dear"
        return "unfit" if provider_id in self.unfit else "suitable"

    def score(self, provider_id: str, properties: Mapping[str, Any], *, answered: bool = False) -> float | None:
        """How good an offer is (the higher the better, never negative), or ``None`` to refuse it.

        ``answered``: whether it is what a provider answered to our terms, and no longer what it has on the market.
        """
        self.seen.add(provider_id)
        if self.backoff.is_banned(provider_id) or provider_id in self.backoff.busy:
            return None
        try:
            machine = machine_of(provider_id, properties)
        except ProviderError as error:
            if not self._has_another(provider_id, answered=answered):
                self.unfit[provider_id] = error.what
            return None
        if machine.place:
            self.places[provider_id] = machine.place
        if not self._takes(machine, answered=answered):
            return None
        if answered:
            self.agreed_to.add(provider_id)
        else:
            self.offered[provider_id] = machine
        worth = self._worth(machine)
        score = worth * _AFTER_SETBACK if self.backoff.comes_last(provider_id) else worth
        self.scores[provider_id] = score
        return score

    def look_again(self, request: LaunchRequest) -> None:
        """See the market anew, for what is left of time and money. How providers stand is kept."""
        self.request = request
        for seen in (self.seen, self.too_dear, self.unfit, self.suitable, self.unwanted):
            seen.clear()
        for said in (self.offered, self.scores, self.agreed_to):
            said.clear()

    def fits(self, offer: Mapping[str, Any]) -> bool:
        """Whether an offer of a market scan will do."""
        return any(not why_not(self.request, machine) for machine in machines([offer]))

    def ban(self, provider_id: str, name: str, reason: str) -> None:
        """Never take this provider again in this session: it billed too much, which is remembered elsewhere."""
        self.backoff.ban(provider_id, f"{clean_name(name)}: {reason}")

    def lost(self, provider_id: str, name: str, reason: str) -> None:
        """Take this provider last, after a pause; other sessions know that it failed."""
        self.backoff.lost(provider_id, f"{clean_name(name)}: {reason}")
        run_in_background(history.note_failure, provider_id, name, reason)

    def failed(self, provider_id: str, name: str, reason: str) -> None:
        """Leave this provider alone for a while: its workload never answered. Other sessions know that it failed."""
        self.backoff.failed(provider_id, f"{clean_name(name)}: {reason}")
        run_in_background(history.note_failure, provider_id, name, reason)

    def blames_image(self, provider_id: str, name: str, reason: str) -> None:
        """Leave this provider alone for a while: it says that the image is at fault, and it may be right."""
        self.backoff.failed(provider_id, f"{clean_name(name)}: {reason}")

    def did_not_sign(self, provider_id: str, name: str) -> None:
        """Take this provider last, after a pause; who does it again and again has failed."""
        reason = "it did not sign the agreement"
        if self.backoff.did_not_sign(provider_id, f"{clean_name(name)}: {reason}"):
            run_in_background(history.note_failure, provider_id, name, reason)

    def refuses_to_sign(self, provider_id: str, judged: Mapping[str, Any], agreed: Mapping[str, Any]) -> bool:
        """Whether an agreement asks for more than the offer that was judged; this provider is out then.

        Both are an offer's properties: those that were scored, and those that we are about to sign.
        """
        why = _asks_more(judged, agreed, token_of(self.request.network))
        if why:
            self.ban(provider_id, str(agreed.get("golem.node.id.name", "")), why)
        return bool(why)

    def why_dearer(self, provider_id: str) -> list[str]:
        """Why the cheaper machines were not taken, when the provider signed; a sentence each, of the cheapest few.

        Nothing of those that cost nearly the same: one of them is taken at random.
        """
        taken = self.offered.get(provider_id)
        if taken is None or self.request.choose != "price":
            return []
        least = offer_order.cost(self.request, taken) / offer_order.NEARLY
        others = (one for one in self.offered.values() if one.provider_id not in self.backoff.busy)
        cheap = sorted(
            (one for one in others if offer_order.cost(self.request, one) < least),
            key=lambda one: offer_order.cost(self.request, one),
        )
        reasons = [(one.name, why.rstrip(".")) for one in cheap if (why := self._not_taken(one))]
        return [f"{taken.name}, not {name}, which is cheaper: {why}." for name, why in reasons[:_MOST_PASSED_OVER]]

    def gpus_of(self, provider_id: str) -> tuple[OfferedGpu, ...]:
        """The GPUs that a provider offers; none where its offer is not known any more."""
        machine = self.offered.get(provider_id)
        return () if machine is None else machine.cards

    def may_do_better(self, negotiating: Iterable[str], at_hand: Sequence[float]) -> bool:
        """Whether any who negotiates is better than as many as are wanted of those ``at_hand``, by their scores."""
        wanted = self.request.machines_wanted
        worst = sorted(at_hand, reverse=True)[wanted - 1] if len(at_hand) >= wanted else -1.0
        return any(self.scores.get(one, math.inf) > worst for one in negotiating)

    def refused_by(self, words: str) -> None:
        """Remember why a provider refused our terms, in its own ``words``, for where nobody is found."""
        said = clean_line(words, longest=_LONGEST_REFUSAL).strip().rstrip(".")
        if said and said not in self.refusals and len(self.refusals) < _MOST_REFUSALS:
            self.refusals.append(said)

    def _takes(self, machine: OfferedMachine, *, answered: bool) -> bool:
        """Whether a machine will do; why not is written down, unless its provider has another one that will."""
        provider_id = machine.provider_id
        quoted = self.quoted.setdefault(provider_id, [])
        if not answered and machine.price not in quoted:
            quoted.append(machine.price)
        missed = misses(self.request, machine)
        too_dear = bool(missed) and {limit.field for limit in missed} <= _MONEY_FIELDS
        reason = (
            unsuited(self.request, machine)
            or _first(missed, self.request, machine)
            or self._refused(machine)
            or self._raised(machine)
        )
        if {limit.field for limit in missed} & _NAME_FIELDS:
            self.unwanted.add(provider_id)
        if reason and self._has_another(provider_id, answered=answered):
            return False
        self.too_dear.pop(provider_id, None)
        self.unfit.pop(provider_id, None)
        if too_dear:
            self.too_dear[provider_id] = machine.price
        elif reason:
            self.unfit[provider_id] = f"{machine.name}: {reason}."
        else:
            self.suitable.add(provider_id)
        return not reason

    def _has_another(self, provider_id: str, *, answered: bool) -> bool:
        """Whether a provider whose one offer will not do has another that will, as far as its offers say."""
        if answered:  # it came to no terms with us by the one that would do
            self.suitable.discard(provider_id)
        return provider_id in self.suitable

    def _refused(self, machine: OfferedMachine) -> str:
        """Whether it over-billed once, unless the user allows it by its id: anybody may take a name."""
        record = self.known.get(machine.provider_id)
        if record is None or not record.overbilled or any(map(machine.has_id, self.request.allow)):
            return ""
        return (
            f"it is avoided, because it once billed too much; forget that: golem-launcher providers --forget "
            f"{machine.provider_id}"
        )

    def _raised(self, machine: OfferedMachine) -> str:
        """Whether it asks more, now that it negotiates, than any of its offers said."""
        now, quoted = machine.price, self.quoted.get(machine.provider_id, [])
        if not quoted or not all(map(now.asks_more_than, quoted)):
            return ""
        return _raised(quoted[-1], now, token_of(self.request.network))

    def _worth(self, machine: OfferedMachine) -> float:
        provider_id = machine.provider_id
        return offer_order.worth(
            self.request,
            machine,
            self.known.get(provider_id),
            luck=self.luck.setdefault(provider_id, secrets.randbelow(2**20) / 2**20),
            reputation=self.reputation.get(provider_id, offer_order.UNKNOWN_REPUTATION),
        )

    def _not_taken(self, machine: OfferedMachine) -> str:
        """Why another one was taken before a machine that would have been cheaper."""
        provider_id, record = machine.provider_id, self.known.get(machine.provider_id)
        if provider_id in self.backoff.reasons:
            return self.backoff.reasons[provider_id].removeprefix(f"{machine.name}: ")
        if record is not None and (failure := record.failed_lately()):
            return f"it failed lately ({failure.rstrip('.')})"
        if provider_id in self.unfit:
            return self.unfit[provider_id].removeprefix(f"{machine.name}: ")
        if self.request.machines_wanted > 1:  # it may be taken for another one of them
            return ""
        agreed = provider_id in self.agreed_to
        return "it did not sign in time" if agreed else "it did not come to terms with us in time"


def _first(missed: list[Limit], request: LaunchRequest, machine: OfferedMachine) -> str:
    return missed[0].why(request, machine) if missed else ""


def _asks_more(judged: Mapping[str, Any], agreed: Mapping[str, Any], coin: str) -> str:
    """Why not to sign what is ``agreed``, in words; nothing when its price is that of the offer that was judged."""
    try:
        first, now = Price.of_offer(judged), Price.of_offer(agreed)
    except ProviderError as error:
        return error.what
    return _raised(first, now, coin) if now.asks_more_than(first) else ""


def _raised(first: Price, now: Price, coin: str) -> str:
    return f"it offered itself for {first.in_words(coin)}, and asked {now.in_words(coin)} when it came to an agreement"
