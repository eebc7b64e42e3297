"""What a session saves at its end, brought into the folder here when the notebook that synced it was closed.

``python -m golem_launcher.kernel.sync.final_fetch SESSION FOLDER PLACE``: a process of its own, because Jupyter gives a
kernel five seconds to end, and a last save may take a minute. What it did, and what it could not, the next ``%sync`` of
the folder says.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from golem_launcher import own_modules, processes
from golem_launcher.errors import LauncherError, SessionError
from golem_launcher.kernel.remote_kernel import LabClient
from golem_launcher.kernel.sync.rounds import Sync
from golem_launcher.session import client, timeouts
from golem_launcher.session.on_disk.directory import session_directory

if TYPE_CHECKING:
    from golem_launcher.session.on_disk.directory import SessionDirectory
    from golem_launcher.session_state import SessionState

_LONGEST_SECONDS = timeouts.GRACE + timeouts.WAIT_FOR_END
"""Until a session is over whose end was asked for, also one that is kept as something could not be saved."""
_ALONE_SECONDS = 5.0


def leave_to_itself(directory: SessionDirectory, path: Path, place: str) -> None:
    """Start it for a session whose end was asked for. Raises ``OSError``.

    ``path`` is the folder here, ``place`` its name over there.
    """
    command = own_modules.command(__name__, directory.name, str(path.resolve()), place)
    processes.spawn_ours(command, log=directory.supervisor_log, cwd=directory.path)


class _Ending:
    """A session as the last round asks of it: nothing is sent any more."""

    def __init__(self, directory: SessionDirectory) -> None:
        self.directory = directory
        self.lab = LabClient(directory)
        self.back = asyncio.Event()
        self.over = "The notebook was closed."

    async def state(self) -> SessionState:
        return await asyncio.to_thread(self.directory.state)


def _is_over(state: SessionState) -> bool:
    return state.stage.final


async def _fetch(directory: SessionDirectory, path: Path, place: str) -> None:
    session, said = _Ending(directory), list[str]()
    sync = Sync(session, path, place, said.append)
    await sync.open()
    with sync.common.held(_ALONE_SECONDS):
        try:
            over = await asyncio.to_thread(client.wait_for, directory, _is_over, _LONGEST_SECONDS)
            if over is None:
                raise SessionError(f"The session '{directory.name}' did not end.", "See: golem-launcher list")
            outcome = await sync.fetch_last()
            said += [*outcome.notes, *(f"Left out: {one}: {why}" for one, why in outcome.left_out.items())]
        except (LauncherError, OSError) as error:
            said.append(f"What was saved when the notebook was closed did not come: {error}")
        finally:
            if said:
                sync.common.leave_untold(said)
    await session.lab.aclose()


if __name__ == "__main__":
    asyncio.run(_fetch(session_directory(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
