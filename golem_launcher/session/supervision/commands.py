"""What page, commands and Python have a running session do. Each function answers a command of the control socket.

They take its arguments, untyped JSON, and raise ``LauncherError``, which becomes the answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from golem_launcher.errors import LauncherError, SessionError
from golem_launcher.session import timeouts
from golem_launcher.session.endpoints.machine_slot import HEAD
from golem_launcher.session.machines import benchmarking
from golem_launcher.session.saving.saves import as_told
from golem_launcher.untrusted_text import clean_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from golem_launcher.session.machines.renting import Machine
    from golem_launcher.session.supervision.control import Command
    from golem_launcher.session.supervision.run import SessionRun


class Commands:
    """Answers the commands to one session while it runs.

    Made once by its supervisor, which answers those that end it.
    """

    def __init__(self, run: SessionRun) -> None:
        self._run = run
        self._session = run.session
        self._recorder = run.session.recorder
        self._head = run.head

    @property
    def by_name(self) -> Mapping[str, Command]:
        """All of them."""
        return {
            "extend": self._extend,
            "decline": self._decline,
            "save": self._save,
            "move": self._move,
            "hurry": self._hurry,
            "stay": self._stay,
            "borrow": self._head.borrowed_gpu.borrow,
            "keep-running": self._keep_running,
            "benchmark": self._benchmark,
            "give-up": self._give_up,
            "let-go": self._let_go,
            "have": self._have,
            "cluster": self._cluster,
            "hub": self._open_on_hub,
            "gateway": self._open_gateway,
            "share": self._share,
            "unshare": self._unshare,
            "agent": self._agent,
            "transfer": self._transfer,
        }

    async def _extend(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Give the session more time, more money or both."""
        entered, monitor, pool = self._run.entered, self._head.monitor, self._run.pool
        if entered is None:
            raise LauncherError("The session has not begun yet.", "Try again in a moment.")
        agent = monitor.client if monitor is not None else None
        others = [*(pool.clients if pool is not None else []), *self._head.standby_clients]
        told = await self._session.extension.extend(arguments, entered.rest, agent, others)
        self._session.endpoint.lab_pages.agreed("extend")
        return told

    async def _decline(self, _arguments: dict[str, Any]) -> dict[str, Any]:
        """Say no to what a page of the Lab asks for."""
        self._session.endpoint.lab_pages.declined()
        return {}

    async def _save(self, _arguments: dict[str, Any]) -> dict[str, Any]:
        """Save the workspace now."""
        saves = self._session.saves
        saved, missing = await saves.save_all(timeouts.SAVE)
        await self._recorder.flush()  # who asked may read the state next
        return {**as_told(saves.workspace, saved, saves.left_out, saves.at_stake), "unsaved": missing}

    async def _move(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Begin to move to another machine: the request with ``changes``, ``now`` whatever runs. Which move it is."""
        changes, now = arguments.get("changes"), arguments.get("now") is True
        return {"number": await self._head.move(changes if isinstance(changes, dict) else {}, now=now)}

    async def _hurry(self, _arguments: dict[str, Any]) -> dict[str, Any]:
        """Have the move under way not wait for cells that run."""
        self._head.hurry_move()
        return {}

    async def _stay(self, _arguments: dict[str, Any]) -> dict[str, Any]:
        """Give the move under way up."""
        await self._head.stay()
        await self._recorder.flush()
        return {}

    async def _keep_running(self, _arguments: dict[str, Any]) -> dict[str, Any]:
        """Let the session go on though nobody seems to use it."""
        if self._head.monitor is None:
            raise SessionError("The session is not ready, so nothing ends it for want of use.")
        self._session.idle.keep_running()
        await self._recorder.flush()
        return {"idle_seconds": self._session.request.idle_seconds}

    async def _benchmark(self, _arguments: dict[str, Any]) -> dict[str, Any]:
        """Measure the head's machine."""
        if self._head.monitor is None:
            raise SessionError("The session is not ready, so there is no machine to measure.", "Try again then.")
        found = await benchmarking.measure(self._head.monitor.client, self._session.slots[0].recorder)
        return {"benchmark": found.model_dump(mode="json")}

    async def _give_up(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Take another provider in the place of a machine, whose user has a ``reason``."""
        number, reason, pool = arguments.get("machine"), arguments.get("reason"), self._run.pool
        if not isinstance(number, int) or not isinstance(reason, str):
            raise LauncherError("That names no machine and no reason.")
        others = pool.monitor(number) if pool is not None else None
        monitor = self._head.monitor if number == HEAD else others
        if monitor is None:
            raise LauncherError(f"Machine {number} is not ready.")
        monitor.give_up(clean_line(reason, longest=300))
        return {}

    async def _let_go(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Do without a machine from now on; never without the head."""
        number, pool = arguments.get("machine"), self._run.pool
        if not isinstance(number, int) or not HEAD < number <= self._session.request.machines or pool is None:
            raise LauncherError("There is no such machine to let go of.")
        pool.let_go(number)
        return {}

    async def _have(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Have so many machines from now on, never more than the request's.

        Told before the first is rented, it begins with so many, whatever its workload begins with.
        """
        count = arguments.get("machines")
        if not isinstance(count, int) or not 0 < count <= self._session.request.machines:
            raise LauncherError("There can't be so many machines.")
        self._run.have(count)
        return {}

    async def _cluster(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Set how many workers the Dask cluster has, or say how it stands."""
        cluster = self._session.cluster
        if cluster is None:
            raise SessionError(
                "This session has no Dask cluster.", "Start one with it: golem-launcher start --workers 4"
            )
        told = await cluster.command(arguments)
        await self._recorder.flush()
        return told

    async def _open_on_hub(self, _arguments: dict[str, Any]) -> dict[str, Any]:
        """Let the hub's server show JupyterLab, which the user has agreed to."""
        port = self._session.endpoint.open_on_hub()
        self._recorder.update(hub_port=port)
        return {"port": port}

    async def _open_gateway(self, _arguments: dict[str, Any]) -> dict[str, Any]:
        """Open JupyterLab to programs of the user that can show no token."""
        return {"address": await self._session.endpoint.gateway()}

    async def _share(self, _arguments: dict[str, Any]) -> dict[str, Any]:
        """Have a view-only link, the same each time until it is revoked."""
        url = await self._session.endpoint.share()
        await self._recorder.flush()
        return {"url": url}

    async def _unshare(self, _arguments: dict[str, Any]) -> dict[str, Any]:
        """Revoke the view-only link, if there is one."""
        await self._session.endpoint.sharing.revoke()
        await self._recorder.flush()
        return {}

    async def _agent(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """What the agent's server of a machine wants to see."""
        number, _ = self._ready(arguments)
        return {"token": self._session.slots[number - 1].endpoint.token}

    async def _transfer(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Move a file between a machine and this computer by a command of its activity."""
        _, machine = self._ready(arguments)
        from golem_launcher.session.saving.file_transfers import transfer  # noqa: PLC0415 - of use to few sessions

        await transfer(machine.activity.bulk_transfer(), arguments)
        return {}

    def _ready(self, arguments: dict[str, Any]) -> tuple[int, Machine]:
        """The number of the machine that is named, and itself."""
        number, pool = arguments.get("machine"), self._run.pool
        if not isinstance(number, int):
            raise LauncherError("That names no machine.")
        others = pool.machine(number) if pool is not None else None
        machine = self._head.machine if number == HEAD else others
        if machine is None:
            raise LauncherError(f"Machine {number} is not ready.", "Try again in a moment.")
        return number, machine
