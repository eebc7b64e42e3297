"""A call of a function, as it travels: its source, and its arguments as values and files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from golem_launcher.agent.task_values import Untransportable, encode
from golem_launcher.errors import RequestError
from golem_launcher.tasks.payload import Payload

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import PurePath

    from golem_launcher.tasks.function_source import Shipped


def call_payload(shipped: Shipped, args: Sequence[Any], kwargs: dict[str, Any], *, seconds: float) -> Payload:
    """What is sent for one call of a function. Raises ``RequestError`` that names what can't travel."""
    blobs: list[tuple[str, bytes | Path]] = []

    def add_bytes(data: bytes) -> int:
        blobs.append(("", data))
        return len(blobs) - 1

    def add_file(path: PurePath) -> int:
        here = Path(path).expanduser().absolute()
        if not here.is_file():
            raise Untransportable(f"it has the path '{path}', and there is no file there")
        blobs.append((f"given/{len(blobs)}/{here.name}", here))
        return len(blobs) - 1

    value = {
        "args": [*shipped.args, *args],
        "kwargs": {**shipped.kwargs, **kwargs},
        "constants": shipped.constants,
    }
    try:
        encoded = encode(value, add_bytes, add_file)
    except Untransportable as error:
        raise RequestError(f"The call of '{shipped.name}' can't travel: {error}.") from None
    return Payload({"call": {"source": shipped.source, "name": shipped.name, **encoded}}, tuple(blobs), seconds)
