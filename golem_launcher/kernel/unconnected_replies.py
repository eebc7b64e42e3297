"""What every request is answered while there is no kernel over there."""

from __future__ import annotations

import codeop
import platform
import sys
from typing import TYPE_CHECKING, Any

from golem_launcher.kernel.messages import PROTOCOL_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from golem_launcher.kernel.messages import JupyterMessage

NOT_CONNECTED = "The notebook is not connected to a provider."


def answer(message: JupyterMessage, banner: str) -> dict[str, Any] | None:
    """The reply to any request; ``None`` for messages that get none."""
    if not message.kind.endswith("_request"):
        return None
    known: Callable[[], dict[str, Any]] | None = {
        "kernel_info_request": lambda: kernel_info(banner),
        "comm_info_request": lambda: {"status": "ok", "comms": {}},
        "history_request": lambda: {"status": "ok", "history": []},
        "inspect_request": lambda: {"status": "ok", "found": False, "data": {}, "metadata": {}},
        "complete_request": lambda: _nothing_to_complete(message.content()),
        "is_complete_request": lambda: {"status": _is_complete(str(message.content().get("code", "")))},
        "connect_request": lambda: {"status": "ok"},
        "debug_request": lambda: _no_debugger(message.content()),
        "list_subshell_request": lambda: {"status": "ok", "subshell_id": []},
    }.get(message.kind)
    if known is not None:
        return known()
    return {"status": "error", "ename": "NotConnected", "evalue": NOT_CONNECTED, "traceback": []}


def kernel_info(banner: str) -> dict[str, Any]:
    """What this is; of the Python over there nothing is known yet."""
    return {
        "status": "ok",
        "protocol_version": PROTOCOL_VERSION,
        "implementation": "golem",
        "implementation_version": "1",
        "language_info": {
            "name": "python",
            "version": platform.python_version(),
            "mimetype": "text/x-python",
            "file_extension": ".py",
            "pygments_lexer": "ipython3",
            "codemirror_mode": {"name": "ipython", "version": sys.version_info[0]},
            "nbconvert_exporter": "python",
        },
        "banner": banner,
        "help_links": [],
        "supported_features": ["debugger", "kernel subshells"],
        "debugger": True,
    }


def _nothing_to_complete(content: dict[str, Any]) -> dict[str, Any]:
    at = int(content.get("cursor_pos", 0))
    return {"status": "ok", "matches": [], "cursor_start": at, "cursor_end": at, "metadata": {}}


def _is_complete(code: str) -> str:
    """For consoles, which ask at each line."""
    if code.lstrip().startswith(("%", "!", "?")) or code.endswith("\n\n"):
        return "complete"
    try:
        return "complete" if codeop.compile_command(code) is not None else "incomplete"
    except (SyntaxError, ValueError, OverflowError):
        return "unknown"


def _no_debugger(request: dict[str, Any]) -> dict[str, Any]:
    """As a debugger says that it is not started."""
    asked = request.get("command")
    body: dict[str, Any] = {}
    if asked == "debugInfo":
        body = {
            "isStarted": False, "hashMethod": "Murmur2", "hashSeed": 0, "tmpFilePrefix": "", "tmpFileSuffix": ".py",
            "breakpoints": [], "stoppedThreads": [], "richRendering": True, "exceptionPaths": [], "copyToGlobals": True,
        }  # fmt: skip
    return {
        "type": "response",
        "request_seq": request.get("seq", 0),
        "success": asked == "debugInfo",
        "command": asked,
        "message": "" if body else NOT_CONNECTED,
        "body": body,
    }
