"""From an agreement to a workload that answers: what is sent into the machine, its files, and the wait for it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from golem_launcher import clock
from golem_launcher.agent import exit_report
from golem_launcher.errors import ImageBlamed, ProviderError
from golem_launcher.rental.activity_spec import ActivitySpec
from golem_launcher.session.lifetime.deadline import AGENT_GRACE_SECONDS
from golem_launcher.session.machines.provider_watch import lost_while_starting, nobody_listens
from golem_launcher.untrusted_text import clean_line, sentence
from golem_launcher.waiting import first_of, together
from golem_launcher.workload.shipment import shipment

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from typing import NoReturn

    from golem_launcher.agent.exit_report import Report
    from golem_launcher.rental.activity_spec import Rented
    from golem_launcher.rental.provider_activity import ProviderActivity
    from golem_launcher.session.context import Prepared
    from golem_launcher.session.endpoints.machine_slot import MachineSlot

_SHARED_DISK = (
    "This provider's virtual machine is of an older kind: the files lie on a disk that it shares with its host. "
    "SQLite's WAL, memory-mapped files (np.memmap, safetensors), sockets, FIFOs and owners of files (cp -a complains) "
    "do not work there; in /tmp, which is memory, they do."
)
_POLL_SECONDS = 0.1
_CROWD = 10
"""Of several machines each is asked so many times more seldom and more patiently at most: they start side by side."""
_ASK_SECONDS = 15.0
"""A workload that does not answer for that long may have been given up by its agent, which is asked then."""
_PROBE_SECONDS = 2.0
_LONGEST_REASON = 300


class WorkloadStart:
    """Starts the workload at each machine that takes one slot in turn.

    Its :class:`Renting` calls it once it has an agreement.
    """

    def __init__(
        self,
        session: Prepared,
        slot: MachineSlot,
        room: Callable[[], AbstractAsyncContextManager[None]] = contextlib.nullcontext,
    ) -> None:
        """``room``: what is held from when the provider is told what to run until that answers."""
        self._session = session
        self._slot = slot
        self._room = room
        self._recorder = slot.recorder
        self._told_of_disk = False

    def spec(self) -> ActivitySpec:
        """What is put into the next activity, with secrets that are new; called before each one is made."""
        session, workload = self._session, self._slot.workload
        settings = {
            **self._slot.endpoint.begin_anew(),
            "deadline": session.deadline.at.timestamp() + AGENT_GRACE_SECONDS,
            "now": clock.now().timestamp(),  # the provider's clock may be wrong
            "hold": self._slot.files.hold,
            "index_url": session.outbound.index_url,
            "kernel_state": session.request.save and session.request.kernel_state,
            "notebook_cluster": session.cluster is not None and workload is session.workload,
        }
        return ActivitySpec(
            workload=workload.title,
            needs=workload.needs,
            shipment=shipment(workload, settings, familiar=session.image.familiar),
            disk_gib=session.request.disk_gib,
            image_is_known=session.image.known_whole or session.image_faults.runs,
        )

    async def until_ready(self, activity: ProviderActivity, deployed: Callable[[], None]) -> tuple[Rented, list[str]]:
        """Wait until the workload answers at the provider that signed; the machine, and what to tell the user of it.

        ``deployed`` is called once the agent runs there. Raises ``ProviderError`` when the workload can't be started,
        and as soon as a bill is not accepted or the provider is gone, however long files and packages take.
        """
        runs = asyncio.Event()
        failing = together(
            self._overbilled(activity), lost_while_starting(self._session, activity, runs), self._deaf(activity, runs)
        )
        async with first_of(self._ready(activity, deployed, runs), failing) as (ready, failed):
            if not ready.done():
                failed.result()
            return ready.result()

    async def _ready(
        self, activity: ProviderActivity, deployed: Callable[[], None], runs: asyncio.Event
    ) -> tuple[Rented, list[str]]:
        await activity.created()
        async with self._room():
            activity.deploy()
            rented = await self._deployed(activity)
            runs.set()
            deployed()
            self._slot.endpoint.point_at(self._session.connection.node, rented)
            self._recorder.token(self._slot.endpoint.endpoint_token)
            notices = [*self._about(rented), *await self._slot.files.attach(activity.bulk_transfer())]
            await self._answers(activity)
            return rented, notices

    async def _overbilled(self, activity: ProviderActivity) -> NoReturn:
        """Raise ``ProviderError`` once a bill of who signed is not accepted."""
        agreement_id, money = activity.agreement_id, self._session.money
        news = money.news(agreement_id)
        while (why := money.dispute(agreement_id)) is None:
            await news.wait()
            news.clear()
        raise ProviderError(why)

    async def _deaf(self, activity: ProviderActivity, runs: asyncio.Event) -> NoReturn:
        """Raise ``ProviderError`` once nobody takes connections where the agent ``runs``, whatever is waited for."""
        await runs.wait()
        await nobody_listens(self._session, self._slot.endpoint)
        raise self._not_started(exit_report.read(await activity.last_words()))

    def _not_started(self, told: Report | None) -> ProviderError:
        return ProviderError(f"{self._slot.workload.title} could not be started. {reason_in(told)}".rstrip())

    def _about(self, rented: Rented) -> list[str]:
        """What the user should know of the provider's disk, once a session."""
        told, self._told_of_disk = self._told_of_disk, self._told_of_disk or not rented.own_disk
        return [] if told or rented.own_disk else [_SHARED_DISK]

    async def _deployed(self, activity: ProviderActivity) -> Rented:
        """The workload runs there, at the second try if need be: an activity that failed can't deploy again."""
        try:
            return await activity.deployed()
        except ProviderError as error:
            if isinstance(error, ImageBlamed) or not await activity.start_again():
                raise
            name = activity.agreement.provider_name if activity.agreement is not None else ""
            self._recorder.message(f"{name}: {error.what} It is tried once more there.")
        return await activity.deployed()

    async def _answers(self, activity: ProviderActivity) -> None:
        """Wait for it; when it does not come up, ask the agent why: its log is read through the workload otherwise."""
        loop_time = asyncio.get_running_loop().time
        start_seconds, name = self._session.network.patience.start, self._slot.workload.title
        end = loop_time() + start_seconds
        ask_at = loop_time() + _ASK_SECONDS
        crowd = min(self._session.choice.request.machines_wanted, _CROWD)
        seconds = _PROBE_SECONDS * crowd
        async with self._slot.endpoint.client() as client:
            while not await client.answers(seconds=seconds, patience=seconds / 2):
                if self._slot.workload.ends_session and await client.has_ended():
                    return
                if loop_time() > min(ask_at, end):
                    told = exit_report.read(await activity.last_words())
                    ask_at = loop_time() + _ASK_SECONDS
                    if told is not None and told.kind in exit_report.ENDS:
                        raise self._not_started(told)
                    if loop_time() > end:
                        late = f"{name} did not answer within {start_seconds:.0f} s."
                        raise ProviderError(f"{late} {reason_in(told)}".rstrip())
                await asyncio.sleep(_POLL_SECONDS * crowd)


def reason_in(report: Report | None) -> str:
    """Why an agent has ended, as two clean sentences: in its own words, and the last line of what ran there.

    Empty when there is no report.
    """
    if report is None:
        return ""
    told = (("The agent there says", report.what), ("The last line of its log", report.log))
    return " ".join(sentence(f"{label}: {clean_line(said, longest=_LONGEST_REASON)}") for label, said in told if said)
