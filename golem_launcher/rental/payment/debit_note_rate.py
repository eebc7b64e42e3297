"""How often a provider sends debit notes, and how often it wants to be paid, held to what is agreed and bearable.

yapapi's own look at this goes by the time of day, and ends an agreement when that is set back. This one goes by a clock
that never jumps, and not by one that stands still while the computer sleeps: the provider works on.
"""

from __future__ import annotations

import collections

from golem_launcher import clock

_MOST_NOTES = 40
_NOTES_SECONDS = 60.0
"""Providers send a note every minute or two; the local network's tests one every two seconds. Longer without any is a
silence: this computer slept, or the node stood still, and what was sent meanwhile comes all at once."""
_GRACE_SECONDS = 30.0


class DebitNoteRate:
    """The debit notes of one agreement, counted as they come."""

    def __init__(self, payment_timeout: float | None) -> None:
        """``payment_timeout``: how often it may ask to be paid, in seconds; ``None``: not before the end."""
        self._payment_timeout = payment_timeout
        self._began = clock.since_boot()
        self._notes: collections.deque[float] = collections.deque(maxlen=_MOST_NOTES + 1)
        self._payable = 0
        self._made_up = 0.0
        """Notes that may come beyond that, for a silence before."""

    def objection(self, *, payable: bool) -> str:
        """Count a note that came; why it comes too soon, empty when it does not.

        ``payable``: before the agreement's end.
        """
        now = clock.since_boot()
        silence = now - (self._notes[-1] if self._notes else self._began)
        if silence > _NOTES_SECONDS:
            self._made_up = silence * _MOST_NOTES / _NOTES_SECONDS
        self._notes.append(now)
        if len(self._notes) > _MOST_NOTES and now - self._notes[0] < _NOTES_SECONDS:
            self._made_up -= 1
            if self._made_up < 0:
                return (
                    f"The provider sent more than {_MOST_NOTES} debit notes within {_NOTES_SECONDS:.0f} s. "
                    "No more of them are accepted."
                )
        self._payable += payable
        if payable and self._payment_timeout is None:
            return "The provider wants to be paid at once, which was not agreed. Its debit note is not accepted."
        if payable and (self._payable - 1) * (self._payment_timeout or 0.0) > now - self._began + _GRACE_SECONDS:
            return (
                "The provider wants to be paid more often than was agreed, and each payment costs a fee. "
                "Its debit note is not accepted."
            )
        return ""
