"""Files to and from a provider while its session runs, by commands of its activity: bulk that would crowd the VPN."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import ProviderError
from golem_launcher.untrusted_text import sentence

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_SECONDS = 300.0


@dataclass(frozen=True)
class QueuedBatch:
    """One batch of commands, with the future on which its caller waits."""

    commands: Callable[[Any], None]
    """Adds the commands to yapapi's script."""
    done: asyncio.Future[list[Any]]
    """Becomes yapapi's events, one a command."""
    seconds: float

    def succeed(self, events: list[Any]) -> None:
        """Give yapapi's events to whoever waits. Called by :func:`golem_launcher.rental.activity_run.run_activity`."""
        if not self.done.done():
            self.done.set_result(events)

    def fail(self, why: str) -> None:
        """Raise ``ProviderError`` in whoever waits; ``why`` is the end of its sentence."""
        if not self.done.done():
            self.done.set_exception(ProviderError(sentence(f"The provider failed: {why}")))


class BatchQueue:
    """The batches of one activity; they run one after another, as the commands of an activity do."""

    def __init__(self) -> None:
        self._queue: deque[QueuedBatch] = deque()
        self._left = False
        self._news = asyncio.Event()

    @property
    def is_left(self) -> bool:
        """Whether the activity should end."""
        return self._left

    def leave(self) -> None:
        """Accept no more batches, so that the activity ends. Called when a machine is released."""
        self._left = True
        self._news.set()

    async def next(self) -> QueuedBatch | None:
        """Wait for the next batch whose caller still waits; ``None`` when the activity should end."""
        while not self._left:
            while self._queue:
                batch = self._queue.popleft()
                if not batch.done.done():
                    return batch
            self._news.clear()
            await self._news.wait()
        return None

    async def run(self, commands: Callable[[Any], None], *, seconds: float = _SECONDS) -> list[Any]:
        """Queue one batch and wait for it; returns yapapi's events. Raises ``ProviderError`` if it fails.

        Who is cancelled leaves the batch to itself, and removes the file that it brings: the rest of it is not kept.
        """
        if self._left:
            raise _gone()
        batch = QueuedBatch(commands, asyncio.get_running_loop().create_future(), seconds)
        self._queue.append(batch)
        self._news.set()
        return await batch.done

    def drop(self) -> None:
        """Fail all batches that are left, because the activity has ended."""
        self.leave()
        while self._queue:
            self._queue.popleft().fail("the activity has ended")


def _gone() -> ProviderError:
    return ProviderError("The activity has ended.")


class ActivityTransfer:
    """Whole files to and from an activity, as the workspace room asks for it."""

    def __init__(self, batches: BatchQueue) -> None:
        self._batches = batches

    async def transfer_out(self, container_path: str, local_path: Path) -> None:
        """Copy a file from the provider to this computer. Raises ``ProviderError``."""
        await self._batches.run(lambda script: script.download_file(container_path, str(local_path)))

    async def transfer_in(self, local_path: Path, container_path: str) -> None:
        """Copy a file from this computer to the provider. Raises ``ProviderError``."""
        await self._batches.run(lambda script: script.upload_file(str(local_path), container_path))
