"""Keeps a cluster's workers in the packages that the head has: what a notebook installs, each worker gets, too.

The head says what its user installed, and each worker's own pip installs what it lacks of that, from the index alone.
Both are strangers' machines of one domain of trust; this side passes on names and versions, and nothing else is passed.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from golem_launcher.errors import ProviderError, WorkspaceError
from golem_launcher.untrusted_text import clean_line
from golem_launcher.workspace.repository.package_lists import installable
from golem_launcher.workspace.transfer.agent_workspace import AgentWorkspace
from golem_launcher.workspace.transfer.restore import install

if TYPE_CHECKING:
    from golem_launcher.session.cluster.change_signal import ChangeSignal
    from golem_launcher.session.endpoints.machine_endpoint import MachineEndpoint
    from golem_launcher.session.endpoints.machine_slot import MachineRecorder

_LOOK_SECONDS = 5.0
"""How often the head is asked, and a worker that failed is tried again."""
_MOST_PACKAGES = 500
"""Of more than a notebook's user asks for by name, the rest is left out: each is read anew at each change."""
_MOST_TOLD = 20
"""Sentences of each machine: pip's reasons are a stranger's words, and may be others each time."""


class ClusterPackages:
    """What the head of a cluster has, for its workers. The cluster makes one, and its machines' watchers call it."""

    def __init__(self, changes: ChangeSignal) -> None:
        """``changes``: the cluster's."""
        self._changes = changes
        self._wanted: tuple[str, ...] = ()

    async def follow(self, head: MachineEndpoint) -> None:
        """Hear what is installed at the head, until cancelled."""
        async with AgentWorkspace(head.dial_agent, head.token) as agent:
            while True:
                with contextlib.suppress(ProviderError, WorkspaceError):  # its monitor says what is wrong with it
                    wanted = (await agent.packages())[:_MOST_PACKAGES]
                    if wanted != self._wanted:
                        self._wanted = wanted
                        self._changes.tell()
                await asyncio.sleep(_LOOK_SECONDS)

    async def bring(self, worker: MachineEndpoint, recorder: MachineRecorder) -> None:
        """Have a worker install what the head has and it lacks, each time that changes, until cancelled."""
        has: tuple[str, ...] = ()
        told: set[str] = set()
        async with AgentWorkspace(worker.dial_agent, worker.token) as agent:
            while True:
                changed, wanted = self._changes.next, self._wanted
                if wanted != has:
                    try:
                        for sentence in {*await _brought(agent, wanted)} - told:
                            if len(told) < _MOST_TOLD:
                                recorder.message(sentence, "warning")
                                told.add(sentence)
                        has = wanted
                    except (ProviderError, WorkspaceError):
                        await asyncio.sleep(_LOOK_SECONDS)
                        continue
                await changed.wait()


async def _brought(agent: AgentWorkspace, wanted: tuple[str, ...]) -> list[str]:
    """Install what a worker lacks; what it has to do without, a sentence each."""
    has = {*await agent.packages()}
    good, refused = await asyncio.to_thread(installable, tuple(line for line in wanted if line not in has))
    lacking = [f"{clean_line(line, longest=100)} is not on it, as it is from no package index." for line in refused]
    return [*lacking, *await install(agent, good)]
