"""The files of the machines beside the head: what was asked to be brought is there at first, and nothing is saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from golem_launcher.session.preparation.image_and_packages import image_and_packages
from golem_launcher.session.preparation.provisioning import provision
from golem_launcher.workspace.transfer.progress import untold

if TYPE_CHECKING:
    from golem_launcher.rental.activity_batches import ActivityTransfer
    from golem_launcher.request import LaunchRequest
    from golem_launcher.session.endpoints.machine_endpoint import MachineEndpoint
    from golem_launcher.session.saving.saves import Saves


class PoolFiles:
    """The files of one machine beside the head, through all its providers.

    Its slot's renting calls ``attach`` and ``detach``.
    """

    def __init__(self, request: LaunchRequest, endpoint: MachineEndpoint, saves: Saves) -> None:
        """``saves``: the session's, which have collected what is to be brought once they are open."""
        self._request = request
        self._endpoint = endpoint
        self._saves = saves

    @property
    def hold(self) -> bool:
        """Whether something must be in the provider before its workload starts."""
        return bool(self._saves.inputs or image_and_packages(self._request).packages)

    async def attach(self, bulk: ActivityTransfer) -> list[str]:
        """The agent runs in another provider: put there what must be there; what to tell the user.

        Raises ``ProviderError`` when the provider fails.
        """
        if not self.hold:
            return []
        from golem_launcher.workspace.transfer.agent_workspace import AgentWorkspace  # noqa: PLC0415 - likewise

        packages = image_and_packages(self._request).packages
        async with AgentWorkspace(self._endpoint.dial_agent, token=self._endpoint.token, bulk=bulk) as agent:
            return await provision(agent, inputs=self._saves.inputs, packages=packages, progress=untold)

    async def detach(self) -> None:
        """Let go of the present provider: nothing is held."""

    def saved_last(self) -> str:
        """What became of the files of one whose provider is gone, in words."""
        return "What it had made of its own is gone."
