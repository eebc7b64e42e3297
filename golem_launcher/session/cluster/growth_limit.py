"""How fast a notebook may have more machines rented for it. Each costs something to start, wanted or not.

A notebook that is in other hands could ask for more and for fewer by turns, as long as the budget lasts. So what it was
given is counted, and not what it has: at first as many as it may have at a time, twice; then one more a while.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_TIMES = 2
_SECONDS = 60.0
"""For one more, once the first ones were given."""
SLOWLY = "machines were asked for and given back so often that there is one a minute now"
"""Why there are fewer than a notebook may have, in words."""


class Growth:
    """What a notebook may still be given at once. A new one is made whenever the user speaks."""

    def __init__(self, most: int, now: Callable[[], float]) -> None:
        """``most``: how many machines it may have at a time; ``now``: seconds, as a clock that only goes on."""
        self._full = float(_TIMES * most)
        self._left = self._full
        self._now = now
        self._at = now()

    def take(self, count: int) -> int:
        """How many of ``count`` machines may be rented now; they count as given from now on."""
        now = self._now()
        self._left, self._at = min(self._full, self._left + (now - self._at) / _SECONDS), now
        given = min(count, int(self._left))
        self._left -= given
        return given
