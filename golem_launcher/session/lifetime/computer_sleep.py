"""A computer that goes to sleep while a session runs: its user is warned, and the session is saved first.

A provider ends an agreement when nobody accepts its debit notes for a few minutes, so a longer sleep may cost the
session its provider. systemd's logind says when sleep is due, and waits a few seconds for whoever asked it to; where
there is none, the clock tells afterwards how long it was.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from typing import TYPE_CHECKING

from golem_launcher.errors import LauncherError
from golem_launcher.processes import output_of
from golem_launcher.units import duration
from golem_launcher.waiting import cancel_all

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from golem_launcher.session.reporting.recorder import Recorder

SAVE_SECONDS = 4.0
"""logind waits five seconds, unless it is told otherwise."""
_NOTES_SECONDS = 240.0
"""What providers give for a debit note to be accepted, unless another time is agreed."""
_WORTH_TELLING_SECONDS = 30.0
_LOOK_SECONDS = 10.0
_MINUTE = 60
_END_SECONDS = 2.0
_LOGIND = ("--dest", "org.freedesktop.login1", "--object-path", "/org/freedesktop/login1")
_LISTEN = ("gdbus", "monitor", "--system", *_LOGIND)
_HOLD = (
    "systemd-inhibit", "--what=sleep", "--mode=delay", "--who=Golem Launcher", "--why=A session is saved first",
    "sleep", "infinity",
)  # fmt: skip


async def watch(save: Callable[[float], Awaitable[object]], recorder: Recorder) -> None:
    """Warn, and save by ``save(seconds)``, whenever sleep is due; until cancelled."""
    logind = asyncio.create_task(_listen(save, recorder))
    try:
        slept = _slept()
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            before, slept = slept, _slept()
            if slept - before > _WORTH_TELLING_SECONDS:
                recorder.message(woke(slept - before), "warning")
    finally:
        await cancel_all(logind)


def woke(seconds: float) -> str:
    """The sentence that tells the user that this computer slept for so many ``seconds``."""
    told = f"This computer slept for {duration(seconds)}." if seconds >= _MINUTE else "This computer slept."
    if seconds < _NOTES_SECONDS:
        return told
    return f"{told} Providers end a session when nobody accepts their debit notes for some minutes; keep it awake."


async def _listen(save: Callable[[float], Awaitable[object]], recorder: Recorder) -> None:
    """Follow what logind says, where it is and can be asked."""
    if shutil.which(_LISTEN[0]) is None or shutil.which(_HOLD[0]) is None:
        return
    async with _running(*_LISTEN) as said:
        awake = True
        while awake:
            async with _running(*_HOLD):  # while this runs, sleep waits for us
                if not await _said(said, b"true"):
                    return
                recorder.message("This computer is about to sleep; the session is saved first.", "warning")
                try:
                    await save(SAVE_SECONDS)
                except LauncherError as error:
                    recorder.message(f"It could not be saved before: {error.what}", "warning")
            awake = await _said(said, b"false")


async def _said(lines: asyncio.StreamReader, state: bytes) -> bool:
    """Wait for ``PrepareForSleep`` with this state; whether it came, rather than logind's end."""
    while line := await lines.readline():
        if b".PrepareForSleep" in line and state in line:
            return True
    return False


@contextlib.asynccontextmanager
async def _running(*argv: str) -> AsyncIterator[asyncio.StreamReader]:
    """Have a program running meanwhile; what it says."""
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield output_of(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await asyncio.wait({asyncio.create_task(process.wait())}, timeout=_END_SECONDS)


def _slept() -> float:
    """Seconds that this computer has slept since it was started."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return 0.0 if clock is None else time.clock_gettime(clock) - time.monotonic()
