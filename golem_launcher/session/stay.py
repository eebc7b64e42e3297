"""The time with one provider whose Lab is ready: its log and usage are followed, and it is watched."""

from __future__ import annotations

import asyncio
import functools
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from golem_launcher.session import asleep
from golem_launcher.session.meter import follow_usage
from golem_launcher.session.watch import Watch
from golem_launcher.waiting import cancel_all

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from pathlib import Path
    from typing import Any

    from golem_launcher.networks import Network
    from golem_launcher.node.node import Node
    from golem_launcher.session.hire.engine import Engine
    from golem_launcher.session.hire.package import Rented
    from golem_launcher.session.lab import LabClient
    from golem_launcher.session.pay.money import Money
    from golem_launcher.session.pay.yagna import YagnaRest
    from golem_launcher.session.places import Place
    from golem_launcher.session.reach import Reach
    from golem_launcher.session.recorder import Recorder
    from golem_launcher.session.rental import Rental
    from golem_launcher.session.term import Term


@dataclass
class Stay:
    """One session at one provider."""

    rented: Rented
    network: Network
    place: Place
    find_node: Callable[[], Node | None]
    """Looks for the node at other addresses. Blocking."""
    mind_clock: Callable[[], Awaitable[None]]
    rest: YagnaRest
    engine: Engine
    rental: Rental
    reach: Reach
    save: Callable[[float], Awaitable[object]]
    """Saves all there is within so many seconds. Raises ``LauncherError``."""
    money: Money
    term: Term
    recorder: Recorder
    lab_log: Path
    leave_overbilling: bool
    """Whether a provider whose bill was refused is left."""
    lab: LabClient | None = None
    """A client of the Lab while it is ready."""

    async def until_over(self) -> str:
        """Until the session is over by its own terms; the reason.

        Raises ``ProviderError`` when the provider is lost and ``NodeError`` when the node stays away.
        """
        async with self.reach.lab() as lab:
            self.lab = lab
            followers = [asyncio.create_task(follower) for follower in self._followers(lab)]
            try:
                return await self._watch(lab).until_over()
            finally:
                self.lab = None
                await cancel_all(*followers)

    def _followers(self, lab: LabClient) -> list[Coroutine[Any, Any, None]]:
        followers = [lab.follow_log(self.lab_log), follow_usage(lab, self.recorder)]
        if not self.network.sleeps_along:
            followers.append(asleep.watch(self.save, self.recorder))
        return followers

    def _watch(self, lab: LabClient) -> Watch:
        return Watch(
            rest=self.rest,
            lab=lab,
            money=self.money,
            term=self.term,
            recorder=self.recorder,
            agreement_id=self.rented.agreement_id,
            activity_id=self.rented.activity_id,
            network_id=self.rented.network_id,
            silent_seconds=self.place.patience.silent,
            leave_overbilling=self.leave_overbilling,
            keep_paying=self.engine.revive,
            rejoin=functools.partial(self.rental.rejoin, self.rented),
            refuses=self.reach.refuses,
            mind_clock=self.mind_clock,
            follow_node=self._follow_node,
        )

    async def _follow_node(self, network_id: str) -> bool:
        """Whether the node answers somewhere else; all then goes there."""
        node = await asyncio.to_thread(self.find_node)
        if node is None:
            return False
        self.place.node = node
        os.environ.update(node.environment())
        self.rest.follow(node)
        self.engine.follow(node)
        self.reach.point_at(node, replace(self.rented, network_id=network_id))
        return True
