"""Which notebook's state lies where in the workspace, and which kernel takes one up. For Jupyter's server.

A notebook's state is a directory of a name without meaning, with a file that says whose it is: a notebook that is
renamed keeps its own. What is there when the server starts came with the workspace, or was left by a server that
crashed. The first kernel that is started for such a notebook takes its state up; whoever restarts it gets an empty one.
A state during whose return the server ended is tried once more at this machine: that may have had another reason.

A notebook may also lie on the user's computer, whose kernel asks for a session by a name for it that is no file's.

JupyterLab starts a kernel for a session of any name, and then says whose it is. So a kernel that runs is told by a
file, its ticket, which it looks for before its first cell.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from typing import TYPE_CHECKING, Any

from jupyter_server.services.sessions.sessionmanager import SessionManager
from jupyter_server.utils import ensure_async

from . import atomic_write
from .kernel_state import COMES_BACK, ELSEWHERE, NOTEBOOK, PLACE, extension

if TYPE_CHECKING:
    from .states_disabled import NoStates

_LONGEST_PATH = 4096
_NAME = re.compile(r"[0-9a-f]{16}")
_ELSEWHERE = re.compile(ELSEWHERE + "[0-9a-f]{24}")
_IPYKERNEL = "ipykernel"
_ARGUMENT = f"--IPKernelApp.extra_extensions={extension.__package__}"


class NotebookStates:
    """Which notebook of a workspace has which state.

    ``tickets`` is a directory outside of it; ``archive`` is where kernels find our code.
    """

    def __init__(self, root: str, tickets: str, archive: str) -> None:
        self._root = root
        self._place = os.path.join(root, PLACE)
        self._tickets = tickets
        self._archive = archive
        self._waiting: dict[str, str] = {}
        """Path of a notebook to the directory of the state that waits for its first kernel."""
        self._running: dict[str, str] = {}
        """Path, or what a session is called until it has one, to the directory of its kernel's state."""
        self._untaken: dict[str, str] = {}
        """Path of a notebook to the ticket that its kernel was given."""
        deadly = self._deadly()
        for directory in _directories(self._place):
            path = self._notebook_of(directory)
            if path and self._is_known(path) and directory not in deadly:
                self._waiting[path] = directory
            else:
                shutil.rmtree(directory, ignore_errors=True)

    def environment(self, path: str) -> dict[str, str]:
        """What a new kernel of the notebook at ``path`` is told. Raises ``OSError``."""
        directory = os.path.join(self._place, secrets.token_hex(8))
        os.makedirs(self._tickets, mode=0o700, exist_ok=True)
        self._running[path], before = directory, self._running.get(path)
        self._untaken.pop(path, None)
        if before is not None:  # of another kernel, whose place this one takes
            shutil.rmtree(before, ignore_errors=True)
        self._give_state(path)
        told = {extension.DIRECTORY: directory, extension.TICKET: self._ticket(directory)}
        return {**extension.way(self._archive), **told}

    def moved(self, before: str, path: str) -> None:
        """A session has another path. Raises ``OSError``."""
        if before != path and before in self._running:
            self.forget(path)
            self._running[path] = self._running.pop(before)
            self._give_state(path)

    def forget(self, path: str) -> None:
        """The user has ended this notebook's kernel: its variables are gone."""
        directory = self._running.pop(path, None)
        if directory is not None:
            shutil.rmtree(directory, ignore_errors=True)

    def comes_back(self, path: str) -> bool:
        """Whether the next cell of this notebook takes up a state."""
        directory = self._running.get(path, "")
        try:
            return os.path.isfile(self._untaken[path]) and any(
                name.startswith("state-") for name in os.listdir(directory)
            )
        except (KeyError, OSError):
            return False

    def _give_state(self, path: str) -> None:
        """Give the kernel that runs for ``path`` the state that waits for it; or say whose its own is."""
        directory, waiting = self._running[path], self._waiting.pop(path, None)
        if waiting is not None:
            atomic_write.write(self._ticket(directory), waiting.encode())
            self._running[path], self._untaken[path] = waiting, self._ticket(directory)
        elif self._is_known(path):
            os.makedirs(directory, mode=0o700, exist_ok=True)
            atomic_write.write(os.path.join(directory, NOTEBOOK), path.encode())

    def _is_known(self, path: str) -> bool:
        """Whether this is a notebook's, here or on the user's computer."""
        if _ELSEWHERE.fullmatch(path):
            return True
        inside = not os.path.isabs(path) and ".." not in path.split("/")
        return inside and os.path.isfile(os.path.join(self._root, path))

    def _deadly(self) -> set[str]:
        """The directories of states that were being taken up, here, when two servers before this one ended."""
        found: set[str] = set()
        with contextlib.suppress(OSError):
            for name in os.listdir(self._tickets):
                if name.endswith(extension.TAKING):
                    mark = os.path.join(self._tickets, name)
                    directory = os.readlink(mark)
                    suspected = self._ticket(directory) + extension.SUSPECTED
                    if os.path.lexists(suspected):
                        found.add(directory)
                    os.replace(mark, suspected)
        return found

    def _ticket(self, directory: str) -> str:
        return os.path.join(self._tickets, os.path.basename(directory))

    def _notebook_of(self, directory: str) -> str:
        try:
            with open(os.path.join(directory, NOTEBOOK), encoding="utf-8") as file:
                return file.read(_LONGEST_PATH)
        except (OSError, ValueError):
            return ""


