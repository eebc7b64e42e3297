"""Runs one session from start to end: prepares it, gives it to its head and its pool, and closes it down."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from datetime import timedelta
from typing import TYPE_CHECKING

from golem_launcher import clock
from golem_launcher.errors import LauncherError, NodeError
from golem_launcher.events import LeftOut, Stage
from golem_launcher.market import wallet
from golem_launcher.node.requestor_api import YagnaRest
from golem_launcher.rental.image import SessionImage
from golem_launcher.rental.image_faults import ImageFaults
from golem_launcher.rental.outbound_permit import permit_of
from golem_launcher.rental.payment import bills
from golem_launcher.rental.payment.closing import close_wherever
from golem_launcher.rental.payment.money import Funds
from golem_launcher.rental.payment.terminations import Terminations
from golem_launcher.rental.requested_machine import RequestedMachine
from golem_launcher.session import timeouts
from golem_launcher.session.context import Context, Entered, Prepared
from golem_launcher.session.lifetime import borrowed_gpu
from golem_launcher.session.machines.head_machine import Head
from golem_launcher.session.machines.pool import Pool
from golem_launcher.session.machines.renting import Renting
from golem_launcher.session.on_disk.parked_address import told_at_end
from golem_launcher.session.preparation import network_nodes
from golem_launcher.session.preparation.image_and_packages import image_and_packages
from golem_launcher.session.saving import documents
from golem_launcher.session.supervision import last_save, preload
from golem_launcher.session.supervision.last_save import Unsaved, not_ended_words
from golem_launcher.waiting import cancel_all, each_alone, together

if TYPE_CHECKING:
    from golem_launcher.rental.network_connection import NetworkConnection
    from golem_launcher.rental.payment.money import Reserved
    from golem_launcher.session.endpoints.lab_page_service import LabPageService
    from golem_launcher.session.on_disk.directory import SessionDirectory
    from golem_launcher.session.reporting.recorder import Recorder
    from golem_launcher.session.saving.saves import Saves

_LOG = logging.getLogger(__name__)

_INVOICE_SECONDS = 15.0
_LATE_INVOICE_SECONDS = 3.0


class SessionRun:
    """One session at work. ``work`` once, then ``close`` once, whatever happened."""

    hurry = False
    """Close without waiting for anybody's good manners."""
    ending = False
    """Its end was asked for: no other provider is taken when this one is lost."""

    def __init__(self, directory: SessionDirectory, recorder: Recorder) -> None:
        self.session = Context.of(directory, recorder)
        self._recorder = recorder
        self._resources = contextlib.AsyncExitStack()
        self.entered: Entered | None = None
        """Once there is something at the node to close down."""
        self._prepared: Prepared | None = None
        """Once machines can be rented."""
        self.head = Head(self.session, lambda: self.ending)
        self.pool: Pool | None = None
        """The other machines, once they can be rented."""
        self._first = 1 if self.session.workload.begins_with_one else self.session.request.machines_wanted
        """How many machines it begins with."""
        self._over = False
        """Its work is over by its own terms."""

    async def work(self) -> str:
        """From the request to the end of the session by its own terms; the reason. Raises ``LauncherError``."""
        session = await self._prepare()
        renting = Renting(session, session.slots[0])
        demand = await renting.publish()
        await self._listen()  # while offers come in
        pool = self.pool = Pool(session, session.slots[1:], lambda: self.ending or self._over)
        head = asyncio.create_task(self.head.work(renting, demand))
        await asyncio.sleep(0)  # the head is the first to look for a provider
        pool.begin(demand, self._first - 1)
        if session.cluster is not None:
            session.cluster.scaled_by(pool.scale, pool.numbers)
        try:
            await asyncio.wait({head, pool.over}, return_when=asyncio.FIRST_COMPLETED)
            return head.result() if head.done() else pool.over.result()
        finally:
            self._over = True
            await cancel_all(head)

    async def _prepare(self) -> Prepared:
        """Everything that needs no provider: the network, the image, the money, yapapi."""
        session, recorder = self.session, self._recorder
        recorder.enter(Stage.CHECKING)
        self._write_tokens()
        recorder.update(deadline=session.deadline.at)
        self._resources.push_async_callback(session.saves.aclose)
        opened = asyncio.Event()
        (entered, image, reserved), module, _ = await together(
            self._enter(opened),
            asyncio.to_thread(preload.engine),
            self._open_saves(opened),
        )
        permit = await permit_of(session.request, session.outbound, entered.identity)
        engine = module.SessionEngine(
            entered.connection,
            RequestedMachine(session.request, image, session.outbound, permit),
            Funds(reserved, session.money, session.journal),
            session.choice,
        )
        prepared = self._prepared = Prepared(
            **vars(entered), image=image, engine=engine, image_faults=ImageFaults(), terminations=Terminations()
        )
        recorder.message(session.outbound.sentence)
        await engine.publishable()
        return prepared

    async def _open_saves(self, opened: asyncio.Event) -> None:
        await self.session.saves.open()
        opened.set()

    async def _enter(self, opened: asyncio.Event) -> tuple[Entered, SessionImage, Reserved]:
        """Reach the network, make the image ready, set the money aside.

        No money before the saves are ``opened``: what is to be resumed may not be there.
        """
        session = self.session
        connection = await asyncio.to_thread(network_nodes.enter, session.network)
        os.environ.update(connection.node.environment())  # yapapi starts `gftp` by the PATH
        rest = await self._resources.enter_async_context(YagnaRest.open(connection.node))
        entered = Entered(**vars(session), connection=connection, rest=rest, identity=await rest.identity())
        session.journal.update(
            network=session.network.name, api_url=connection.node.api_url, settles=connection.settles
        )
        self.entered = entered
        await asyncio.to_thread(wallet.check_fees, connection.node, session.network)
        await opened.wait()
        image = await self._prepare_image(connection)
        self._recorder.enter(Stage.ALLOCATING)
        expires = session.deadline.allocation_ends()
        return entered, image, await session.money.reserve(rest, session.network, entered.identity, expires)

    async def _prepare_image(self, connection: NetworkConnection) -> SessionImage:
        """No money before there is something to run. The time of the session begins when there is."""
        session, recorder = self.session, self._recorder
        wanted = image_and_packages(session.request)
        image = SessionImage(
            wanted.image, variant=wanted.variant, network=session.network.name, registry_url=connection.registry_url
        )
        self._resources.push_async_callback(image.aclose)
        began = clock.now()

        def making(what: str, done: int, total: int, unit: str) -> None:
            recorder.progress(f"Making the image: {what[:1].lower()}{what[1:]}", done, total, unit)

        await image.prepare(making=making, say=recorder.message)
        recorder.update(progress=None)
        session.deadline.put_off((clock.now() - began).total_seconds())
        recorder.update(deadline=session.deadline.at)
        return image

    async def _listen(self) -> None:
        """Open the ways in. Raises ``AccessError``."""
        endpoint = self.session.endpoint
        self._resources.push_async_callback(endpoint.aclose)
        await endpoint.open()
        following = asyncio.create_task(documents.follow(endpoint.documents, endpoint.lab_pages, self._recorder))
        saving = asyncio.create_task(_save_when_asked(endpoint.lab_pages, self.session.saves))
        borrowed_gpu = asyncio.create_task(self.head.borrowed_gpu.watch())
        unused = self.session.idle.gpu
        unused_gpu = asyncio.create_task(unused.carry_out(self.head.move, self.head.take_move_back, self._recorder))
        self._resources.push_async_callback(cancel_all, following, saving, borrowed_gpu, unused_gpu)
        preload.end()

    def have(self, count: int) -> None:
        """Have so many machines from now on; before the first is rented, begin with so many."""
        self._first = count
        if self.pool is not None:
            self.pool.scale(count - 1)

    async def save_last(self, seconds: float) -> Unsaved:
        """Save a last time, before the end, within ``seconds``; what was not saved."""
        await self.head.end_move("The session is to end.")
        if self.head.machine is None or not self.session.request.save:
            return Unsaved()
        self._recorder.enter(Stage.SAVING)
        return await last_save.save_last(self.session, seconds)

    @property
    def all_saved(self) -> bool:
        """Whether an end would lose nothing of the workspace, as far as it is known."""
        return self.session.saves.whole

    def put_off_end(self, unsaved: str, seconds: float) -> None:
        """Go on although an end was asked for, for ``seconds``, because something is not saved; tell the user what."""
        session, recorder = self.session, self._recorder
        if self.head.machine is not None:
            recorder.enter(Stage.READY)
        grace_ends = clock.told(clock.now() + timedelta(seconds=seconds))
        ends = (grace_ends, clock.told(session.deadline.at), recorder.state.money_ends_at)
        words = not_ended_words(session.directory.name, unsaved, *ends)
        recorder.update(not_ended=words)
        recorder.event(LeftOut(text=words))

    async def refill_directory(self) -> None:
        """Fill the session's directory, which was made again, and listen there. Raises ``OSError``."""
        self.session.journal.update()
        self._recorder.update()
        self._write_tokens()
        await self.session.endpoint.renew()

    def _write_tokens(self) -> None:
        for slot in self.session.slots:
            slot.recorder.token(slot.endpoint.endpoint_token)

    @property
    def seen_at(self) -> str | None:
        """The address at which somebody has opened JupyterLab; ``None`` where nobody has, or it is a hub's."""
        endpoint = self.session.endpoint
        return endpoint.address if endpoint.documents.were_there and self._recorder.state.gate_port is None else None

    @property
    def is_suspended(self) -> bool:
        """Whether its work is over only until somebody comes back to its address."""
        return self.session.idle.suspends

    def say_ended(self, *, suspended: bool) -> None:
        """Tell the pages of JupyterLab that are open in browsers that it is over, or ``suspended``, and why."""
        words = told_at_end(self._recorder.state, suspended=suspended)
        self.session.endpoint.documents.end(words, suspended=suspended)

    async def close(self) -> str:
        """Give everything back, bounded in time; what could not be done, in words, or nothing. Never raises."""
        session = self.session
        session.journal.strict = False
        try:
            # Whatever fails of this, the journal has what is left.
            await each_alone(self.head.close_move())
            await each_alone(asyncio.to_thread(borrowed_gpu.give_back, session.directory))
            await each_alone(session.saves.detach())  # nobody asks a machine for its files while it is being let go
            if self._prepared is not None:
                await self._let_go(self._prepared)
            if self.entered is not None:
                rest, find_node = self.entered.rest, self.entered.find_node
                await close_wherever(rest, find_node, session.journal, invoice_seconds=_LATE_INVOICE_SECONDS)
                cost, at_most = bills.cost_of(session.directory.path, session.money.cost)
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
        return " ".join(session.journal.entries.refusals)

    async def _let_go(self, session: Prepared) -> None:
        """Let go of all machines, in good order unless there is a ``hurry``."""
        if not self.hurry:
            of_pool = [self.pool.release()] if self.pool is not None else []
            agreements = [one for some in await each_alone(self.head.release(), *of_pool) for one in some]
            await session.engine.invoices_came(agreements, _INVOICE_SECONDS)
        await each_alone(self.head.aclose())
        if self.pool is not None:
            await each_alone(self.pool.aclose())
        await session.engine.stop()
        await session.terminations.cancel()


async def _save_when_asked(lab_pages: LabPageService, saves: Saves) -> None:
    """Save whenever a page of the Lab asks for it; until cancelled. What comes of it is in the session's state."""
    while True:
        await lab_pages.save_wanted.wait()
        lab_pages.save_wanted.clear()
        try:
            await saves.save_all(timeouts.SAVE)
        except LauncherError as error:
            _LOG.info("a save that the Lab asked for: %s", error)
