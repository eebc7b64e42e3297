"""What is put into a machine before its workload starts: files and packages that were asked for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from golem_launcher.errors import ProviderError, WorkspaceError
from golem_launcher.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from golem_launcher.workspace.transfer.agent_workspace import AgentWorkspace
    from golem_launcher.workspace.transfer.progress import ReportProgress

_ANSWER_SECONDS = 60.0
_ANSWER_POLL_SECONDS = 0.1
_SETTLE_SECONDS = 3600.0
"""All that comes before the workload: files, then packages."""


async def provision(
    agent: AgentWorkspace,
    *,
    restored: Callable[[], Awaitable[list[str]]] | None = None,
    inputs: Sequence[tuple[Path, str]],
    packages: Sequence[str],
    progress: ReportProgress,
) -> list[str]:
    """Put there what was ``restored``, ``inputs`` and ``packages``, then start the workload; what to tell the user.

    Called once for each provider. What ``restored`` raises is passed on, as the machine is of no use without it; of
    ``inputs`` and ``packages`` the user is told what failed. Raises ``ProviderError`` when the provider fails, or
    takes longer than an hour.
    """
    try:
        return await wait_for(_provision(agent, restored, inputs, packages, progress), _SETTLE_SECONDS)
    except TimeoutError:
        raise ProviderError("Its files could not be brought there in time.") from None


async def _provision(
    agent: AgentWorkspace,
    restored: Callable[[], Awaitable[list[str]]] | None,
    inputs: Sequence[tuple[Path, str]],
    packages: Sequence[str],
    progress: ReportProgress,
) -> list[str]:
    from golem_launcher.workspace.transfer.restore import install, put_files  # noqa: PLC0415 - the market waits not

    end = asyncio.get_running_loop().time() + _ANSWER_SECONDS
    while not await agent.answers(seconds=2.0):
        if asyncio.get_running_loop().time() > end:
            raise ProviderError(f"Its workspace did not answer within {_ANSWER_SECONDS:.0f} s.")
        await asyncio.sleep(_ANSWER_POLL_SECONDS)
    notices = await restored() if restored is not None else []
    steps: list[Awaitable[list[str]]] = []
    if inputs:
        steps.append(put_files(agent, inputs, progress))
    if packages:
        steps.append(install(agent, packages, progress))
    for step in steps:
        try:
            notices += await step
        except WorkspaceError as error:
            notices.append(f"Not everything could be brought there: {error}")
    await agent.start_workload()
    return notices