def _directories(place: str) -> list[str]:
    names: list[str] = []
    with contextlib.suppress(OSError):
        names = [name for name in os.listdir(place) if _NAME.fullmatch(name)]
    return [os.path.join(place, name) for name in names]


class SessionsWithState(SessionManager):  # type: ignore[misc]
    """Jupyter Server makes one. Without ``states`` it is Jupyter Server's own, and so it is where they fail."""

    states: NotebookStates | NoStates | None = None

    async def start_kernel_for_session(
        self, session_id: Any, path: Any, name: Any, type: Any, kernel_name: Any, *more: Any, **others: Any  # noqa: A002
    ) -> Any:  # fmt: skip
        """Called when a notebook needs a kernel."""
        told: dict[str, str] = {}
        a_notebook = type == "notebook" or _ELSEWHERE.fullmatch(str(path))
        if self.states is not None and a_notebook and not more and not any(others.values()):
            try:
                if await self._is_ours(kernel_name):
                    told = self.states.environment(path)
            except Exception:  # a kernel without its state is a kernel
                self.log.warning("The state of %s can't be kept", path, exc_info=True)
                told = {}
        if not told:
            return await super().start_kernel_for_session(session_id, path, name, type, kernel_name, *more, **others)
        kernel_path = await ensure_async(self.contents_manager.get_kernel_path(path=path))
        return await self.kernel_manager.start_kernel(
            path=kernel_path,
            kernel_name=kernel_name,
            env={**self.get_kernel_env(path, name), **told},
            extra_arguments=[_ARGUMENT],
        )

    async def get_session(self, **columns: Any) -> Any:
        """Called for what is told of a session."""
        model = await super().get_session(**columns)
        if self.states is not None and self.states.comes_back(model["path"]):
            return {**model, COMES_BACK: True}
        return model

    async def update_session(self, session_id: Any, **changes: Any) -> None:
        """Called when a notebook gets another name, or another kernel."""
        before = (await self.get_session(session_id=session_id))["path"]
        await super().update_session(session_id, **changes)
        if self.states is not None and changes.get("path"):
            with contextlib.suppress(OSError):
                self.states.moved(before, changes["path"])

    async def delete_session(self, session_id: Any) -> None:
        """Called when the user ends a notebook's kernel."""
        path = (await self.get_session(session_id=session_id))["path"]
        await super().delete_session(session_id)
        if self.states is not None:
            self.states.forget(path)

    async def _is_ours(self, kernel_name: Any) -> bool:
        """Whether it is a kernel of Python's that takes our argument."""
        manager = self.kernel_manager.kernel_spec_manager
        name = kernel_name or self.kernel_manager.default_kernel_name
        spec = await ensure_async(manager.get_kernel_spec(name))
        return spec.language == "python" and any(part.partition("_")[0] == _IPYKERNEL for part in spec.argv)
