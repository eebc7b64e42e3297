"""Which notebook's state lies where in the workspace, and which kernel takes one up. For Jupyter's server.

A notebook's state is a directory of a name without meaning, with a file that says whose it is: a notebook that is
renamed keeps its own. What is there when the server starts came with the workspace, or was left by a server that
crashed. The first kernel that is started for such a notebook takes its state up; whoever restarts it gets an empty one.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from typing import TYPE_CHECKING, Any

from jupyter_server.services.sessions.sessionmanager import SessionManager
from jupyter_server.utils import ensure_async

from .kernel_state import PLACE, extension

if TYPE_CHECKING:
    from collections.abc import Iterator

_NOTEBOOK = "notebook"
_LONGEST_PATH = 4096
_IPYKERNEL = "ipykernel"
_ARGUMENT = f"--IPKernelApp.extra_extensions={extension.__package__}"


class NotebookStates:
    """Of one workspace. ``tickets`` is a directory outside of it; ``archive`` is where kernels find our code."""

    def __init__(self, root: str, tickets: str, archive: str) -> None:
        self._place = os.path.join(root, PLACE)  # noqa: PTH118 - pathlib costs time
        self._tickets = tickets
        self._archive = archive
        self._waiting: dict[str, str] = {}
        """Path of a notebook to the directory of the state that waits for its first kernel."""
        for directory, path in self._found():
            if os.path.isfile(os.path.join(root, path)):  # noqa: PTH113, PTH118
                self._waiting[path] = directory
            else:
                shutil.rmtree(directory, ignore_errors=True)

    def environment(self, path: str) -> dict[str, str]:
        """What a new kernel of the notebook at ``path`` is told. Raises ``OSError``."""
        waiting = self._waiting.pop(path, None)
        self.forget(path, but=waiting)
        directory = waiting or os.path.join(self._place, secrets.token_hex(8))  # noqa: PTH118
        ticket = ""
        if waiting is not None:
            os.makedirs(self._tickets, mode=0o700, exist_ok=True)  # noqa: PTH103
            ticket = os.path.join(self._tickets, os.path.basename(directory))  # noqa: PTH118, PTH119
            with open(ticket, "w"):  # noqa: PTH123
                pass
        self._name(directory, path)
        paths = (self._archive, os.environ.get("PYTHONPATH", ""))
        return {
            extension.DIRECTORY: directory,
            extension.TICKET: ticket,
            extension.PATH: self._archive,
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        }

    def moved(self, before: str, path: str) -> None:
        """A notebook has another path."""
        if before != path:
            self.forget(path)
            for directory, found in list(self._found()):
                if found == before:
                    self._name(directory, path)
            if before in self._waiting:
                self._waiting[path] = self._waiting.pop(before)

    def forget(self, path: str, but: str | None = None) -> None:
        """The user has ended this notebook's kernel, or begins another: its variables are gone."""
        for directory, found in list(self._found()):
            if found == path and directory != but:
                shutil.rmtree(directory, ignore_errors=True)

    def _found(self) -> Iterator[tuple[str, str]]:
        """Directories of states, and whose they are."""
        names: list[str] = []
        with contextlib.suppress(OSError):
            names = os.listdir(self._place)  # noqa: PTH208
        for name in names:
            directory = os.path.join(self._place, name)  # noqa: PTH118
            with contextlib.suppress(OSError, ValueError):
                with open(os.path.join(directory, _NOTEBOOK), encoding="utf-8") as file:  # noqa: PTH118, PTH123
                    path = file.read(_LONGEST_PATH)
                yield directory, path

    def _name(self, directory: str, path: str) -> None:
        os.makedirs(directory, mode=0o700, exist_ok=True)  # noqa: PTH103
        with open(os.path.join(directory, _NOTEBOOK), "w", encoding="utf-8") as file:  # noqa: PTH118, PTH123
            file.write(path)


class SessionsWithState(SessionManager):  # type: ignore[misc]
    """Jupyter Server makes one. Without ``states`` it is Jupyter Server's own, and so it is where they fail."""

    states: NotebookStates | None = None

    async def start_kernel_for_session(
        self, session_id: Any, path: Any, name: Any, type: Any, kernel_name: Any, *more: Any, **others: Any  # noqa: A002
    ) -> Any:  # fmt: skip
        """Called when a notebook needs a kernel."""
        told: dict[str, str] = {}
        if self.states is not None and not more and not any(others.values()):
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
