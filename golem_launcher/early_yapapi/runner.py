"""What was ``yapapi.runner``: an engine that has the tasks of one job done. Its later name is ``yapapi.Executor``."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import yapapi
from yapapi.payload import vm

from .context import WorkContext
from .networks import driver_of, network_of, subnet_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable
    from decimal import Decimal

    from typing_extensions import Self
    from yapapi.payload import Payload

__all__ = ["Engine", "Executor", "Task", "WorkContext", "vm"]


class Task(yapapi.Task):  # type: ignore[misc, unused-ignore] # yapapi has no types for mypy
    """One unit of work. It has the two words by which its result was taken or not, beside today's."""

    def accept_task(self, result: Any = None) -> None:
        """It is done."""
        self.accept_result(result)

    def reject_task(self, reason: str | None = None, retry: bool = False) -> None:  # noqa: FBT001, FBT002 - as it was
        """It is not done; ``retry``: it is to be tried again."""
        self.reject_result(reason, retry)


class Executor:
    """Has tasks done by ``max_workers`` providers, for ``budget`` GLM at most. ``async with`` it.

    Drivers, networks and subnets that are no more become today's, which is told.
    """

    def __init__(
        self,
        *,
        package: Payload,
        max_workers: int = 5,
        timeout: timedelta = timedelta(minutes=15),
        budget: float | Decimal,
        strategy: Any = None,
        subnet_tag: str | None = None,
        driver: str | None = None,
        network: str | None = None,
        event_consumer: Callable[[Any], None] | None = None,
        event_emitter: Callable[[Any], None] | None = None,
        stream_output: bool = False,
    ) -> None:
        """``timeout`` is for all tasks together. ``event_emitter`` was the first name of ``event_consumer``."""
        self._package = package
        self._max_workers = max_workers
        self._timeout = timeout
        self._golem = yapapi.Golem(
            budget=budget,
            strategy=strategy,
            subnet_tag=subnet_of(subnet_tag),
            payment_driver=driver_of(driver),
            payment_network=network_of(network),
            event_consumer=event_consumer or event_emitter,
            stream_output=stream_output,
        )

    async def __aenter__(self) -> Self:
        await self._golem.start()
        return self

    async def __aexit__(self, *exc_info: object) -> Any:
        return await self._golem.__aexit__(*exc_info)

    @property
    def driver(self) -> str:
        """The payment driver."""
        return str(self._golem.payment_driver)

    @property
    def network(self) -> str:
        """The payment network."""
        return str(self._golem.payment_network)

    def submit(
        self, worker: Callable[[WorkContext, AsyncIterator[Any]], Any], data: Iterable[Any] | AsyncIterator[Any]
    ) -> Any:
        """Have the tasks of ``data`` done by ``worker``: an iterator of them, as they are accepted."""
        return self._golem.execute_tasks(
            lambda context, tasks: worker(WorkContext(context), tasks),
            data,
            payload=self._package,
            max_workers=self._max_workers,
            timeout=self._timeout,
        )


class Engine(Executor):
    """An executor by its first name."""

    def map(
        self, worker: Callable[[WorkContext, AsyncIterator[Any]], Any], data: Iterable[Any] | AsyncIterator[Any]
    ) -> Any:
        """As :meth:`submit`."""
        return self.submit(worker, data)
