"""A second machine that stands by with all that is saved: when the head is lost, the session goes on there at once.

It is rented as one to move to is (``newcomer.py``), from the session's one allocation, at another owner's, and brought
each save. It is a stranger's as well: what it says that it has is compared with what was saved, and only who has all of
the newest save takes over. One that is lost is replaced.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from golem_launcher.errors import LauncherError, NodeError, ProviderError
from golem_launcher.session.machines.newcomers import standby_search
from golem_launcher.session.machines.newcomers.newcomer_record import NewcomerRecord
from golem_launcher.session_state import StandbyState
from golem_launcher.waiting import cancel_all, each_alone, first_of

if TYPE_CHECKING:
    from golem_launcher.access.machine.workload_client import WorkloadClient
    from golem_launcher.session.context import Prepared
    from golem_launcher.session.machines.monitor import Monitor
    from golem_launcher.session.machines.newcomers.newcomer import Newcomer
    from golem_launcher.workspace.repository.manifest import Manifest

_LOG = logging.getLogger(__name__)

_TITLE = "The standby"

_AGAIN_SECONDS = 60.0
"""How long to wait where none was found, before one is looked for again."""
_PAUSE_SECONDS = 5.0
_WITNESS_SECONDS = 0.6
"""Whoever takes longer to answer shows nothing of anybody else: this side may be what is slow."""
_TAKE_SECONDS = 30.0
"""So long the standby may take to have the newest save; another machine is looked for then."""


class Standby:
    """Keeps one standby while the session is ready. Made where a loop runs; ``release`` or ``aclose`` at the end."""

    def __init__(self, session: Prepared) -> None:
        self._session = session
        self._record = NewcomerRecord(session.recorder, "standby", StandbyState(), _TITLE)
        self._ready: Newcomer | None = None
        """The one that stands by."""
        self._monitor: Monitor | None = None
        """Its own."""
        self._task: asyncio.Task[None] | None = None
        """Keeps one; ``None`` while none is to be kept."""
        self._held_off = False
        """Whether none is to be looked for at present."""
        self._leaving: set[asyncio.Task[list[str]]] = set()
        """The ends of those that were let go of; each tells the agreement."""

    async def begin(self, session: Prepared) -> None:
        """Keep one for the ``session`` as it is now. Called each time that it has a head."""
        self._session, self._held_off = session, False
        if self._task is not None and (self._ready is None or self._fits(self._ready)):
            if not self._task.done():
                return
        elif self._task is not None:
            await cancel_all(self._task)
        self._task = asyncio.create_task(self._keep())

    async def hold_off(self) -> None:
        """Look for none until :meth:`begin`, as the head's place is being filled; one that stands by goes on."""
        self._held_off = True
        if self._ready is None:
            await self._stop()
            self._tell_none()

    async def take(self) -> Newcomer | None:
        """The standby, which has the newest save and lets in who has the session's token.

        ``None`` where there is none, or it does not have it: another machine is to be looked for. Called when the head
        is lost and nothing is saved from there any more.
        """
        newcomer = self._ready
        if newcomer is None:
            self._drop_search()
        else:
            await self._stop()
            try:
                await self._lead(newcomer)
            except Exception as error:  # noqa: BLE001 - the session goes on elsewhere, whatever it was
                _LOG.info("the standby does not take over", exc_info=True)
                why = error.what if isinstance(error, LauncherError) else "Something unexpected happened."
                self._record.message(f"{why} So it does not take over.", "warning")
                self._let_go(newcomer)
                newcomer = None
            else:
                recorder = self._session.recorder
                recorder.update(failovers=recorder.state.failovers + 1)
        self._tell_none()
        return newcomer

    async def answers(self) -> bool:
        """Whether it answers now: a head that does not is silent by itself, then."""
        return self._monitor is not None and await self._monitor.client.answers(seconds=_WITNESS_SECONDS)

    @property
    def clients(self) -> list[WorkloadClient]:
        """The client of the machine that stands by, in a list of one; empty while there is none."""
        return [self._monitor.client] if self._monitor is not None else []

    async def release(self) -> list[str]:
        """Let go of it in good order, bounded in time; the agreements of those that stood by."""
        newcomer = self._ready
        await self._stop()
        if newcomer is not None:
            self._let_go(newcomer)
        return [agreement for gone in await each_alone(*self._leaving) for agreement in gone]

    async def aclose(self) -> None:
        """Stop watching and looking; a machine that stands by is closed down by the journal. Nothing more is told."""
        newcomer = self._ready
        await self._stop()
        if newcomer is not None:
            await newcomer.aclose()
        await cancel_all(*self._leaving)
        self._session.recorder.update(standby=None)

    def _drop_search(self) -> None:
        """Look for none any more; whoever waits for another machine does not wait for the end of that."""
        if self._task is not None:
            self._leaving.add(asyncio.create_task(_dropped(self._task)))
            self._task = None

    async def _stop(self) -> None:
        if self._task is not None:
            await cancel_all(self._task)
        self._task = self._ready = None

    def _tell_none(self, why: str = "") -> None:
        """There is none at present."""
        self._record = NewcomerRecord(self._session.recorder, "standby", StandbyState(reason=why), _TITLE)

    def _fits(self, newcomer: Newcomer) -> bool:
        """Whether it can stand by for the head: a move may have changed what is wanted, or led to the same owner."""
        machine, head = newcomer.machine, self._session.recorder.state.head
        entry = machine.activity.agreement if machine is not None else None
        shared = entry is not None and entry.wallet.lower() == head.wallet.lower() != ""
        return newcomer.session.request == self._session.request and not shared

    async def _keep(self) -> None:
        """Have a standby, and another when it is lost, until cancelled or the session is over by its own terms."""
        if self._ready is not None and not self._fits(self._ready):
            self._let_go(self._ready)
            self._ready = None
        why, goes_on = "", True
        while goes_on and not (self._ready is None and self._held_off):
            if self._ready is None:
                why = await self._seek(why)
            else:
                goes_on, why = await self._stand_by(self._ready)
        if goes_on:
            self._tell_none(why)

    async def _seek(self, why: str) -> str:
        """Look for one, and where there is none, wait a while; why there is none. ``why`` there was none so far."""
        self._tell_none(why)
        try:
            self._ready = await standby_search.found(self._session, self._record, self._fits)
        except LauncherError as error:
            why = str(error)
        except Exception as error:  # noqa: BLE001 - the session goes on, whatever it was
            _LOG.exception("no standby")
            why = f"Something unexpected happened ({type(error).__name__}). See supervisor.log."
        else:
            return ""
        self._tell_none(why)
        self._record.message(f"{why} Another one is looked for in {_AGAIN_SECONDS:.0f} s.", "warning")
        await asyncio.sleep(_AGAIN_SECONDS)
        return why

    async def _stand_by(self, newcomer: Newcomer) -> tuple[bool, str]:
        """Have one stand by until it is lost, and why it was; whether one is to be kept then."""
        try:
            lost = await self._watch(newcomer)
        except Exception as error:  # noqa: BLE001 - it is paid: somebody has to watch it
            if not isinstance(error, NodeError):  # which the head sees, too
                _LOG.exception("the standby is watched again")
            await asyncio.sleep(_PAUSE_SECONDS)
            return True, ""
        return (False, "") if lost is None else (await self._give_up(newcomer, lost), lost.what)

    async def _lead(self, newcomer: Newcomer) -> None:
        """Have it lead, unless it is lost at that: both may be, at once. Raises ``LauncherError``."""
        with newcomer.monitored(self._session) as monitor:
            async with first_of(newcomer.take_lead(), monitor.until_over(), _TAKE_SECONDS) as (leading, watching):
                if leading.done():
                    leading.result()
                elif watching.done():
                    raise ProviderError(watching.result())
                else:
                    raise ProviderError("It took too long.")

    def _let_go(self, newcomer: Newcomer) -> None:
        """End it in good order, while all else goes on."""
        self._leaving.add(asyncio.create_task(_ended(newcomer)))

    async def _watch(self, newcomer: Newcomer) -> ProviderError | None:
        """Keep it up behind the head until it is lost, and why; ``None`` where there is nothing to stand by for."""
        machine = newcomer.machine
        assert machine is not None
        self._record.tell(stage="ready", progress=None)
        for notice in machine.notices:
            self._record.message(notice, "warning")
        try:
            with newcomer.monitored(self._session) as monitor:
                self._monitor = monitor
                async with first_of(monitor.until_over(), newcomer.follow(self._told)) as (watching, following):
                    if watching.done():
                        watching.result()
                    else:
                        following.result()
        except ProviderError as error:
            return error
        finally:
            self._monitor = None
        return None  # its time or its money is over, which the head sees, too

    async def _give_up(self, newcomer: Newcomer, lost: ProviderError) -> bool:
        """Let go of one that was lost; whether another is to be asked."""
        self._ready = None
        try:
            await newcomer.lose(lost)
        except ProviderError as error:
            self._tell_none(error.remedy or error.what)
            return False
        except Exception:  # noqa: BLE001 - another one can be had all the same, and one is to be kept
            _LOG.exception("the standby was not given up in good order")
        finally:
            await newcomer.aclose()
        self._record.message(f"It was lost: {lost.what} Another one is looked for.", "warning")
        return True

    def _told(self, has: Manifest) -> None:
        """It was seen to have a save."""
        self._record.tell(generation=has.generation, saved_at=has.created_at, progress=None)


async def _dropped(search: asyncio.Task[None]) -> list[str]:
    """Wait for the end of a search that nobody waits for."""
    await cancel_all(search)
    return []


async def _ended(newcomer: Newcomer) -> list[str]:
    """Let go of it, and of the way to it; its agreement."""
    try:
        return await newcomer.release()
    finally:
        await newcomer.aclose()
