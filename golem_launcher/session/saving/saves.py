"""The workspace of a session over all providers: put there before the workload starts, saved while it runs."""

from __future__ import annotations

import asyncio
import logging
import shutil
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import NothingToSave, SessionError
from golem_launcher.events import LeftOut
from golem_launcher.session.on_disk import liveness
from golem_launcher.session.on_disk.directory import session_directories
from golem_launcher.session.preparation import inputs, preflight
from golem_launcher.session.preparation.image_and_packages import image_and_packages
from golem_launcher.session.preparation.provisioning import provision
from golem_launcher.session.saving.documents import missing
from golem_launcher.session_state import Saving
from golem_launcher.units import counted, data_size
from golem_launcher.untrusted_text import clean_line
from golem_launcher.waiting import cancel_all, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from golem_launcher.rental.activity_batches import ActivityTransfer
    from golem_launcher.request import LaunchRequest
    from golem_launcher.session.endpoints.endpoint import SessionEndpoint
    from golem_launcher.session.on_disk.directory import SessionDirectory
    from golem_launcher.session.reporting.recorder import Recorder
    from golem_launcher.workspace.repository.generation import Generation
    from golem_launcher.workspace.repository.manifest import Manifest
    from golem_launcher.workspace.repository.store import Store
    from golem_launcher.workspace.transfer.added_generations import SaveLimits
    from golem_launcher.workspace.transfer.agent_workspace import AgentWorkspace
    from golem_launcher.workspace.transfer.fence import Fence
    from golem_launcher.workspace.transfer.saver import Saver

_LOG = logging.getLogger(__name__)

_DOCUMENTS_SECONDS = 8.0
"""How long JupyterLab's pages may take to save what is open in them; a hostile one says what it likes."""
_GIBIBYTE = 1 << 30
_LITTLE_ROOM = _GIBIBYTE
_PACKAGES_NAMED = 10


