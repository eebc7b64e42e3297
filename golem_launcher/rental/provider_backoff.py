"""How the providers stand with one session: who is out, and who comes last, after a pause.

Who billed too much is out for the session. Who was lost, failed or did not sign may do better the next time: it is
taken after all others, and not before its pause is over. A provider that has just ended an agreement, for one, refuses
the next for about two seconds.
"""

from __future__ import annotations

import collections
import time
from dataclasses import dataclass, field

_LOST_SECONDS = 10.0
"""How long a provider that was lost is let alone; twice as long each time."""
_FAILED_SECONDS = 300.0
"""How long one is let alone whose workload never answered: longer than anybody looks for a provider."""
_REFUSED_SECONDS = (3.0, 6.0)
"""How long one that did not sign is let alone, the first times; then as one that failed."""
_SOON_SECONDS = 60.0


@dataclass
class ProviderBackoff:
    """The setbacks that providers, named by id, had in one session. Reasons are cleaned sentences for people."""

    reasons: dict[str, str] = field(default_factory=dict)
    """Of all that had a setback, the last reason."""
    busy: set[str] = field(default_factory=set)
    """Those that work for the session: a private network has each provider once."""
    _banned: set[str] = field(default_factory=set)
    _until: dict[str, float] = field(default_factory=dict)
    """When its pause is over, by the monotonic clock."""
    _times: collections.Counter[tuple[str, str]] = field(default_factory=collections.Counter)

    def ban(self, provider_id: str, why: str) -> None:
        """Exclude a provider for the rest of the session, because it billed too much."""
        self.reasons[provider_id] = why
        self._banned.add(provider_id)

    def lost(self, provider_id: str, why: str) -> None:
        """Note that a provider at which the session ran vanished or gave up: it pauses, longer each time."""
        self._put_off(provider_id, why, _LOST_SECONDS * 2 ** self._before(provider_id, "lost"))

    def failed(self, provider_id: str, why: str) -> None:
        """Note that a provider signed but its workload never answered: it pauses."""
        self._put_off(provider_id, why, _FAILED_SECONDS)

    def did_not_sign(self, provider_id: str, why: str) -> bool:
        """Note that a provider did not sign; returns whether that counts as a failure, as a repetition does."""
        before = self._before(provider_id, "refused")
        failed = before >= len(_REFUSED_SECONDS)
        self._put_off(provider_id, why, _FAILED_SECONDS if failed else _REFUSED_SECONDS[before])
        return failed

    def is_banned(self, provider_id: str) -> bool:
        """Whether a provider is excluded for the rest of the session."""
        return provider_id in self._banned

    def comes_last(self, provider_id: str) -> bool:
        """Whether all other providers are preferred to this one."""
        return provider_id in self._until

    def pauses(self, provider_id: str) -> bool:
        """Whether a provider is in a pause and must not be asked now."""
        return provider_id in self.busy or self._until.get(provider_id, 0.0) > time.monotonic()

    def away(self) -> set[str]:
        """The providers that will not be asked within the next minute."""
        soon = time.monotonic() + _SOON_SECONDS
        put_off = {provider_id for provider_id, until in self._until.items() if until > soon}
        return self.busy | self._banned | put_off

    def returning(self) -> dict[str, float]:
        """The providers whose pause ends within the next minute, with the seconds until then."""
        now = time.monotonic()
        left = {provider_id: until - now for provider_id, until in self._until.items()}
        out = self.busy | self._banned
        return {key: value for key, value in left.items() if 0 < value <= _SOON_SECONDS and key not in out}

    def _before(self, provider_id: str, what: str) -> int:
        self._times[provider_id, what] += 1
        return self._times[provider_id, what] - 1

    def _put_off(self, provider_id: str, why: str, seconds: float) -> None:
        self.reasons[provider_id] = why
        self._until[provider_id] = time.monotonic() + seconds
