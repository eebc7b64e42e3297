"""Rents a provider whose Lab answers; several are tried, at the start of a session and again when one is lost."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from golem_launcher import clock
from golem_launcher.access.package import agent_archive, spare_pip
from golem_launcher.errors import BusError, ImageBlamed, MarketError, NodeError, NodeUnreachable, ProviderError
from golem_launcher.events import Stage
from golem_launcher.market.constraint import condition
from golem_launcher.session.hire import starting
from golem_launcher.session.hire.blame import Blame
from golem_launcher.session.hire.package import Package
from golem_launcher.session.words import agent_has_ended, reason_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from golem_launcher.outbound import Access
    from golem_launcher.session.hire.choice import Choice
    from golem_launcher.session.hire.engine import Engine
    from golem_launcher.session.hire.hiring import Hiring
    from golem_launcher.session.hire.package import Rented
    from golem_launcher.session.image import SessionImage
    from golem_launcher.session.pay.yagna import YagnaRest
    from golem_launcher.session.places import Place
    from golem_launcher.session.reach import Reach
    from golem_launcher.session.recorder import Recorder
    from golem_launcher.session.saves import Saves
    from golem_launcher.session.term import Term

_AGENT_PATH = "/golem/run/golem-launcher-agent.pyz"
_CONFIG_PATH = "/golem/run/golem-launcher-agent.json"
_PIP_PATH = "/golem/run/golem-launcher-pip.zip"
_WORKSPACE, _RUN = "/golem/work", "/golem/run"
_ROOT = "../work"
"""As seen from the configuration: a runtime without mounts keeps the container's paths somewhere else."""

_SHARED_DISK = (
    "This provider's virtual machine is of an older kind: the files lie on a disk that it shares with its host. "
    "SQLite's WAL, memory-mapped files (np.memmap, safetensors), sockets, FIFOs and owners of files (cp -a complains) "
    "do not work there; in /tmp, which is memory, they do."
)
_ATTEMPTS = 3
_LAB_POLL_SECONDS = 0.1
_ASK_SECONDS = 15.0
"""A Lab that does not answer for that long may have been given up by its agent, which is asked then."""
_LAB_PROBE_SECONDS = 2.0
_REJOIN_SECONDS = 25.0
_SCAN_SECONDS = 3.0
_NODE_SECONDS = 60.0
"""How long a node may be away while a provider makes ready."""
_NODE_POLL_SECONDS = 0.5
AGENT_GRACE_SECONDS = 120.0
"""The agent ends everything that long after the deadline, should nobody else: the last save comes before."""


