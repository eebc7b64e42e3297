"""Looks at the messages of a stream of Arrow's before anything is made of it."""

from __future__ import annotations

from flatbuffers.number_types import UOffsetTFlags
from flatbuffers.table import Table
from pyarrow import ipc

_EXTENSION = b"ARROW:extension"
_HEADER_TYPE, _HEADER = 1, 2
"""Fields of a ``Message`` in Arrow's Message.fbs, as those that follow."""
_DICTIONARY, _RECORDS = 2, 3
_DICTIONARY_DATA = 1
_COMPRESSION = 3


def check(data: bytes) -> None:
    """Raises ``ValueError`` for a stream with a type of some library's own, or with parts that are compressed.

    Such a library makes its types while a schema is read, and a few bytes unpack to more than there is memory.
    """
    for message in ipc.MessageReader.open_stream(data):
        head = bytes(message.metadata)
        if _EXTENSION in head or _is_compressed(head):
            raise ValueError("a stream that nobody sends")


def _is_compressed(head: bytes) -> bool:
    try:
        root = Table(head, UOffsetTFlags.py_type(int.from_bytes(head[:4], "little")))
        kind = head[root.Pos + _offset(root, _HEADER_TYPE)] if _offset(root, _HEADER_TYPE) else 0
        if kind not in {_DICTIONARY, _RECORDS}:
            return False
        batch = _inner(root, _HEADER)
        if kind == _DICTIONARY:
            batch = _inner(batch, _DICTIONARY_DATA)
        return _offset(batch, _COMPRESSION) != 0
    except Exception as error:  # flatbuffers raises whatever bytes that are none lead to
        raise ValueError("a message that can't be read") from error


def _offset(table: Table, field: int) -> int:
    return int(table.Offset(4 + 2 * field))


def _inner(table: Table, field: int) -> Table:
    return Table(table.Bytes, table.Indirect(table.Pos + _offset(table, field)))
