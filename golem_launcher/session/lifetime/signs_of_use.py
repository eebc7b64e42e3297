"""Whether anything happens in a session, by what its machines tell from one look to the next.

All of it is the word of strangers: a lie of theirs keeps a session that its user pays for anyway, or has it saved and
stopped. What can't be read counts as use, since work that is cut off is worse than a machine that is paid.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from golem_launcher.session_state import MachineState

BUSY_PERCENT = 5.0
"""Of one core, and of a GPU: JupyterLab with an open page takes less."""
_LOOKS = 6
"""A machine is as busy as it was on average in so many: saving takes a moment now and then."""
_MOST_TOLD = 500
_LONGEST_WORD = 100
_PENDING = ("processing", "waiting", "unrunnable")
"""What Dask's scheduler counts of tasks that are not done."""
_AT_REST = {"idle", "dead", ""}
"""States of kernels; terminals have none."""


class SignsOfUse:
    """Compares each look at one session with the one before."""

    def __init__(self) -> None:
        self._told: frozenset[tuple[str, str, str]] | None = None
        self._loads: dict[int, deque[float]] = {}

    def running(self, kernels: Any, terminals: Any) -> bool:
        """Whether a kernel or a terminal did something, by JupyterLab's two lists of them."""
        try:
            told = frozenset((*_each(kernels, "id"), *_each(terminals, "name")))
        except (AttributeError, TypeError, ValueError):
            return True
        before, self._told = self._told, told
        busy = any(state not in _AT_REST for _, state, _ in told)
        return busy or (before is not None and not told <= before)

    def load(self, machines: Iterable[MachineState]) -> bool:
        """Whether one of the ``machines`` computes, by its load of late. One without figures is taken to compute."""
        usages = {one.number: one.usage for one in machines}
        self._loads = {number: self._loads.get(number, deque(maxlen=_LOOKS)) for number in usages}
        busy = False
        for number, usage in usages.items():
            loads = self._loads[number]
            if usage is None:
                busy = True
                continue
            loads.append(max(usage.cpu_percent, usage.gpu_percent or 0.0))
            busy = busy or sum(loads) / len(loads) >= BUSY_PERCENT
        return busy


def computes(counts: Any) -> bool:
    """Whether a Dask cluster has tasks that are not done, by what its scheduler counts."""
    try:
        return any(counts[name] > 0 for name in _PENDING)
    except (KeyError, TypeError):
        return True


def _each(listed: Any, key: str) -> Iterable[tuple[str, str, str]]:
    """Name, state and last activity of each. Raises ``AttributeError``, ``TypeError`` and ``ValueError``."""
    found = [] if listed is None else list(listed)
    if len(found) > _MOST_TOLD:
        raise ValueError("more than anybody has")
    return [(_word(one, key), _word(one, "execution_state"), _word(one, "last_activity")) for one in found]


def _word(one: dict[str, Any], key: str) -> str:
    return str(one.get(key, ""))[:_LONGEST_WORD]
