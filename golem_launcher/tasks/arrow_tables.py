"""Reads tables that a provider sent as streams of Arrow's: plain data, of which nothing is called or unpacked."""

from __future__ import annotations

from typing import Any

from golem_launcher.agent import task_values
from golem_launcher.errors import ProviderError


def read_table(data: bytes, about: dict[str, Any], room: task_values.Room) -> Any:
    """What :func:`golem_launcher.agent.task_values.read_arrow` makes of it, once it is seen to be plain.

    ``room``: that of the whole result.

    Raises ``ProviderError`` where pyarrow is not installed here, and ``ValueError`` for what can't be read.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra
    except ImportError:
        raise ProviderError("it is a table, and to read it pyarrow is needed here: pip install pyarrow") from None
    from golem_launcher.tasks.arrow_messages import check  # noqa: PLC0415 - flatbuffers' own loads numpy

    try:
        check(data)
        return task_values.read_arrow(data, about, room)
    except (pa.ArrowException, OSError, KeyError, ArithmeticError, NotImplementedError, MemoryError) as error:
        raise ValueError(str(error)) from None
