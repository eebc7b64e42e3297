"""For sessions that keep no variables: their notebooks' kernels say so when they are asked by ``%state``."""

from __future__ import annotations

from .kernel_state import extension
from .notebook_states import NotebookStates

_WHY_NOT = (
    "Variables are not kept in this session: it was started with --no-state, or saves nothing. "
    "What earlier sessions kept of them stays as it is."
)


class NoStates(NotebookStates):
    """Has nothing of the workspace: what lies there for a later session is neither read nor changed."""

    def __init__(self, tickets: str, archive: str) -> None:
        """``tickets`` need not exist; ``archive`` is where kernels find our code."""
        super().__init__(tickets, tickets, archive)

    def environment(self, path: str) -> dict[str, str]:  # noqa: ARG002 - all are told the same
        """What a new kernel of any notebook is told."""
        return {**self._way, extension.NO_STATE: _WHY_NOT}
