"""Refreshes the market's offers while somebody looks at the form, and updates the estimate."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import LauncherError
from golem_launcher.networks import NETWORKS
from golem_launcher.ui.form.view import LOOKING
from golem_launcher.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from golem_launcher.market.history import ProviderRecord
    from golem_launcher.market.offered_machine import OfferedMachine
    from golem_launcher.request import LaunchRequest

LOOK_SECONDS = 6.0
"""The time between two looks at the market."""

_SCAN_SECONDS = 2.0
_SCORED_SECONDS = 3600.0
"""What others say of providers is asked for so seldom."""


class OfferWatch:
    """Tells ``tell`` what the page shows of the price, whenever the request or the market changed.

    ``threads`` run what waits for the node.
    """

    def __init__(self, tell: Callable[[dict[str, Any]], None], threads: Executor) -> None:
        self._tell = tell
        self._threads = threads
        self._request: LaunchRequest | None = None
        self._network: str | None = None
        self._machines: list[OfferedMachine] | None = None
        self._trouble: dict[str, Any] = LOOKING
        self._known: dict[str, ProviderRecord] = {}
        self._held: dict[str, str] = {}
        """The user's own sessions, by the ids of the providers whose machines they have."""
        self._scores: dict[str, float] = {}
        self._scored: tuple[str, float] | None = None
        """Of which network they are, and when others were asked for them by the loop's clock."""
        self._sent: tuple[str, str | None, str] | None = None
        """Network, image and software of which :attr:`_sending` speaks."""
        self._sending = ""
        """What it takes to send the image from this computer."""
        self._wanted = asyncio.Event()

    def consider(self, request: LaunchRequest | None) -> None:
        """Called when the form's request has changed; ``None`` when what was typed is not a valid one."""
        self._request = request
        if request is not None and request.network != self._network:
            self._network, self._machines, self._trouble = request.network, None, LOOKING
            self._wanted.set()
        if request is not None and _image_of(request) != self._sent:
            self._sending = ""
            self._wanted.set()
        self._show()

    async def look(self) -> None:
        """Look at the market once, then wait until it is time for the next look."""
        from golem_launcher.market import history  # noqa: PLC0415 - as all below: not needed to show the page
        from golem_launcher.session.on_disk.held_machines import held_machines  # noqa: PLC0415

        self._wanted.clear()
        await self._see_what_is_sent()
        network = self._network
        if network is not None:
            found, trouble = await _seen(network, self._threads)
            loop = asyncio.get_running_loop()
            known = await loop.run_in_executor(self._threads, history.read)
            held = await loop.run_in_executor(self._threads, held_machines, network)
            if network == self._network:
                self._machines, self._trouble, self._known, self._held = found, trouble, known, held
                self._show()
                if found and NETWORKS[network].settles:
                    await self._see_what_others_say(network)
        with contextlib.suppress(asyncio.TimeoutError):
            await wait_for(self._wanted.wait(), LOOK_SECONDS)

    async def _see_what_others_say(self, network: str) -> None:
        """Ask Golem's reputation service for its scores, where that was not done of late; without them all goes on."""
        loop = asyncio.get_running_loop()
        of, at = self._scored or ("", 0.0)
        if of == network and loop.time() - at < _SCORED_SECONDS:
            return
        self._scored = network, loop.time()
        self._scores = await loop.run_in_executor(self._threads, _scores, network)
        self._show()

    async def _see_what_is_sent(self) -> None:
        from golem_launcher.session.preparation.image_and_packages import upload_of  # noqa: PLC0415

        request = self._request
        if request is not None:
            upload = await asyncio.get_running_loop().run_in_executor(self._threads, upload_of, request)
            self._sent, self._sending = _image_of(request), upload.words if upload is not None else ""
            self._show()

    def _show(self) -> None:
        if self._request is None:
            self._tell({"state": "invalid", "headline": "Prices show when the form is right."})
            return
        view = self._trouble
        if self._machines is not None:
            from golem_launcher.market.gpu_models import gpu_models  # noqa: PLC0415
            from golem_launcher.ui.form.estimate import estimate  # noqa: PLC0415

            scores = self._scores if self._scored is not None and self._scored[0] == self._network else {}
            view = estimate(self._request, self._machines, self._known, self._held, scores)
            view["gpu_models"] = sorted({one.model for one in gpu_models(self._request, self._machines) if one.model})
        self._tell({**view, "sending": self._sending if _image_of(self._request) == self._sent else ""})


def _image_of(request: LaunchRequest) -> tuple[str, str | None, str]:
    return request.network, request.image, request.software_taken


async def _seen(network: str, threads: Executor) -> tuple[list[OfferedMachine] | None, dict[str, Any]]:
    """The machines on offer, or ``None`` and what to say instead. Starts nothing."""
    from golem_launcher.market.offered_machine import machines  # noqa: PLC0415
    from golem_launcher.market.scan import scan  # noqa: PLC0415
    from golem_launcher.session.preparation import network_nodes  # noqa: PLC0415

    try:
        loop = asyncio.get_running_loop()
        node = await loop.run_in_executor(threads, network_nodes.present, NETWORKS[network])
        if node is None:
            starts = await loop.run_in_executor(threads, network_nodes.starts, NETWORKS[network])
            return None, _not_running(network, starts=starts)
        return machines(await scan(node, subnet=NETWORKS[network].subnet, seconds=_SCAN_SECONDS)), LOOKING
    except LauncherError as error:
        return None, {"state": "failed", "headline": "The market can't be seen.", "hint": str(error)}


def _scores(network: str) -> dict[str, float]:
    from golem_launcher.market import reputation  # noqa: PLC0415

    return asyncio.run(reputation.scores(NETWORKS[network]))


def _not_running(network: str, *, starts: bool) -> dict[str, Any]:
    what = NETWORKS[network].host_words
    if starts:
        return {"state": "down", "headline": "No prices yet.", "hint": f"Prices show when {what} runs; it is starting."}
    return {
        "state": "down",
        "headline": "No prices yet.",
        "hint": f"Prices show when {what} runs. Starting a session starts it, too.",
        "mend": "Start it now",
    }