class Rental:
    """The providers of one session, one after the other."""

    def __init__(
        self,
        *,
        place: Place,
        rest: YagnaRest,
        engine: Engine,
        choice: Choice,
        term: Term,
        reach: Reach,
        saves: Saves,
        access: Access,
        recorder: Recorder,
        image: SessionImage,
        disk_gib: float,
        enter: Callable[[Stage], None],
    ) -> None:
        self._place = place
        self._rest = rest
        self._engine = engine
        self._choice = choice
        self._term = term
        self._reach = reach
        self._saves = saves
        self._access = access
        self._recorder = recorder
        self._image = image
        self._enter = enter
        self._disk_gib = disk_gib
        self._told_of_disk = False
        self._hiring: Hiring | None = None
        self._blame = Blame()
        self._image_runs = False
        """Whether a session became ready in the image: it has what is needed."""
        self.notices: list[str] = []
        """What the user should know of how the present provider was made ready."""

    async def publish(self) -> None:
        """Put a demand on the market; offers come in from now on."""
        self._enter(Stage.NEGOTIATING)
        self._hiring = await self._engine.hire(self._package, clock.told(self._term.agree()))
        if not self._image.familiar:
            await asyncio.to_thread(spare_pip)  # kept, for the moment when it is sent

    async def rent(self, *, least_seconds: float = 0.0) -> Rented:
        """A provider whose Lab answers. Raises ``MarketError`` or ``BudgetError`` when there is none.

        Somebody is looked for at least ``least_seconds``, even where nobody that fits is on the market.
        """
        assert self._hiring is not None, "publish first"
        for _ in range(_ATTEMPTS):
            assert self._hiring is not None
            await self._agree(self._hiring, least_seconds)
            self._enter(Stage.DEPLOYING)
            try:
                rented = await self._deployed(self._hiring)
                self._enter(Stage.STARTING)
                self._reach.point_at(self._place.node, rented)
                self.notices = [*self._about(rented), *await self._saves.meet(self._hiring.carry())]
                await self._lab_answers(self._hiring)
            except ProviderError as error:
                if await self._node_began_anew():
                    await self._begin_anew()
                    continue
                provider = self._recorder.state.provider_id or "", self._recorder.state.provider_name or ""
                self._recorder.message(f"{provider[1]}: {error.what}", "warning")
                self._reach.point_nowhere()
                await self._saves.part()
                if isinstance(error, ImageBlamed):
                    self._choice.blames_image(*provider, error.what)
                    await self._hiring.release()
                    self._blame.hear(*provider, error)
                else:
                    await self._hiring.give_up(error.what)
                self._enter(Stage.NEGOTIATING)
            else:
                self._image_runs = True
                for blamed in self._blame.refuted():
                    self._choice.failed(*blamed)
                self._hiring.leave_market()
                return rented
        raise self._blame.instead_of(self._choice.failure())

    async def rejoin(self, rented: Rented) -> str:
        """Reach the present provider again after the node was started anew; the private network's new id.

        Raises ``ProviderError`` when that does not work.
        """
        what = "The node was started anew, and the private network to the provider went with the old one."
        loop_time = asyncio.get_running_loop().time
        end = loop_time() + _REJOIN_SECONDS
        self._reach.point_nowhere()
        try:
            again = await self._engine.rejoin(rented)
        except (BusError, NodeError) as error:
            raise ProviderError(f"{what} {error.what}") from error
        self._reach.point_at(self._place.node, again)
        async with self._reach.lab() as lab:
            while not await lab.answers(seconds=_LAB_PROBE_SECONDS):
                if loop_time() > end:
                    raise ProviderError(what)
                await asyncio.sleep(_LAB_POLL_SECONDS)
        return again.network_id

    async def release(self) -> None:
        """Let go of the present provider in good order, bounded in time."""
        self._reach.point_nowhere()
        if self._hiring is not None:
            await self._hiring.release()

    async def abandon(self) -> None:
        """Let go of a provider that is lost: nothing is asked of it."""
        self._reach.point_nowhere()
        if self._hiring is not None:
            await self._hiring.aclose()
            self._hiring = None

    def _about(self, rented: Rented) -> list[str]:
        """What the user should know of the provider's disk, once a session."""
        told, self._told_of_disk = self._told_of_disk, self._told_of_disk or not rented.own_disk
        return [] if told or rented.own_disk else [_SHARED_DISK]

    def _package(self) -> Package:
        config = {
            **self._reach.agent_settings(),
            "root": _ROOT,
            "deadline": self._term.deadline.timestamp() + AGENT_GRACE_SECONDS,
            "now": clock.now().timestamp(),  # the provider's clock may be wrong
            "hold": self._saves.hold,
            "index_url": self._access.index_url,
        }
        files = [(_AGENT_PATH, agent_archive()), (_CONFIG_PATH, json.dumps(config).encode())]
        if not self._image.familiar:  # what is in it is not known here
            files.append((_PIP_PATH, spare_pip()))
        return Package(
            files=tuple(files),
            workspace=_WORKSPACE,
            run=_RUN,
            disk_gib=self._disk_gib,
            argv=starting.python(_AGENT_PATH, _CONFIG_PATH),
            last_words=starting.python(_AGENT_PATH, "--last-words", _CONFIG_PATH),
            image_is_known=self._image.known_whole or self._image_runs,
        )

    async def _deployed(self, hiring: Hiring) -> Rented:
        """The package runs there, at the second try if need be: an activity that failed can't deploy again."""
        try:
            return await hiring.deployed()
        except ProviderError as error:
            if isinstance(error, ImageBlamed) or not await hiring.start_again():
                raise
            self._recorder.message(f"{self._recorder.state.provider_name}: {error.what} It is tried once more there.")
        return await hiring.deployed()

    async def _node_began_anew(self) -> bool:
        """Whether the node was started anew, which no provider is to blame for; waited for while it is away.

        Raises ``NodeUnreachable`` when it stays away.
        """
        loop_time = asyncio.get_running_loop().time
        end = loop_time() + _NODE_SECONDS
        while True:
            try:
                known = {str(network.get("id")) for network in await self._rest.networks()}
            except NodeUnreachable:  # noqa: PERF203 - it may take as long as this
                if loop_time() > end:
                    raise
                await asyncio.sleep(_NODE_POLL_SECONDS)
            else:
                return bool(self._engine.network_id) and self._engine.network_id not in known

    async def _begin_anew(self) -> None:
        """Let go of whoever was being rented, and put the demand on the market of the node that was started anew."""
        self._recorder.message("The node was started anew meanwhile, so a provider is looked for again.", "warning")
        self._reach.point_nowhere()
        await self._saves.part()
        if self._hiring is not None:
            await self._hiring.release()
        await self.abandon()
        self._engine.renew()
        await self.publish()

    async def _agree(self, hiring: Hiring, least_seconds: float) -> None:
        """An agreement with somebody, or the reason why there is none, as early as it is known."""
        patience: dict[str, Any] = {
            "refused_seconds": max(self._place.patience.refused, least_seconds),
            "compare_seconds": self._place.patience.compare,
            "head_start_seconds": self._place.patience.head_start,
        }
        try:
            await hiring.agree(search_seconds=max(self._place.patience.look, least_seconds), **patience)
        except MarketError:
            offers = await self._offers()
            if self._choice.hopeless or (offers and not any(map(self._choice.fits, offers))):
                raise self._blame.instead_of(self._choice.failure(offers)) from None
        else:
            return
        try:
            await hiring.agree(search_seconds=self._place.patience.search, **patience)
        except MarketError:
            raise self._blame.instead_of(self._choice.failure()) from None

    async def _offers(self) -> list[dict[str, Any]]:
        """What the market has, whether it fits or not; nothing when that is already known or can't be."""
        if self._choice.looked_at:
            return []
        try:
            return await self._rest.scan_offers(
                condition("golem.node.debug.subnet", "=", self._place.subnet), seconds=_SCAN_SECONDS
            )
        except NodeError:
            return []

    async def _lab_answers(self, hiring: Hiring) -> None:
        """Wait for it; when it does not come up, ask the agent why: its log is read through the Lab otherwise."""
        loop_time = asyncio.get_running_loop().time
        end = loop_time() + self._place.patience.start
        ask_at = loop_time() + _ASK_SECONDS
        async with self._reach.lab() as lab:
            while not await lab.answers(seconds=_LAB_PROBE_SECONDS):
                if loop_time() > min(ask_at, end):
                    said = await hiring.last_words()
                    ask_at = loop_time() + _ASK_SECONDS
                    if agent_has_ended(said):
                        raise ProviderError(f"JupyterLab could not be started. {reason_in(said)}".rstrip())
                    if loop_time() > end:
                        late = f"JupyterLab did not answer within {self._place.patience.start:.0f} s."
                        raise ProviderError(f"{late} {reason_in(said)}".rstrip())
                await asyncio.sleep(_LAB_POLL_SECONDS)
