"""The image that a session runs in: one of the registry's, or one of this computer's, which its own node serves."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal
from typing import TYPE_CHECKING, Any, Final

from golem_launcher import own_modules
from golem_launcher.background_thread import run_in_background
from golem_launcher.errors import BusError, ImageError, NodeError
from golem_launcher.image import upload_estimate
from golem_launcher.image.store import NAME, ImageStore
from golem_launcher.localnet.spec import BASE_IMAGE
from golem_launcher.market.image_registry import task_package
from golem_launcher.processes import output_of
from golem_launcher.untrusted_text import clean_line, sentence
from golem_launcher.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from golem_launcher.image.store import OwnImage
    from golem_launcher.node.gftp.offering import Offering

_DEMANDED: Final = re.compile(r"hash:sha3:[0-9a-f]{56}:(https?|gftp)://\S+")
"""An image as demands name it."""
_SLOWEST: Final = 60_000.0
"""Bytes per second: an image may take that long to arrive, as long as it does arrive."""
_END_SECONDS: Final = 10.0
_LONGEST_LINE: Final = 64 * 1024


class SessionImage:
    """What a session runs in. Made ready once, by :meth:`prepare`; offered to providers until :meth:`aclose`."""

    def __init__(self, name: str, *, variant: str, network: str, registry_url: str) -> None:
        """``name`` as the user or the network says it; empty: the ``variant`` that is made on this computer."""
        self._name = name
        self._variant = variant
        self._network = network
        self._registry_url = registry_url
        self._kept: OwnImage | None = None
        """When it is one of this computer's."""
        self._offering: Offering | None = None
        self._url = ""

    @property
    def familiar(self) -> bool:
        """Whether it is the local network's own: all that it holds is known, and nobody has to fetch it."""
        return self._name == BASE_IMAGE

    @property
    def known_whole(self) -> bool:
        """Whether it was made by the launcher, or is the local network's own: it has what a session needs."""
        return self.familiar or (self._kept is not None and bool(self._kept.variant))

    @property
    def size(self) -> int:
        """Bytes; 0 when it is not one of this computer's."""
        return self._kept.size if self._kept is not None else 0

    @property
    def longest_seconds(self) -> float:
        """How long a provider may take to fetch it over the slowest line that is worth it."""
        return self.size / _SLOWEST

    @property
    def served(self) -> int | None:
        """Bytes that this process has sent of it to providers so far; ``None`` when others send it."""
        return self._offering.served if self._offering is not None else None

    def served_to(self, provider_id: str) -> int | None:
        """How many of these bytes went to one provider; ``None`` where it is not known who was given what."""
        return self._offering.served_to(provider_id) if self._offering is not None else None

    async def prepare(self, *, making: Callable[[str, int, int, str], None], say: Callable[[str], None]) -> None:
        """Make it when it is not there, and offer it. The node must be in the environment.

        ``making`` is told what is done, how far it is, how far it goes, and in what unit; ``say`` a line for a person.
        Raises ``RequestError`` when there is no such image, ``ImageError`` when it can't be made, ``NodeError``.
        """
        if self._name and not NAME.fullmatch(self._name):
            return
        if self._name:
            self._kept = await asyncio.to_thread(ImageStore().find, self._name)
        else:
            await _make(self._variant, making)
            self._kept = await asyncio.to_thread(ImageStore().find, self._variant)
        from golem_launcher.node.gftp.offering import Offering  # noqa: PLC0415 - its flatbuffers load numpy

        self._offering = Offering(self._kept.path)
        try:
            self._url = await self._offering.start()
        except (BusError, OSError) as error:
            raise NodeError(sentence(f"The node can't serve the image: {error}")) from error
        upload = await asyncio.to_thread(upload_estimate.upload, self._kept.size, self._network)
        say(f"The image '{self._kept.name}' is served from this computer. {upload.words}")

    def sent(self, size: int, seconds: float) -> None:
        """Note how fast it left this computer, so that later sessions can say how long that takes."""
        run_in_background(upload_estimate.note, self._network, size, seconds)

    async def task_package(self) -> str:
        """The image as a demand names it. Raises ``RequestError``, ``ServiceError`` when the registry has no word."""
        if self._kept is not None:
            return f"hash:sha3:{self._kept.hash}:{self._url}"
        if _DEMANDED.fullmatch(self._name):
            return self._name
        return await task_package(self._name, registry_url=self._registry_url)

    async def aclose(self) -> None:
        """Stop offering it."""
        if self._offering is not None:
            await self._offering.aclose()


async def _make(variant: str, making: Callable[[str, int, int, str], None]) -> None:
    """Have the image of a variant made by a process of its own: it is busy for a minute, and can be stopped."""
    process = await asyncio.create_subprocess_exec(
        *own_modules.command("golem_launcher.image", variant),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        limit=_LONGEST_LINE, start_new_session=True,
    )  # fmt: skip
    failure: dict[str, Any] = {}
    try:
        async for line in output_of(process):
            said = json.loads(line)
            if "what" in said:
                failure = said
            else:
                making(str(said["name"]), int(said["done"]), int(said["total"]), str(said["unit"]))
        code = await process.wait()
    finally:
        await _end(process)
    if code:
        what = clean_line(
            str(failure.get("what") or "The image can't be made: the program that makes it ended without a word.")
        )
        raise ImageError(what, str(failure.get("remedy", "")))


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the process by SIGINT, so that it leaves nothing unfinished; kill it if that does not help."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        try:
            await wait_for(process.wait(), _END_SECONDS)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
