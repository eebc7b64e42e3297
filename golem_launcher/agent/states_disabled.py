"""For sessions that keep no variables: their notebooks' kernels say so when they are asked by ``%state``."""

from __future__ import annotations

from .kernel_state import extension

_WHY_NOT = (
    "Variables are not kept in this session: it was started with --no-state, or saves nothing. "
    "What earlier sessions kept of them stays as it is."
)


class NoStates:
    """In the place of ``NotebookStates``: what lies in the workspace for a later session is left as it is."""

    def __init__(self, archive: str) -> None:
        """``archive`` is where kernels find our code."""
        self._archive = archive

    def environment(self, path: str) -> dict[str, str]:  # noqa: ARG002 - all are told the same
        """What a new kernel of any notebook is told."""
        return {**extension.way(self._archive), extension.NO_STATE: _WHY_NOT}

    def moved(self, before: str, path: str) -> None:
        """A session has another path, which is nothing here."""

    def forget(self, path: str) -> None:
        """The user has ended a kernel, which had nothing to be forgotten."""

    def comes_back(self, path: str) -> bool:  # noqa: ARG002 - likewise
        """Whether the next cell takes up a state: never."""
        return False