class Saves:
    """What becomes of one session's files. ``open`` once, ``attach`` each provider, ``aclose`` once."""

    def __init__(
        self, directory: SessionDirectory, request: LaunchRequest, endpoint: SessionEndpoint, recorder: Recorder
    ) -> None:
        self._request = request
        self._endpoint = endpoint
        self._recorder = recorder
        self._scratch = directory.path / "inputs"
        self._store: Store | None = None
        self.workspace = request.workspace
        self._restore: int | None = None
        """The generation to begin with; ``None`` begins with nothing."""
        self.inputs: list[tuple[Path, str]] = []
        """What is to be brought along, and where to, once it is open."""
        self._agent: AgentWorkspace | None = None
        self._saver: Saver | None = None
        self._saving: asyncio.Task[None] | None = None
        self._fence: Fence | None = None
        """What the saves of the present provider pass, until another one takes its place."""
        self._newest: Saving | None = None
        """How saving stood at the newest generation of this session."""
        self._news = asyncio.Event()
        """Set with each new one."""
        self._left_out: dict[str, str] = {}
        self._told: set[str] = set()

    @property
    def hold(self) -> bool:
        """Whether something must be in the provider before the workload starts."""
        return bool(self._restore is not None or self.inputs or self._packages)

    @property
    def _packages(self) -> list[str]:
        return list(image_and_packages(self._request).packages)

    async def open(self) -> None:
        """Find out whether what is asked for is there. Raises ``LauncherError``; nothing was paid by then."""
        request = self._request
        self.inputs = await inputs.collect(request.inputs, self._scratch)
        if not request.save and not request.resume:
            return
        store = self._store = await asyncio.to_thread(_open_store, request.store, encrypt=request.encrypt)
        if request.save:
            await asyncio.to_thread(store.establish)
            if low := await asyncio.to_thread(_low_on_room, store):
                self._recorder.update(notices=(*self._recorder.state.notices, low))
                self._recorder.message(low, "warning")
        if request.resume:
            self._restore = await asyncio.to_thread(preflight.resumed, store, request.resume)
        else:
            self.workspace = await asyncio.to_thread(_unused, store, request)
            if self.workspace != request.workspace:
                self._recorder.message(
                    f"There is a saved workspace '{request.workspace}'. It is left alone; this session is saved as "
                    f"'{self.workspace}'."
                )
        if request.save:
            self._recorder.update(
                saving=Saving(workspace=self.workspace, store=store.shown, interval=request.save_seconds)
            )

    async def attach(self, bulk: ActivityTransfer) -> list[str]:
        """The agent runs in another provider: put there what must be there, start the workload; what to tell the user.

        Raises ``ProviderError`` when the provider fails.
        """
        from golem_launcher.workspace.transfer.agent_workspace import AgentWorkspace  # noqa: PLC0415 - likewise

        await self.detach()
        head = self._endpoint.head
        agent = AgentWorkspace(head.dial_agent, token=head.token, bulk=bulk)
        self._agent = await agent.__aenter__()
        self._endpoint.files.attach(bulk)
        if not self.hold:
            return []
        return await provision(
            agent,
            restored=self._restored,
            inputs=self.inputs if self._newest is None else [],  # what this session saved has them already
            packages=self._packages,
            progress=self._recorder.progress,
        )

    def begin(self) -> None:
        """Begin to save every few seconds, if the request wants saves. Called once the workload answers."""
        if not self._request.save or self._store is None or self._agent is None:
            return
        from golem_launcher.workspace.transfer.fence import Fence  # noqa: PLC0415 - likewise
        from golem_launcher.workspace.transfer.saver import Saver  # noqa: PLC0415 - likewise

        self._fence = Fence()
        self._saver = Saver(
            self._agent,
            self._store,
            self.workspace,
            interval=self._request.save_seconds,
            limits=_limits(self._request),
            on_change=self._on_change,
            progress=self._recorder.progress,
            after=self._restore,
            fence=self._fence,
        )
        self._saving = asyncio.create_task(self._saver.run())

    async def newest(self) -> Manifest | None:
        """What is saved by now, or what the session began with; ``None`` where there is nothing."""
        number = self.newest_number
        return None if number is None else await asyncio.to_thread(self.store.manifest, self.workspace, number)

    async def newer(self, than: Manifest | None) -> None:
        """Wait until there is a save that is newer. One waits at a time."""
        while (number := self.newest_number) is None or (than is not None and number == than.generation):
            self._news.clear()
            await self._news.wait()

    @property
    def newest_number(self) -> int | None:
        """The generation of what is saved by now, or of what the session began with."""
        return self._newest.generation if self._newest is not None else self._restore

    async def save_and_stop(self, seconds: float) -> int | None:
        """Save, and save no more until :meth:`begin`: the generation; ``None`` where nothing was ever saved.

        Whoever asks for a save from then on gets that one; or hears, where something was written since, that there is
        none: the next machine would not have it. Raises ``SessionError`` when it does not work within ``seconds``.
        """
        try:
            await self._keep_variables()
            await self.save(seconds)
        finally:
            if self._saving is not None:
                await cancel_all(self._saving)
                self._saving = None
            if self._saver is not None:
                await self._saver.stop()
            if self._newest is not None:
                self._restore = self._newest.generation
        return self._restore

    def rented_by(self, request: LaunchRequest) -> None:
        """Another machine is the head, or is to be, by this ``request``: how much it may hold is known by that."""
        self._request = request

    async def move_in(self, bulk: ActivityTransfer) -> None:
        """The head is another machine now, which has all that was saved."""
        from golem_launcher.workspace.transfer.agent_workspace import AgentWorkspace  # noqa: PLC0415 - likewise

        await self.detach()
        head = self._endpoint.head
        self._agent = await AgentWorkspace(head.dial_agent, token=head.token, bulk=bulk).__aenter__()
        self._endpoint.files.attach(bulk)

    @property
    def store(self) -> Store:
        """Where it is saved. Asked only of a session that saves, once it is open."""
        assert self._store is not None
        return self._store

    @property
    def problem(self) -> str:
        """Why something is not saved."""
        return self._saver.saving.problem if self._saver is not None else ""

    @property
    def whole(self) -> bool:
        """Whether all that was seen of the workspace is saved."""
        return self._saver is not None and self._saver.whole

    @property
    def at_stake(self) -> int:
        """How much of it an end would lose."""
        return self._saver.saving.at_stake if self._saver is not None else 0

    @property
    def unsteady(self) -> int:
        """How much of that is saved, but maybe half written."""
        return self._saver.unsteady if self._saver is not None else 0

    @property
    def left_out(self) -> dict[str, str]:
        """What is there and not saved, or not as it is now, and why."""
        return self._saver.left_out if self._saver is not None else {}

    async def save(self, seconds: float) -> Generation | None:
        """Save now all that can be saved; ``None`` when there is nothing to save. What can't is in ``left_out``.

        Raises ``SessionError`` with the reason when that does not work within ``seconds``.
        """
        saver = self._saver
        if saver is None:
            if not self._request.save:
                raise SessionError("Nothing is saved in this session: it was started with saving turned off.")
            raise SessionError("The session is not ready yet.", "Try again in a moment.")
        try:
            generation = await wait_for(saver.save_now(deadline_seconds=seconds), seconds + 1)
        except NothingToSave:
            return None
        except TimeoutError:
            generation = None
        if generation is None:
            problem = saver.saving.problem.rstrip(".") or "it took too long"
            raise SessionError(f"The last save did not work: {problem}.")
        return generation

    async def save_all(self, seconds: float) -> tuple[Generation | None, str]:
        """Save what is open in browsers, then the workspace: the generation, and what is missing in it, in words.

        Raises ``LauncherError`` when there is no generation within ``seconds``.
        """
        loop_time = asyncio.get_running_loop().time
        end = loop_time() + seconds
        outcome = await self._endpoint.documents.save(min(_DOCUMENTS_SECONDS, seconds / 2))
        self._recorder.update(unsaved=outcome.unsaved)  # it is told with the end, and followed but slowly
        await self._keep_variables()
        return await self.save(max(end - loop_time(), 1.0)), missing(outcome)

    async def _keep_variables(self) -> None:
        """Have notebooks write down at once what their last cells made, where their variables are kept."""
        if self._request.kernel_state and self._agent is not None:
            await self._agent.keep_variables()

    def saved_last(self) -> str:
        """What became of the files of a session whose provider is gone, in words; and what the next begins with."""
        if self._newest is None:
            return "Nothing had been saved there; it begins as the session began."
        self._restore = self._newest.generation
        at = f" of {self._newest.saved_at.astimezone():%H:%M:%S %Z}" if self._newest.saved_at else ""
        return f"Its files are those{at} (save {self._restore})."

    async def detach(self) -> None:
        """Stop saving and let go of the present provider. Safe to call when there is none.

        Nothing that is there is saved any more, whatever was under way.
        """
        self._saver = None
        if self._fence is not None:
            await asyncio.to_thread(self._fence.close)
            self._fence = None
        if self._saving is not None:
            await cancel_all(self._saving)
            self._saving = None
        await self._endpoint.files.detach()
        if self._agent is not None:
            agent, self._agent = self._agent, None
            await agent.__aexit__(None, None, None)

    async def aclose(self) -> None:
        """Stop saving, let go of the provider and remove the clones of ``inputs``. Called once, at the end."""
        await self.detach()
        await asyncio.to_thread(shutil.rmtree, self._scratch, ignore_errors=True)

    async def _restored(self) -> list[str]:
        """Put there what was saved, where there is something; what to tell the user."""
        if self._restore is None or self._store is None or self._agent is None:
            return []
        from golem_launcher.workspace.transfer.restore import restore_into  # noqa: PLC0415 - the market waits not

        manifest = await asyncio.to_thread(self._store.manifest, self.workspace, self._restore)
        problems = await restore_into(self._agent, self._store, manifest, self._recorder.progress)
        if self._newest is None:  # of a lost provider's successor, the loss is told with what it begins with
            self._recorder.message(_resumed(manifest))
        return problems

    def _on_change(self, saving: Saving) -> None:
        """How saving stands; a saver that has just begun with another provider knows of no generation yet."""
        self._tell_left_out(saving)
        if saving.generation is not None:
            self._newest = saving
            self._news.set()
        elif self._newest is not None:
            known = {"generation": self._newest.generation, "saved_at": self._newest.saved_at}
            saving = saving.model_copy(update=known)
        if saving != self._recorder.state.saving:
            self._recorder.update(saving=saving)

    def _tell_left_out(self, saving: Saving) -> None:
        """Write down what is not saved, and say it once for each file that might be lost."""
        left_out = self.left_out
        if left_out != self._left_out:
            self._left_out = left_out
            self._recorder.left_out(left_out)
        lasting = self._saver.lasting if self._saver is not None else set()
        if lasting - self._told:
            self._recorder.event(LeftOut(text=saving.problem))
        self._told = lasting


