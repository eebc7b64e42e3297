"""The way of one session: checks, allocation, provider, agent, Lab, watching, another provider, closing."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from golem_launcher import clock
from golem_launcher.errors import LauncherError, NodeError, ProviderError
from golem_launcher.events import LeftOut, Stage
from golem_launcher.market import wallet
from golem_launcher.networks import NETWORKS
from golem_launcher.outbound import access
from golem_launcher.session import deadlines, documents, extension, places, warm
from golem_launcher.session.hire.choice import Choice
from golem_launcher.session.hire.permission import permit_of
from golem_launcher.session.image import SessionImage
from golem_launcher.session.image_and_packages import image_and_packages
from golem_launcher.session.pay import bills
from golem_launcher.session.pay.ending import Farewells, close_wherever
from golem_launcher.session.pay.journal import Journal
from golem_launcher.session.pay.money import Money
from golem_launcher.session.pay.yagna import YagnaRest
from golem_launcher.session.reach import Reach
from golem_launcher.session.recovery import SEARCH_SECONDS, Recovery
from golem_launcher.session.rental import AGENT_GRACE_SECONDS, Rental
from golem_launcher.session.saves import Saves, as_told
from golem_launcher.session.stay import Stay
from golem_launcher.session.term import Term
from golem_launcher.session.unsaved import Unsaved, kept_words, patience
from golem_launcher.waiting import cancel_all, together

if TYPE_CHECKING:
    from datetime import datetime

    from golem_launcher.node.node import Node
    from golem_launcher.session.directory import SessionDirectory
    from golem_launcher.session.hire.engine import Engine
    from golem_launcher.session.hire.package import Rented
    from golem_launcher.session.recorder import Recorder
    from golem_launcher.workspace.generation import Generation

_LOG = logging.getLogger(__name__)

_DOCUMENTS_SECONDS = 8.0
"""How long the Lab's pages may take to save what is open in them; a hostile one says what it likes."""
_LAST_SAVE_SECONDS = 30.0
_CLOSING_SECONDS = 10.0
"""What the end itself takes, which costs as well."""
_INVOICE_SECONDS = 15.0
_LATE_INVOICE_SECONDS = 3.0
_CLOCK_SET_SECONDS = 60.0
"""The time of day may go apart from our clock by less, little by little."""


