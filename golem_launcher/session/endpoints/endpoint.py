"""How a session's workload is reached from this side: an address that stays while providers come and go."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from golem_launcher.access.lab.open_documents import OpenDocuments
from golem_launcher.access.sockets.loopback_address import loopback_address, reserved
from golem_launcher.errors import AccessError
from golem_launcher.session.endpoints.lab_large_files import LabLargeFiles
from golem_launcher.session.endpoints.lab_page_service import LabPageService
from golem_launcher.session.endpoints.machine_endpoint import MachineEndpoint
from golem_launcher.session.endpoints.machine_slot import HEAD
from golem_launcher.session.on_disk import parked_address, view_only_link
from golem_launcher.session.view_only.sharing import Sharing
from golem_launcher.untrusted_text import clean_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from golem_launcher.access.last_use import LastUse
    from golem_launcher.access.machine.vpn_to_machine import MachineVpn
    from golem_launcher.access.ways_in import WaysIn
    from golem_launcher.request import LaunchRequest
    from golem_launcher.session.on_disk.directory import SessionDirectory
    from golem_launcher.session.reporting.recorder import Recorder
    from golem_launcher.workload.base import Workload

_PARKED_SECONDS = 5.0
"""What the caretaker takes at most to leave an address to its session."""
_AGAIN_SECONDS = 0.1
_MOST_NAMES = 20
"""Of extensions, for one message."""


class SessionEndpoint:
    """The ways into wherever the session is at present, and its tokens. All but the tokens once it is open."""

    def __init__(
        self,
        directory: SessionDirectory,
        request: LaunchRequest,
        recorder: Recorder,
        *,
        token: str,
        workload: Workload,
        of_others: Workload,
    ) -> None:
        """``workload`` is the head's; the other machines run ``of_others``."""
        self.token = token
        self.head = MachineEndpoint(
            workload, lambda: self._ways.machines[HEAD], lambda: self.base_url, session_token=token
        )
        """The machine that the link opens."""
        self.files = LabLargeFiles(directory, self.head)
        """Large ones between its JupyterLab and browsers."""
        self.others = tuple(
            MachineEndpoint(of_others, self._way_to(number), lambda: "/")
            for number in range(HEAD + 1, request.slots + 1)
        )
        self.lab_pages = LabPageService(request, recorder)
        """Where those pages are told of the session, and ask for things."""
        self.documents = OpenDocuments(token, look=self.lab_pages.look, hear=self.lab_pages.hear)
        """The pages of JupyterLab that are open in browsers; none of another workload."""
        self.sharing = Sharing(directory, recorder, self.head.dial_agent, lambda: self.head.token)
        """What others see who have its view-only link."""
        self._recorder = recorder
        self._left_out: set[str] = set()
        """Names of extensions that JupyterLab is shown without, as far as told."""
        self._directory = directory
        self._request = request
        self._workload = workload
        self._ways: WaysIn
        self._listening = False
        before = parked_address.of(directory.path)
        self._place = before.place if before is not None else (loopback_address(request.name), 0)
        """Host and port of the link: those of before where the session was suspended."""

    @property
    def address(self) -> str | None:
        """The workload's origin on this side; ``None`` where it is nothing for a browser."""
        return self._ways.address

    @property
    def base_url(self) -> str:
        """The path below which the workload answers: ``/``, or a longer one behind a hub."""
        return self._ways.base_url

    @property
    def is_own(self) -> bool:
        """Whether its user comes to it at that origin, and not by a hub."""
        return self.address is not None and self.base_url == "/"

    @property
    def use(self) -> LastUse:
        """When the session was last used by its ways in."""
        return self._ways.use

    @property
    def gate_port(self) -> int | None:
        """The port by which the proxy of a hub leads to the workload, where one started the session."""
        return self._ways.gate_port

    def _way_to(self, number: int) -> Callable[[], MachineVpn]:
        return lambda: self._ways.machines[number]

    async def open(self) -> None:
        """Open the ways in, but for the link; once, while offers come in. Raises ``AccessError``."""
        # Half a tenth of a second that the market need not wait for.
        from golem_launcher.access.lab.lab_proxy_settings import LabView  # noqa: PLC0415
        from golem_launcher.access.machine.vpn_to_machine import MachineVpn  # noqa: PLC0415
        from golem_launcher.access.ways_in import WaysIn  # noqa: PLC0415

        request, directory = self._request, self._directory.path
        machines = {
            number: MachineVpn(directory, request.name, number, ssh_key=request.ssh_key)
            for number in range(HEAD, request.slots + 1)
        }
        lab = LabView(
            self.documents,
            extensions=request.lab_extensions,
            # There a provider's scripts could do more than here: only those of an image that the user chose run.
            hub_extensions=request.lab_extensions and request.image is not None,
            left_out=self._tell_left_out,
            files=self.files,
        )
        self._ways = WaysIn(directory, self._workload, machines, lab, secret=self.token, host=self._place[0])
        self._listening = True
        await self._ways.start()

    async def open_link(self) -> None:
        """Let browsers in, unless they are; once the workload answers. Raises ``AccessError``.

        Until then the caretaker is at the address of a session that is woken up, and says how far that is.
        """
        if self.address is not None:
            return
        with contextlib.ExitStack() as kept:
            _, port = self._place
            try:
                if port:
                    kept.enter_context(reserved(self._place))
            except OSError:
                self._recorder.message("Another program has the session's address by now; it has a new one.", "warning")
                port = 0
            self._reserve_view(kept)
            parked_address.leave(self._directory.path)
            await self._is_left()
            await self._ways.open_link(port)
            await self.sharing.open()

    def _reserve_view(self, kept: contextlib.ExitStack) -> None:
        """Keep the address of its view-only link as well, if it has one; that is another where somebody else has it."""
        link = view_only_link.of(self._directory.path)
        if link is not None:
            with contextlib.suppress(OSError):
                kept.enter_context(reserved(link.place))

    async def _is_left(self) -> None:
        """Wait until the caretaker has left the address; not for one that stands still."""
        loop_time = asyncio.get_running_loop().time
        end = loop_time() + _PARKED_SECONDS
        while loop_time() < end:
            if not await asyncio.to_thread(parked_address.is_answered, self._directory.path):
                return
            await asyncio.sleep(_AGAIN_SECONDS)

    async def renew(self) -> None:
        """Listen again where the socket file that commands come in by was removed. Raises ``OSError``."""
        if self._listening:
            await self._ways.renew()

    async def aclose(self) -> None:
        """Close the ways in and every connection. Safe to call when they were never opened."""
        await self.sharing.aclose()
        if self._listening:
            await self._ways.aclose()

    def _tell_left_out(self, names: tuple[str, ...]) -> None:
        news = sorted({clean_name(name) for name in names[:_MOST_NAMES]} - self._left_out)
        if news:
            self._left_out.update(news)
            self._recorder.message(f"JupyterLab is shown without these extensions: {', '.join(news)}.", "warning")

    async def gateway(self) -> str:
        """An address of JupyterLab at which programs of the user need no token. Raises ``AccessError``."""
        if not self._listening:
            raise AccessError("The session has not begun yet.", "Try again in a moment.")
        return await self._ways.gateway()

    async def share(self) -> str:
        """The view-only link, made where there is none. Raises ``AccessError``."""
        if not self._listening:
            raise AccessError("The session has not begun yet.", "Try again in a moment.")
        return await self.sharing.share()

    def open_on_hub(self) -> int:
        """Let the hub's server show JupyterLab, which the user has agreed to; at which port. Raises ``AccessError``."""
        if not self._listening:
            raise AccessError("The session has not begun yet.", "Try again in a moment.")
        return self._ways.allow_hub()
