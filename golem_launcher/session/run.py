"""The way of one session: prepared here, its machines by ``renting``, watched by ``monitor``, and closed here."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from golem_launcher import clock
from golem_launcher.errors import LauncherError, NodeError, ProviderError, SessionError
from golem_launcher.events import LeftOut, Stage
from golem_launcher.market import wallet
from golem_launcher.node.yagna_rest import YagnaRest
from golem_launcher.rental.image import SessionImage
from golem_launcher.rental.image_faults import ImageFaults
from golem_launcher.rental.outbound_permit import permit_of
from golem_launcher.rental.payment import bills
from golem_launcher.rental.payment.closing import close_wherever
from golem_launcher.rental.payment.funds import Funds
from golem_launcher.rental.payment.terminations import Terminations
from golem_launcher.rental.reached_network import ReachedNetwork
from golem_launcher.rental.requested_machine import RequestedMachine
from golem_launcher.request.another_machine import on_another_machine
from golem_launcher.session import benchmarking, documents, network_hosts, preload, timeouts
from golem_launcher.session.context import Context, Entered, Prepared
from golem_launcher.session.image_and_packages import image_and_packages
from golem_launcher.session.loan import Loan
from golem_launcher.session.machine_slot import HEAD
from golem_launcher.session.monitor import Monitor
from golem_launcher.session.moving import Move
from golem_launcher.session.pool import Pool
from golem_launcher.session.renting import Renting
from golem_launcher.session.saves import as_told
from golem_launcher.session.standby import Standby
from golem_launcher.session.unsaved import Unsaved, kept_words, patience
from golem_launcher.text import clean_line
from golem_launcher.waiting import cancel_all, first_of, together

if TYPE_CHECKING:
    from golem_launcher.access.workload_client import WorkloadClient
    from golem_launcher.rental.demand import Demand
    from golem_launcher.rental.payment.money import Reserved
    from golem_launcher.request import LaunchRequest
    from golem_launcher.session.directory import SessionDirectory
    from golem_launcher.session.network_hosts import NetworkHost
    from golem_launcher.session.newcomer import Newcomer
    from golem_launcher.session.recorder import Recorder
    from golem_launcher.session.renting import Machine

_LOG = logging.getLogger(__name__)

_CLOSING_SECONDS = 10.0
"""What the end itself takes, which costs as well."""
_INVOICE_SECONDS = 15.0
_LATE_INVOICE_SECONDS = 3.0


class Run:
    """One session at work. ``work`` once, then ``close`` once, whatever happened."""

    hurry = False
    """Close without waiting for anybody's good manners."""
    ending = False
    """Its end was asked for: no other provider is taken when this one is lost."""

    def __init__(self, directory: SessionDirectory, recorder: Recorder) -> None:
        self._session = Context.of(directory, recorder)
        self._recorder = recorder
        self._resources = contextlib.AsyncExitStack()
        self._entered: Entered | None = None
        """Once there is something at the node to close down."""
        self._renting: Renting | None = None
        """Of the head, once machines can be rented."""
        self._machine: Machine | None = None
        """The head whose workload became ready, unless it was lost."""
        self._monitor: Monitor | None = None
        """While the head is watched."""
        self._pool: Pool | None = None
        """The other machines, once they can be rented."""
        self._standby: Standby | None = None
        """Keeps a machine that takes over when the head is lost, where one is wanted."""
        self._first = self._session.request.machines_wanted
        """How many machines it begins with."""
        self._move: Move | None = None
        """The last one of the head to another machine."""
        self.loan = Loan(self, recorder, self._busy)
        """What cells that need a GPU asked for."""
        self._arrived = asyncio.Event()
        """Set while the machine of a move is ready and not the head yet."""
        self._left: list[str] = []
        """Agreements of machines that were moved away from."""
        self._leaving: set[asyncio.Task[None]] = set()
        """The ends of those machines."""
        self._over = False
        """Its work is over by its own terms."""

    async def work(self) -> str:
        """From the request to the end of the session by its own terms; the reason. Raises ``LauncherError``."""
        renting = await self._prepare()
        demand = await renting.publish()
        await self._listen()  # while offers come in
        session = renting.session
        if session.request.standby:
            self._standby = Standby(session)
        pool = self._pool = Pool(session, session.slots[1:], lambda: self.ending or self._over)
        cluster = session.cluster
        head = asyncio.create_task(self._keep_head(renting, demand))
        await asyncio.sleep(0)  # the head is the first to look for a provider
        pool.begin(demand, self._first - 1)
        if cluster is not None:
            cluster.scaled_by(pool.scale, pool.numbers)
        try:
            await asyncio.wait({head, pool.over}, return_when=asyncio.FIRST_COMPLETED)
            return head.result() if head.done() else pool.over.result()
        finally:
            self._over = True
            await cancel_all(head)

    async def _keep_head(self, renting: Renting, demand: Demand) -> str:
        """Have a head until the session is over by its own terms; the reason. Raises ``LauncherError``."""
        machine = await renting.rent(demand)
        while True:
            try:
                reason = await self._be_ready(renting.session, machine)
            except ProviderError as error:
                if self.ending:
                    raise
                if self._move is None or not await self._move.settled():
                    renting, machine = await self._recover(renting, machine, error)
                    continue
                reason = None
            if reason is not None:
                return reason
            renting, machine = await self._move_in(machine)

    async def _recover(self, renting: Renting, lost: Machine, error: ProviderError) -> tuple[Renting, Machine]:
        """Go on at the standby, where there is one that has what was saved; else at whoever is found now.

        Raises ``LauncherError`` when there is nobody.
        """
        loss = await renting.lose(lost, error)
        newcomer = await self._standby.take() if self._standby is not None else None
        if newcomer is None:
            return renting, await renting.make_good(loss)
        renting, machine = await self._go_on_at(newcomer)
        told = loss.made_good(machine.rented.provider_name)
        return renting, replace(machine, notices=(told, *machine.notices))

    async def _prepare(self) -> Renting:
        """Everything that needs no provider: the network, the image, the money, yapapi."""
        session, recorder = self._session, self._recorder
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
        host, permit = entered.host, await permit_of(session.request, session.outbound, entered.identity)
        engine = module.Engine(
            ReachedNetwork(session.network, host.node, host.subnet, host.patience),
            RequestedMachine(session.request, image, session.outbound, permit),
            Funds(reserved, session.money, session.journal),
            session.choice,
        )
        prepared = Prepared(
            **vars(entered), image=image, engine=engine, image_faults=ImageFaults(), terminations=Terminations()
        )
        renting = self._renting = Renting(prepared, prepared.slots[0])
        recorder.message(session.outbound.sentence)
        await engine.publishable()
        return renting

    async def _open_saves(self, opened: asyncio.Event) -> None:
        await self._session.saves.open()
        opened.set()

    async def _enter(self, opened: asyncio.Event) -> tuple[Entered, SessionImage, Reserved]:
        """Reach the network, make the image ready, set the money aside.

        No money before the saves are ``opened``: what is to be resumed may not be there.
        """
        session = self._session
        host = await asyncio.to_thread(network_hosts.enter, session.network)
        os.environ.update(host.node.environment())  # yapapi starts `gftp` by the PATH
        rest = await self._resources.enter_async_context(YagnaRest.open(host.node))
        entered = Entered(**vars(session), host=host, rest=rest, identity=await rest.identity())
        session.journal.update(network=session.network.name, api_url=host.node.api_url, settles=host.settles)
        self._entered = entered
        await asyncio.to_thread(wallet.check_fees, host.node, session.network)
        await opened.wait()
        image = await self._prepare_image(host)
        self._recorder.enter(Stage.ALLOCATING)
        expires = session.deadline.allocation_ends()
        return entered, image, await session.money.reserve(rest, session.network, entered.identity, expires)

    async def _prepare_image(self, host: NetworkHost) -> SessionImage:
        """No money before there is something to run. The time of the session begins when there is."""
        session, recorder = self._session, self._recorder
        wanted = image_and_packages(session.request)
        image = SessionImage(
            wanted.image, variant=wanted.variant, network=session.network.name, registry_url=host.registry_url
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
        endpoint = self._session.endpoint
        self._resources.push_async_callback(endpoint.aclose)
        await endpoint.open()
        following = asyncio.create_task(documents.follow(endpoint.documents, endpoint.desk, self._recorder))
        saving = asyncio.create_task(documents.save_when_asked(endpoint.desk, self._session.saves))
        lending = asyncio.create_task(self.loan.watch())
        gpu = asyncio.create_task(self._session.idle.gpu.carry_out(self.move, self._take_move_back, self._recorder))
        self._resources.push_async_callback(cancel_all, following, saving, lending, gpu)
        preload.end()

    async def _move_in(self, left: Machine) -> tuple[Renting, Machine]:
        """Go on at the machine that a move has made ready, and let go of the one that is ``left``."""
        move = self._move
        assert move is not None
        self._move, request = None, move.newcomer.session.request
        self._arrived.clear()
        gone_on = await self._go_on_at(move.newcomer)
        await asyncio.to_thread(self._session.directory.change_request, request)
        move.done()
        self._left.append(left.rented.agreement_id)
        leaving = asyncio.create_task(_let_go(left))
        self._leaving.add(leaving)
        return gone_on

    async def _go_on_at(self, newcomer: Newcomer) -> tuple[Renting, Machine]:
        """Have the session's address lead to a machine that has taken the lead: it is the head now."""
        session, machine = newcomer.session, newcomer.machine
        assert machine is not None
        head = session.slots[0]
        head.endpoint.take_over(newcomer.endpoint, session.host.node, machine.rented)
        if (agreement := machine.hiring.agreement) is not None:
            head.recorder.agreed(agreement, session.choice.gpus_of(agreement.provider_id))
        head.recorder.trouble("")
        await session.saves.move_in(session.request, machine.hiring.bulk_transfer())
        await newcomer.aclose()
        self._renting = Renting(session, head)
        return self._renting, machine

    async def _take_move_back(self, why: str) -> None:
        if self._move is not None:
            await self._move.take_back(why)

    async def _end_move(self, why: str) -> None:
        if self._move is not None:
            await self._move.end(why)

    async def _be_ready(self, session: Prepared, machine: Machine) -> str | None:
        """Until the session is over by its own terms, and the reason; or it goes on at another machine, as asked.

        Raises ``ProviderError``, ``NodeError`` and ``AccessError``.
        """
        recorder = self._recorder
        await session.endpoint.open_link()
        recorder.update(
            address=session.endpoint.address,
            base_url=session.endpoint.base_url,
            gate_port=session.endpoint.gate_port,
            extendable_until=clock.told(session.deadline.extendable_until)
            if session.deadline.extendable_until
            else None,
        )
        head = session.slots[0]
        head.recorder.update(activity_id=machine.rented.activity_id, ip=machine.rented.ip)
        for notice in machine.notices:
            head.recorder.notice(notice)
        recorder.enter(Stage.READY)
        session.saves.begin()
        witness = None
        if self._standby is not None:
            await self._standby.begin(session)
            witness = self._standby.answers
        self._machine, self._monitor = machine, Monitor(session, head, machine, witness)
        try:
            async with first_of(self._monitor.until_over(), self._arrived.wait()) as (over, _):
                return over.result() if over.done() else None
        except (ProviderError, NodeError):
            self._machine = None
            raise
        finally:
            self._monitor = None

    async def open_on_hub(self, _arguments: dict[str, Any]) -> dict[str, Any]:
        """Let the hub's server show JupyterLab, which the user has agreed to. Raises ``AccessError``."""
        port = self._session.endpoint.open_on_hub()
        self._recorder.update(hub_port=port)
        return {"port": port}

    async def gateway(self, _arguments: dict[str, Any]) -> dict[str, Any]:
        """Open JupyterLab to programs of the user that can show no token. Raises ``AccessError``."""
        return {"address": await self._session.endpoint.gateway()}

    async def agent(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """What the agent's server of a machine wants to see. Raises ``LauncherError`` when it is not ready."""
        number, _ = self._ready(arguments)
        return {"token": self._session.slots[number - 1].endpoint.token}

    async def transfer(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Move a file between a machine and this computer by a command of its activity. Raises ``LauncherError``."""
        _, machine = self._ready(arguments)
        from golem_launcher.session.file_transfers import transfer  # noqa: PLC0415 - of use to few sessions

        await transfer(machine.hiring.bulk_transfer(), arguments)
        return {}

    def _ready(self, arguments: dict[str, Any]) -> tuple[int, Machine]:
        """The number of the machine that is named, and itself."""
        number = arguments.get("machine")
        if not isinstance(number, int):
            raise LauncherError("That names no machine.")
        others = self._pool.machine(number) if self._pool is not None else None
        machine = self._machine if number == HEAD else others
        if machine is None:
            raise LauncherError(f"Machine {number} is not ready.", "Try again in a moment.")
        return number, machine

    async def extend(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Give the session more time, more money or both. Raises ``LauncherError``."""
        if self._entered is None:
            raise LauncherError("The session has not begun yet.", "Try again in a moment.")
        agent = self._monitor.client if self._monitor is not None else None
        others = [*(self._pool.clients if self._pool is not None else []), *self._standby_clients]
        told = await self._session.extension.extend(arguments, self._entered.rest, agent, others)
        self._session.endpoint.desk.answered()
        return told

    async def decline(self, _arguments: dict[str, Any]) -> dict[str, Any]:
        """Say no to what a page of the Lab asks for."""
        self._session.endpoint.desk.answered()
        return {}

    async def move(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Begin to move to another machine: the request with ``changes``, ``now`` whatever runs. Which move it is.

        How it goes on is in the session's state. Raises ``LauncherError``.
        """
        renting, monitor, changes = self._renting, self._monitor, arguments.get("changes")
        if renting is None or monitor is None or self.ending:
            stage = self._recorder.state.stage.value
            raise SessionError(f"The session is {stage}; it can move while it is ready.", "Try again then.")
        if self._move is not None and (self._arrived.is_set() or not self._move.over):
            raise SessionError("It is moving already.", f"See it: golem-launcher show {self._session.directory.name}")
        request = on_another_machine(renting.session.request, changes if isinstance(changes, dict) else {})
        _check_movable(request)
        last, before = self._move, self._recorder.state.move
        number = 1 if before is None else before.number + 1
        self._move = Move(  # at once: nothing may come in between
            renting.session,
            request,
            number,
            busy=_nobody if arguments.get("now") is True else self._busy,
            begins=self._hold_off,
            arrived=self._arrived.set,
            failed=self._stay,
        )
        if last is not None:
            await last.aclose()
        self._session.endpoint.desk.answered()
        await self._recorder.flush()
        return {"number": number}

    async def _hold_off(self) -> None:
        """A move begins: nobody else looks for a machine meanwhile."""
        if self._standby is not None:
            await self._standby.hold_off()

    @property
    def present(self) -> LaunchRequest | None:
        """What is asked of the machine where it is; ``None`` before there is one."""
        return None if self._renting is None else self._renting.session.request

    async def _stay(self) -> None:
        """A move has failed: what was held off for it goes on."""
        if self._standby is not None and self._renting is not None:
            await self._standby.begin(self._renting.session)

    @property
    def _standby_clients(self) -> list[WorkloadClient]:
        return self._standby.clients if self._standby is not None else []

    async def benchmark(self, _arguments: dict[str, Any]) -> dict[str, Any]:
        """Measure the head's machine. Raises ``SessionError``."""
        if self._monitor is None:
            raise SessionError("The session is not ready, so there is no machine to measure.", "Try again then.")
        found = await benchmarking.measure(self._monitor.client, self._session.slots[0].recorder)
        return {"benchmark": found.model_dump(mode="json")}

    async def _busy(self) -> int:
        """How many notebooks run a cell at the head, as its Lab says."""
        return 0 if self._monitor is None else await self._monitor.client.busy_kernels()

    async def keep_running(self, _arguments: dict[str, Any]) -> dict[str, Any]:
        """Let the session go on though nobody seems to use it. Raises ``LauncherError``."""
        if self._monitor is None:
            raise SessionError("The session is not ready, so nothing ends it for want of use.")
        self._session.idle.keep()
        await self._recorder.flush()
        return {"idle_seconds": self._session.request.idle_seconds}

    async def give_up(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Take another provider in the place of a machine, whose user has a ``reason``. Raises ``LauncherError``."""
        number, reason = arguments.get("machine"), arguments.get("reason")
        if not isinstance(number, int) or not isinstance(reason, str):
            raise LauncherError("That names no machine and no reason.")
        others = self._pool.monitor(number) if self._pool is not None else None
        monitor = self._monitor if number == HEAD else others
        if monitor is None:
            raise LauncherError(f"Machine {number} is not ready.")
        monitor.give_up(clean_line(reason, longest=300))
        return {}

    async def let_go(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Do without a machine from now on; never without the head. Raises ``LauncherError``."""
        number = arguments.get("machine")
        if not isinstance(number, int) or not HEAD < number <= self._session.request.machines or self._pool is None:
            raise LauncherError("There is no such machine to let go of.")
        self._pool.let_go(number)
        return {}

    async def have(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Have so many machines from now on, never more than the request's. Raises ``LauncherError``.

        Told before the first is rented, it begins with so many.
        """
        count = arguments.get("machines")
        if not isinstance(count, int) or not 0 < count <= self._session.request.machines:
            raise LauncherError("There can't be so many machines.")
        self._first = count
        if self._pool is not None:
            self._pool.scale(count - 1)
        return {}

    async def cluster(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Set how many workers the Dask cluster has, or say how it stands. Raises ``LauncherError``."""
        cluster = self._session.cluster
        if cluster is None:
            raise SessionError(
                "This session has no Dask cluster.", "Start one with it: golem-launcher start --workers 4"
            )
        told = await cluster.command(arguments)
        await self._recorder.flush()
        return told

    async def save(self, _arguments: dict[str, Any]) -> dict[str, Any]:
        """Save the workspace now. Raises ``LauncherError``."""
        saves = self._session.saves
        saved, missing = await saves.save_all(timeouts.SAVE)
        await self._recorder.flush()  # who asked may read the state next
        return {**as_told(saves.workspace, saved, saves.left_out, saves.at_stake), "unsaved": missing}

    async def save_last(self, seconds: float) -> Unsaved:
        """Save a last time, before the end, within ``seconds``; what was not saved."""
        session = self._session
        await self._end_move("The session is to end.")
        if self._machine is None or not session.request.save:
            return Unsaved()
        self._recorder.enter(Stage.SAVING)
        grace = patience(session.money.budget, self._recorder.state.price_per_hour)
        paid = session.money.affords() - _CLOSING_SECONDS
        try:
            _, missing = await session.saves.save_all(max(min(seconds, paid), 1.0))
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
        return (
            f"What was there at {saving.saved_at.astimezone():%H:%M:%S %Z} is saved (generation {saving.generation})."
        )

    @property
    def all_saved(self) -> bool:
        """Whether an end would lose nothing of the workspace, as far as it is known."""
        return self._session.saves.whole

    def keep(self, unsaved: str, seconds: float) -> None:
        """Go on although an end was asked for, for ``seconds``, because something is not saved; tell the user what."""
        session, recorder = self._session, self._recorder
        if self._machine is not None:
            recorder.enter(Stage.READY)
        grace_ends = clock.told(clock.now() + timedelta(seconds=seconds))
        ends = (grace_ends, clock.told(session.deadline.at), recorder.state.money_ends_at)
        kept = kept_words(session.directory.name, unsaved, *ends)
        recorder.update(kept=kept)
        recorder.event(LeftOut(text=kept))

    async def refill_directory(self) -> None:
        """Fill the session's directory, which was made again, and listen there. Raises ``OSError``."""
        self._session.journal.update()
        self._recorder.update()
        self._write_tokens()
        await self._session.endpoint.renew()

    def _write_tokens(self) -> None:
        for slot in self._session.slots:
            slot.recorder.token(slot.endpoint.lab_token)

    async def _release_head(self) -> list[str]:
        """Let go of the head in good order; its agreement."""
        if self._renting is None or self._machine is None:
            return []
        await self._renting.release(self._machine)
        return [self._machine.rented.agreement_id]

    async def _release_others(self) -> list[str]:
        """Let go of the other machines in good order; the agreements of those that were ready."""
        of_pool = self._pool.release() if self._pool is not None else _none()
        of_standby = self._standby.release() if self._standby is not None else _none()
        return [agreement for some in await asyncio.gather(of_pool, of_standby) for agreement in some]

    @property
    def seen_at(self) -> str | None:
        """The address at which somebody has opened JupyterLab; ``None`` where nobody has, or it is a hub's."""
        endpoint = self._session.endpoint
        return endpoint.address if endpoint.documents.were_there and self._recorder.state.gate_port is None else None

    @property
    def is_suspended(self) -> bool:
        """Whether its work is over only until somebody comes back to its address."""
        return self._session.idle.suspends

    def say_ended(self, *, suspended: bool) -> None:
        """Tell the pages of JupyterLab that are open in browsers that it is over, or ``suspended``, and why."""
        words = documents.farewell(self._recorder.state, suspended=suspended)
        self._session.endpoint.documents.end(words, suspended=suspended)

    async def close(self) -> str:
        """Give everything back, bounded in time; what could not be done, in words, or nothing. Never raises."""
        session = self._session
        session.journal.strict = False
        try:
            if self._move is not None:
                await self._move.aclose()
            await session.saves.detach()  # nobody asks a machine for its files while it is being let go
            if self._renting is not None:
                prepared = self._renting.session
                if not self.hurry:
                    of_head, of_others, _ = await together(
                        self._release_head(), self._release_others(), asyncio.gather(*self._leaving)
                    )
                    await prepared.engine.invoices_came((*of_head, *of_others, *self._left), _INVOICE_SECONDS)
                await cancel_all(*self._leaving)
                if self._pool is not None:
                    await self._pool.aclose()
                if self._standby is not None:
                    await self._standby.aclose()
                await prepared.engine.stop()
                await prepared.terminations.cancel()
            if self._entered is not None:
                rest, find_node = self._entered.rest, self._entered.find_node
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


async def _nobody() -> int:
    """Asked how many cells run when that is not to matter."""
    return 0


async def _none() -> list[str]:
    """The agreements of machines that there never were."""
    return []


async def _let_go(machine: Machine) -> None:
    """End a machine that was moved away from, in good order."""
    await machine.hiring.release()
    await machine.hiring.aclose()


def _check_movable(request: LaunchRequest) -> None:
    """Raise ``SessionError`` for a session that can't go on at another machine."""
    if not request.save:
        raise SessionError(
            "Nothing is saved in this session, so there is nothing to go on with at another machine.",
            "Start a new one; without --no-save it can move.",
        )
    if request.machines > 1 or request.has_cluster:
        raise SessionError(
            "A session of several machines does not move.",
            f"Stop it, and start it with another head: golem-launcher start --resume {request.workspace}",
        )
