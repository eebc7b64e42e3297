"""The interface by which a runner gets its tasks and reports what became of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from golem_launcher.tasks.events import JobEvent
    from golem_launcher.tasks.payload import Answer, Payload
    from golem_launcher.tasks.scheduler import Attempt, Fault


class TaskSource(Protocol):
    """A job's tasks: of commands, of notebooks, or of functions."""

    def payload(self, task: int) -> Payload | None:
        """What is sent for a task; ``None`` when nobody wants it any more. Asked again for each attempt."""

    def fault(self, attempt: Attempt, answer: Answer) -> tuple[str, Fault] | None:
        """Why this is no result, and whose fault that is; ``None`` for a result."""

    async def check(self, task: int, answer: Answer) -> str:
        """Why the user does not want this result, in words; empty when it is wanted."""

    async def keep(self, results: Sequence[tuple[Attempt, Answer]]) -> None:
        """Keep the results of tasks, all that came at once. Each task's once. Raises ``OSError`` when it can't be."""

    async def give_up(self, task: int, reason: str) -> None:
        """The task failed, and is not tried again; the answer that was its last is still there."""

    def told(self, happened: JobEvent) -> None:
        """Something happened that a person may want to see."""