class Run:
    """One session at work. ``work`` once, then ``close`` once, whatever happened."""

    hurry = False
    """Close without waiting for anybody's good manners."""
    ending = False
    """Its end was asked for: no other provider is taken when this one is lost."""

    def __init__(self, directory: SessionDirectory, recorder: Recorder) -> None:
        self._directory = directory
        self._recorder = recorder
        self._request = directory.request()
        self._network = NETWORKS[self._request.network]
        mirror = self._network.has_package_mirror
        self._access = access(self._request.outbound, self._request.outbound_urls, mirror=mirror)
        self._choice = Choice(self._request)
        self._journal = Journal.create(directory.path)
        self._money = Money(self._request.budget, self._journal, recorder)
        self._term = Term.of(self._request.hours)
        self._reach = Reach(directory, self._request, secrets.token_hex(24), recorder)
        self._saves = Saves(directory, self._request, self._reach, recorder)
        self._resources = contextlib.AsyncExitStack()
        self._farewells = Farewells()
        self._rest: YagnaRest | None = None
        self._engine: Engine | None = None
        self._rental: Rental | None = None
        self._place: places.Place | None = None
        self._image: SessionImage | None = None
        self._identity = ""
        """The node's."""
        self._stay: Stay | None = None
        """With the provider whose Lab became ready, unless it was lost."""
        self._recovery = Recovery(
            self._request, choice=self._choice, term=self._term, money=self._money, recorder=recorder
        )
        self._extending = asyncio.Lock()
        self._set_forth = clock.set_forth()
        """The time of day against our clock, as last looked at."""
        self._files = ""
        """What became of the files when a provider was lost, in words."""

    async def work(self) -> str:
        """From the request to the end of the session by its own terms; the reason. Raises ``LauncherError``."""
        await self._begin()
        rental = self._rental
        assert rental is not None
        rented = await rental.rent()
        while True:
            try:
                return await self._be_ready(rented)
            except ProviderError as error:  # noqa: PERF203 - a provider lost is worth its price
                if self.ending:
                    raise
                rented = await self._go_on_elsewhere(rental, rented, error)

    async def open_on_hub(self, _arguments: dict[str, Any]) -> dict[str, Any]:
        """Let the hub's server show the Lab, which the user has agreed to. Raises ``AccessError``."""
        port = self._reach.open_on_hub()
        self._recorder.update(hub_port=port)
        return {"port": port}

    async def gateway(self, _arguments: dict[str, Any]) -> dict[str, Any]:
        """Open the Lab to programs of the user that can show no token. Raises ``AccessError``."""
        return {"address": await self._reach.gateway()}

    async def extend(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Give the session more time, more money or both. Raises ``LauncherError``."""
        if self._rest is None:
            raise LauncherError("The session has not begun yet.", "Try again in a moment.")
        async with self._extending:  # of two at once, the second extends what the first has made
            told = await extension.extend(
                arguments,
                request=self._request,
                term=self._term,
                money=self._money,
                rest=self._rest,
                recorder=self._recorder,
                agent=self._stay.lab if self._stay else None,
                grace_seconds=AGENT_GRACE_SECONDS,
            )
        await self._recorder.flush()
        return told

    async def save(self, _arguments: dict[str, Any]) -> dict[str, Any]:
        """Save the workspace now. Raises ``LauncherError``."""
        saved, missing = await self._save_all(deadlines.SAVE)
        await self._recorder.flush()  # who asked may read the state next
        return {**as_told(self._saves.workspace, saved, self._saves.left_out, self._saves.at_stake), "unsaved": missing}

    async def save_last(self, seconds: float) -> Unsaved:
        """Save a last time, before the end, within ``seconds``; what was not saved."""
        if self._stay is None or not self._request.save:
            return Unsaved()
        self._recorder.enter(Stage.SAVING)
        grace = patience(self._money.budget, self._recorder.state.price_per_hour)
        paid = self._money.affords(self._recorder.state.agreement_id or "") - _CLOSING_SECONDS
        try:
            _, missing = await self._save_all(max(min(seconds, paid), 1.0))
        except LauncherError as error:
            return Unsaved(f"{error.what} {self._saved()}", grace)
        saving = self._recorder.state.saving
        left_out = saving.problem if saving is not None and saving.at_stake else ""
        # Of open documents only their pages know, in which a stranger's script may run: they are told, and no more.
        return Unsaved(" ".join(filter(None, (left_out, missing))), grace if left_out else 0.0)

    def _saved(self) -> str:
        saving = self._recorder.state.saving
        if saving is None or saving.generation is None or saving.saved_at is None:
            return "Nothing is saved."
        return f"Saved is what was there at {saving.saved_at:%H:%M:%S} UTC (generation {saving.generation})."

    @property
    def all_saved(self) -> bool:
        """Whether an end would lose nothing of the workspace, as far as it is known."""
        return self._saves.whole

    def keep(self, unsaved: str, seconds: float) -> None:
        """The session goes on though its end was asked for: this is not saved. It is kept for so long."""
        if self._stay is not None:
            self._recorder.enter(Stage.READY)
        grace_ends = clock.told(clock.now() + timedelta(seconds=seconds))
        ends = (grace_ends, clock.told(self._term.deadline), self._recorder.state.money_ends_at)
        kept = kept_words(self._directory.name, unsaved, *ends)
        self._recorder.update(kept=kept)
        self._recorder.event(LeftOut(text=kept))

    async def find_ground(self) -> None:
        """The session's directory was made again: write down there what it is about, and listen. Raises ``OSError``."""
        self._journal.update()
        self._recorder.update()
        self._recorder.write_token(self._reach.token)
        await self._reach.renew()

    def say_ended(self) -> None:
        """Tell the pages of the Lab that are open in browsers that it is over, and why."""
        self._reach.documents.end(documents.farewell(self._recorder.state))

    async def close(self) -> str:
        """Give everything back, bounded in time; what could not be done, in words, or nothing. Never raises."""
        self._journal.strict = False
        try:
            if self._engine is not None:
                if self._stay is not None and not self.hurry:
                    await self._stay.rental.release()
                    await self._engine.invoice_came(_INVOICE_SECONDS)
                await self._engine.stop()
            await self._farewells.cut_short()
            if self._rest is not None:
                await close_wherever(self._rest, self._find_node, self._journal, invoice_seconds=_LATE_INVOICE_SECONDS)
                cost, at_most = bills.cost_of(self._directory, self._money.cost)
                self._recorder.update(cost=cost, owed_at_most=at_most)
        except NodeError as error:
            _LOG.warning("not everything was closed: %s", error)
            return f"Not everything could be closed down ({error.what}); it is tried again later."
        except Exception:  # noqa: BLE001 - the end must be written down whatever happens
            _LOG.exception("not everything was closed")
            return "Not everything could be closed down; it is tried again later."
        finally:
            with contextlib.suppress(Exception):
                await self._resources.aclose()
        return " ".join(self._journal.entries.refusals)

    async def _begin(self) -> None:
        """Everything that needs no provider: the network, the money, yapapi, the demand, the address."""
        self._recorder.enter(Stage.CHECKING)
        self._recorder.write_token(self._reach.token)
        self._recorder.update(deadline=self._term.deadline)
        self._resources.push_async_callback(self._saves.aclose)
        opened = asyncio.Event()
        (place, identity, allocation_id, expires), module, _ = await together(
            self._enter(opened),
            asyncio.to_thread(warm.engine),
            self._open_saves(opened),
        )
        assert self._rest is not None
        assert self._image is not None
        self._engine = module.Engine(
            place=place,
            network=self._network,
            request=self._request,
            access=self._access,
            image=self._image,
            choice=self._choice,
            permit=await permit_of(self._request, self._access, identity),
            journal=self._journal,
            money=self._money,
            told=self._recorder.progress,
        )
        self._recorder.message(self._access.sentence)
        await self._engine.start(identity, allocation_id, expires)
        self._place, self._identity = place, identity
        self._rental = Rental(
            place=place,
            rest=self._rest,
            engine=self._engine,
            choice=self._choice,
            term=self._term,
            reach=self._reach,
            saves=self._saves,
            access=self._access,
            recorder=self._recorder,
            image=self._image,
            disk_gib=self._request.disk_gib,
            enter=self._recovery.enter,
        )
        await self._rental.publish()
        self._resources.push_async_callback(self._reach.aclose)
        await self._reach.open()  # while offers come in
        following = asyncio.create_task(documents.follow(self._reach.documents, self._recorder))
        self._resources.push_async_callback(cancel_all, following)
        warm.end()

    async def _save_all(self, seconds: float) -> tuple[Generation | None, str]:
        """Save what is open in browsers, then the workspace: the generation, and what is missing in it, in words.

        Raises ``LauncherError`` when there is no generation within ``seconds``.
        """
        loop_time = asyncio.get_running_loop().time
        end = loop_time() + seconds
        outcome = await self._reach.documents.save(min(_DOCUMENTS_SECONDS, seconds / 2))
        self._recorder.update(unsaved=outcome.unsaved)  # it is told with the end, and followed but slowly
        return await self._saves.save(max(end - loop_time(), 1.0)), documents.missing(outcome)

    async def _open_saves(self, opened: asyncio.Event) -> None:
        await self._saves.open()
        opened.set()

    async def _enter(self, opened: asyncio.Event) -> tuple[places.Place, str, str, datetime]:
        """Reach the network and set the money aside there: the place, our identity, the allocation's id and end.

        No money before the saves are ``opened``: what is to be resumed may not be there.
        """
        place = await asyncio.to_thread(places.enter, self._network)
        os.environ.update(place.node.environment())  # yapapi starts `gftp` by the PATH
        self._rest = await self._resources.enter_async_context(YagnaRest(place.node))
        identity = await self._rest.identity()
        self._journal.update(network=self._network.name, api_url=place.node.api_url, settles=place.settles)
        await asyncio.to_thread(wallet.check_fees, place.node, self._network)
        await opened.wait()
        await self._prepare_image(place)
        self._recorder.enter(Stage.ALLOCATING)
        expires = self._term.allocation_ends()
        allocation_id = await self._money.reserve(self._rest, self._network, identity, expires)
        return place, identity, allocation_id, expires

    async def _prepare_image(self, place: places.Place) -> None:
        """No money before there is something to run. The time of the session begins when there is."""
        self._image = SessionImage(
            image_and_packages(self._request), network=self._network.name, registry_url=place.registry_url
        )
        self._resources.push_async_callback(self._image.aclose)
        began = clock.now()

        def making(what: str, done: int, total: int, unit: str) -> None:
            self._recorder.progress(f"Making the image: {what[:1].lower()}{what[1:]}", done, total, unit)

        await self._image.prepare(making=making, say=self._recorder.message)
        self._recorder.update(progress=None)
        self._term.put_off((clock.now() - began).total_seconds())
        self._recorder.update(deadline=self._term.deadline)

    async def _be_ready(self, rented: Rented) -> str:
        assert self._rest is not None
        assert self._engine is not None
        assert self._place is not None
        assert self._rental is not None
        self._recorder.update(
            address=self._reach.address,
            base_url=self._reach.base_url,
            activity_id=rented.activity_id,
            extendable_until=clock.told(self._term.extendable_until) if self._term.extendable_until else None,
        )
        for notice in filter(None, (self._recovery.end(rented.provider_name, self._files), *self._rental.notices)):
            self._notice(notice)
        self._recorder.enter(Stage.READY)
        self._saves.begin()
        self._stay = Stay(
            rented=rented,
            network=self._network,
            place=self._place,
            find_node=self._find_node,
            mind_clock=self._mind_clock,
            rest=self._rest,
            engine=self._engine,
            rental=self._rental,
            reach=self._reach,
            save=self._save_all,
            money=self._money,
            term=self._term,
            recorder=self._recorder,
            lab_log=self._directory.lab_log,
            leave_overbilling=self._request.recover,
        )
        try:
            return await self._stay.until_over()
        except (ProviderError, NodeError):
            self._stay = None
            raise

    async def _go_on_elsewhere(self, rental: Rental, lost: Rented, error: ProviderError) -> Rented:
        """Another provider in the place of one that was lost. Raises ``LauncherError`` when there is none."""
        disputed = self._money.dispute(lost.agreement_id) is not None
        self._journal.update_agreement(lost.agreement_id, lost_at=clock.now())
        self._recovery.begin(lost, error, overbilled=disputed)
        if disputed:  # it is still there: nothing need be lost
            with contextlib.suppress(LauncherError):
                await self._save_all(_LAST_SAVE_SECONDS)
            await rental.release()
        await self._saves.part()  # a generation that is being written counts
        self._files = self._saves.saved_last()
        await rental.abandon()
        entry = self._journal.agreement(lost.agreement_id)
        assert entry is not None
        assert self._rest is not None
        self._farewells.say(self._rest, self._journal, entry)
        await self._mind_clock()
        self._recovery.look_again()
        try:
            await rental.publish()
            return await rental.rent(least_seconds=SEARCH_SECONDS)
        except NodeError:
            raise
        except LauncherError as why:
            raise self._recovery.nobody_left(why) from None

    async def _mind_clock(self) -> None:
        """Whether the time of day was set: what others know of moments is then told anew, at the node and to people."""
        forth = clock.set_forth()
        by = forth - self._set_forth
        if abs(by) < _CLOCK_SET_SECONDS or self._rest is None:
            return
        self._set_forth = forth
        until = self._term.extendable_until
        ends = clock.told(self._term.deadline)
        self._recorder.update(deadline=ends, extendable_until=None if until is None else clock.told(until))
        way = "forth" if by > 0 else "back"
        self._recorder.message(
            f"The clock of this computer was set {way} by {timedelta(seconds=round(abs(by)))}. The session goes by the "
            f"time that really passed: it ends at {ends:%Y-%m-%d %H:%M} UTC now.",
            "warning",
        )
        try:
            async with self._extending:
                await self._money.extend(self._rest, self._money.budget, self._term.allocation_ends())
        except LauncherError as error:
            _LOG.warning("the allocation keeps its old end: %s", error)

    def _find_node(self) -> Node | None:
        """The node at another address, where it is. Blocking."""
        if self._place is None:
            return None
        return places.elsewhere(self._network, self._place.node, self._identity)

    def _notice(self, text: str) -> None:
        self._recorder.update(notices=(*self._recorder.state.notices, text))
        self._recorder.message(text, "warning")
