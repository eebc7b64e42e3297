"""How much more memory a session's own processes have while something is done than they had before."""

from __future__ import annotations

import contextlib

import psutil

from benchmarks import bed

EVERY_SECONDS = 0.02
_MEGA = 1_000_000


class Memory:
    """The resident sizes of the supervisor and of the agent's processes, the Lab's among them: before, and the most."""

    def __init__(self, session: bed.Session) -> None:
        self._processes = {"supervisor": [psutil.Process(session.supervisor)], "agent": _agent()}
        self._before = {name: self._size(name) for name in self._processes}
        self._peaks = dict(self._before)

    @property
    def more(self) -> float:
        """Bytes, of both together."""
        return sum(self._peaks.values()) - sum(self._before.values())

    @property
    def told(self) -> str:
        """How each of them fared."""
        return ", ".join(
            f"{name} {self._before[name] / _MEGA:.0f} → {peak / _MEGA:.0f} MB" for name, peak in self._peaks.items()
        )

    def look(self) -> None:
        """Called every :data:`EVERY_SECONDS`."""
        for name, peak in self._peaks.items():
            self._peaks[name] = max(peak, self._size(name))

    def _size(self, name: str) -> int:
        size = 0
        for process in self._processes[name]:
            with contextlib.suppress(psutil.NoSuchProcess):
                size += process.memory_info().rss
        return size


def _agent() -> list[psutil.Process]:
    """The processes of the agent in the only session: its process manager and what that forked."""
    everything = psutil.Process(bed.localnet_pid()).children(recursive=True)
    found = [process for process in everything if _is_agent(process)]
    if not found:
        raise RuntimeError("the agent's processes are not to be seen")
    return found


def _is_agent(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):  # one that is just ending
        return any(part.endswith("agent.json") for part in process.cmdline())
    return False
