"""A Python kernel on this computer, beside the provider's, for the cells that are to run here."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import LauncherError
from golem_launcher.untrusted_text import sentence

if TYPE_CHECKING:
    from golem_launcher.kernel.output import Output

_START_SECONDS = 60.0
_SHOWN = frozenset({"stream", "display_data", "update_display_data", "execute_result", "error", "clear_output"})


class CellFailed(LauncherError):  # noqa: N818 - reads as what it says
    """A cell raised an error, which it showed."""


class LocalKernel:
    """A kernel of this computer's Python, started with the first cell. ``aclose`` once."""

    def __init__(self) -> None:
        self._manager: Any = None
        self._client: Any = None

    async def run(self, code: str, output: Output) -> None:
        """Run a cell to its end. Raises ``CellFailed``."""
        if self._client is None:
            from jupyter_client.manager import start_new_async_kernel

            self._manager, self._client = await start_new_async_kernel(startup_timeout=_START_SECONDS)
        message_id = self._client.execute(code, allow_stdin=False)
        failed = ""
        try:
            while True:
                message = await self._client.get_iopub_msg(timeout=None)
                kind, content = message["msg_type"], message["content"]
                if message["parent_header"].get("msg_id") != message_id:
                    continue
                if kind == "error":
                    failed = f"{content['ename']}: {content['evalue']}"
                if kind in _SHOWN:
                    await output.tell(kind, content)
                if kind == "status" and content["execution_state"] == "idle":
                    break
        except asyncio.CancelledError:
            await self._manager.interrupt_kernel()
            raise
        if failed:
            raise CellFailed(sentence(f"The cell failed on this computer. {failed}"))

    async def aclose(self) -> None:
        """End it."""
        if self._client is not None:
            self._client.stop_channels()
            with contextlib.suppress(RuntimeError):
                await self._manager.shutdown_kernel(now=True)
