"""What of a request may change when its session goes on at another machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from golem_launcher.errors import RequestError
from golem_launcher.request.errors import parse_request
from golem_launcher.untrusted_text import clean_line

if TYPE_CHECKING:
    from golem_launcher.request.launch_request import LaunchRequest

MOVABLE = (
    "cpus", "memory_gib", "disk_gib", "gpus", "gpu_model", "gpu_memory_gib",
    "price_per_hour", "choose", "allow", "deny",
)  # fmt: skip
"""Fields that say which machine is wanted. The others are what the session is, wherever it is."""


def on_another_machine(request: LaunchRequest, changes: dict[str, Any]) -> LaunchRequest:
    """The ``request`` with ``changes``, untyped values by field. Raises ``RequestError``.

    A command calls it to show the price, and the supervisor, which trusts no command, when it is told to move.
    """
    for name in changes:
        if name not in MOVABLE:
            raise RequestError(f"'{clean_line(name, longest=40)}' can't change while a session runs.", field=name)
    return parse_request({**request.model_dump(), **changes})