def _resumed(manifest: Manifest) -> str:
    """What a session began with, for its log."""
    from golem_launcher.workspace.repository.package_lists import installable  # noqa: PLC0415 - likewise

    packages, _ = installable(manifest.environment.requirements)
    more = f" and {len(packages) - _PACKAGES_NAMED} more" if len(packages) > _PACKAGES_NAMED else ""
    named = f", packages {', '.join(packages[:_PACKAGES_NAMED])}{more}" if packages else ", no packages"
    at = f"{manifest.created_at.astimezone():%Y-%m-%d %H:%M:%S %Z}"
    return clean_line(
        f"Resumed from {manifest.workspace}@{manifest.generation} of {at}: "
        f"{counted(manifest.files, 'file')}, {data_size(manifest.size)}{named}."
    )


def _limits(request: LaunchRequest) -> SaveLimits:
    from golem_launcher.workspace.transfer.added_generations import SaveLimits  # noqa: PLC0415 - the market need not wait for it

    disk = int(request.disk_gib * _GIBIBYTE)
    return SaveLimits(total_bytes=disk, kept_bytes=max(int(request.save_space_gib * _GIBIBYTE), 4 * disk))


def _low_on_room(store: Store) -> str:
    """A warning when the disk that saves need has hardly any room; else nothing. Blocking."""
    from golem_launcher.workspace.transfer.space_limits import SPARE_DISK, free_here  # noqa: PLC0415 - likewise

    place, free = free_here(store.shown)
    if free > _LITTLE_ROOM + SPARE_DISK:
        return ""
    return (
        f"The disk of {place} has only {data_size(free)} free. Saves leave {data_size(SPARE_DISK)} of it, so what is "
        f"larger may not be saved: make room there."
    )


