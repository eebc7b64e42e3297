"""What views order that must be done once: a view asks again until it hears the answer, as that may be lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_AT_MOST = 20
"""Of which it is remembered how they were answered."""


class Orders:
    """The orders of one widget, each by an id of its view's. ``send`` takes a message for the front ends."""

    def __init__(self, send: Callable[[dict[str, Any]], None]) -> None:
        self._send = send
        self._answers: dict[str, dict[str, Any] | None] = {}
        """``None`` while there is none."""

    def is_new(self, order: str) -> bool:
        """Whether this order is heard for the first time; else its answer is sent again, once there is one."""
        if order in self._answers:
            answer = self._answers[order]
            if answer is not None:
                self._send(answer)
            return False
        self._answers[order] = None
        for old in list(self._answers)[:-_AT_MOST]:
            del self._answers[old]
        return True

    def answer(self, order: str, answer: dict[str, Any]) -> None:
        """Tell what became of it."""
        self._answers[order] = answer = {**answer, "order": order}
        self._send(answer)
