"""What the page does: its parts (header, sessions, form, sweep), and the loop that keeps them true."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from golem_launcher.errors import RequestError, SessionNameTaken
from golem_launcher.networks import LOCAL
from golem_launcher.ui.cards.sessions import SessionCards
from golem_launcher.ui.common.deferred_imports import loaded
from golem_launcher.ui.form.form import RequestForm
from golem_launcher.ui.form.offers import OfferWatch
from golem_launcher.ui.form.resumable_workspaces import saved_workspaces
from golem_launcher.ui.form.uploads import sweep_uploads
from golem_launcher.ui.header.header import Header
from golem_launcher.ui.header.network import bring_up, network_view
from golem_launcher.ui.header.wallet import WalletPanel
from golem_launcher.ui.sweep.sweep_form import SweepForm

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from concurrent.futures import Future

    from golem_launcher.request import LaunchRequest
    from golem_launcher.ui.cards.view import SessionsView
    from golem_launcher.ui.common.background import Background
    from golem_launcher.ui.form.view import FormView
    from golem_launcher.ui.header.view import HeaderView
    from golem_launcher.ui.sweep.view import SweepView

_T = TypeVar("_T")

REFRESH_SECONDS = 0.1
NETWORK_SECONDS = 2.0
SLOW_SECONDS = 20.0
"""Between two looks at what changes seldom: saved workspaces, the wallet."""

_AFTER_FAILURE_SECONDS = 2.0
_SELDOM_SECONDS = 60.0
"""What fails is tried again after the first of these, then twice that, up to the second."""


class Page:
    """What four widgets show and do. :class:`~.launcher.Launcher` makes it, on the loop that is the page's.

    But for modules that are loaded, nothing is read and nothing runs until a front end shows it, and again nothing when
    the last one is gone: a kernel that nobody looks at falls idle and can be culled. Sessions do not depend on it.
    """

    def __init__(
        self, background: Background, *, header: HeaderView, sessions: SessionsView, form: FormView, sweep: SweepView
    ) -> None:
        self._background = background
        self._work: dict[Any, Future[None]] = {}
        """What keeps each part of the page true: none waits for another, whatever a network makes it wait for."""
        self._networks = ThreadPoolExecutor(max_workers=16, thread_name_prefix="networks")
        """For what waits for networks and nodes, which may never answer: nothing else must wait behind it."""
        self._network = LOCAL.name
        self.header = Header(
            header, on_alive=self._wake, on_mend=self._mend, on_fund=self._fund, on_back_up=self._back_up
        )
        self.wallet = WalletPanel(self._show_wallet)
        self.offers = OfferWatch(self._show_offers, self._networks)
        self.form = RequestForm(form, on_request=self._start, on_change=self._consider, on_mend=self._mend)
        self.sessions = SessionCards(sessions, on_relaunch=self.form.fill)
        self.sweep = SweepForm(sweep)
        self.parts = (self.header, self.form, self.sessions, self.sweep)
        """Each ``receive``s what its ``view`` is told."""
        self._background.start(loaded)

    def close(self) -> None:
        """Let go of what it holds; sessions go on."""
        self.wallet.close()
        self.sessions.close()
        self._networks.shutdown(wait=False, cancel_futures=True)

    def _wake(self) -> None:
        """While the page is shown: refresh its parts, each independently of the others."""
        works = (self._watch_sessions, self._watch_network, self._watch_market, self._watch_saved, self._watch_wallet)
        for work in works:
            if work not in self._work or self._work[work].done():
                self._work[work] = self._background.start(work)

    async def _keep(self, look: Callable[[], Awaitable[None]], seconds: float) -> None:
        """Look again and again while somebody watches; a look that fails is told, and is not the last."""
        pause = seconds
        while self.header.watched:
            try:
                await look()
            except Exception as error:  # noqa: BLE001 - whatever it was, the page goes on
                self._background.report(error)
                pause = min(max(2 * pause, _AFTER_FAILURE_SECONDS), _SELDOM_SECONDS)
            else:
                pause = seconds
            await asyncio.sleep(pause)

    async def _watch_sessions(self) -> None:
        await loaded()
        self._background.start(self._tidy)
        await self._keep(self.sessions.refresh, REFRESH_SECONDS)

    async def _watch_network(self) -> None:
        await self._keep(self._show_network, NETWORK_SECONDS)

    async def _watch_market(self) -> None:
        await loaded()
        await self._keep(self.offers.look, 0)

    async def _watch_saved(self) -> None:
        await loaded()
        await self._keep(self._show_saved, SLOW_SECONDS)

    async def _watch_wallet(self) -> None:
        await self._keep(self.wallet.look, SLOW_SECONDS)

    async def _wait(self, call: Callable[[str], _T], network: str) -> _T:
        await loaded()
        return await asyncio.get_running_loop().run_in_executor(self._networks, call, network)

    async def _show_saved(self) -> None:
        self.form.view.workspaces = await asyncio.to_thread(saved_workspaces)

    async def _show_network(self) -> None:
        network = self._network
        view = await self._wait(network_view, network)
        if network == self._network:
            self.header.view.network = view

    def _consider(self, request: LaunchRequest | None) -> None:
        self.offers.consider(request)
        self.sweep.consider(request)
        if request is None:
            return
        if request.network != self._network:
            self._network = request.network
            self._background.start(self._show_network)
        if self.wallet.consider(request.network, request.budget):
            self._background.start(self.wallet.look)

    def _show_wallet(self, view: dict[str, Any]) -> None:
        self.header.view.wallet = view

    def _fund(self) -> None:
        self._background.start(self.wallet.fund)

    def _back_up(self) -> None:
        self._background.start(self._hand_out_key)

    async def _hand_out_key(self) -> None:
        self.header.hand_out(await self.wallet.key_file())

    def _show_offers(self, view: dict[str, Any]) -> None:
        self.form.view.offers = view

    async def _start(self, request: LaunchRequest) -> None:
        await loaded()
        from golem_launcher.session import client  # noqa: PLC0415 - not needed to show the page

        try:
            await asyncio.to_thread(client.check_name, request)
            await asyncio.to_thread(client.start, request)
        except SessionNameTaken as error:
            raise RequestError(error.what, "Choose another name.", field="name") from error
        await self.sessions.refresh()

    async def _tidy(self) -> None:
        await loaded()
        from golem_launcher.session.cleanup import housekeeping  # noqa: PLC0415 - not needed to show the page

        await asyncio.to_thread(housekeeping.tidy)
        await asyncio.to_thread(sweep_uploads)

    def _mend(self) -> None:
        self._background.start(self._bring_up)

    async def _bring_up(self) -> None:
        await self._wait(bring_up, self._network)