def _open_store(url: str | None, *, encrypt: bool) -> Store:
    from golem_launcher.workspace.repository.store import open_store  # noqa: PLC0415 - in a thread, beside the first calls

    return open_store(url, encrypt=encrypt)


def _unused(store: Store, request: LaunchRequest) -> str:
    """The request's workspace, or one with a number where that is saved already, or another session's. Blocking."""
    name = request.workspace
    others = {workspace for workspace, session in liveness.claimed(request.store).items() if session != request.name}
    if name not in others and not store.generations(name):
        return name
    sessions = {directory.name for directory in session_directories()}  # whose names lead to their own saves
    taken = others | sessions | {generation.workspace for generation in store.workspaces()}
    number = 2
    while f"{name[:36]}-{number}" in taken:
        number += 1
    return f"{name[:36]}-{number}"


def as_told(workspace: str, generation: Generation | None, left_out: dict[str, str], at_stake: int) -> dict[str, Any]:
    """A generation of a workspace, or that there was nothing to save, as the answer to a command."""
    if generation is None:
        return {"workspace": workspace, "generation": None, "saved_at": None, "files": 0, "bytes": 0}
    return {
        "workspace": workspace,
        "generation": generation.number,
        "saved_at": generation.created_at.isoformat(),
        "files": generation.files,
        "bytes": generation.bytes,
        "left_out": [{"path": path, "reason": reason} for path, reason in left_out.items()],
        "at_stake": at_stake,
    }
