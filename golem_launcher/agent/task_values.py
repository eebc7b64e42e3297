"""How arguments and results of a function travel: JSON, and beside it the bytes and files that JSON has no words for.

Both sides use it; neither ever makes more of what it reads than text, numbers, lists, dicts, bytes, tables and files.
A value becomes JSON in which ``{"$golem": "bytes", "blob": 3}`` stands for the bytes of the third blob that travels
along, ``"file"`` for a path: the file is brought, and the other side has its path there, and ``"arrow"`` for a table as
a stream of Arrow's, which takes pyarrow on both sides.
"""

from __future__ import annotations

import math
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_MARK = "$golem"
_DEEPEST = 100
_MOST_INDEX = 32
_LARGEST_FRAMES = 2 * 1024**3
"""What all frames of one value may become, in bytes."""
_REFERENCE, _OBJECT = 8, 200
"""What a value takes as one of an array of numpy's, and as an object of Python's (a dict, an array, text), in bytes."""


class Untransportable(TypeError):  # noqa: N818 - it is an answer
    """A value that can't travel; its text names it, and says what can."""


def encode(  # noqa: C901 - a case for each kind of value
    value: Any, add_bytes: Callable[[bytes], int], add_file: Callable[[PurePath], int]
) -> Any:
    """The value as JSON knows it. What has no words there is given to ``add_bytes`` or ``add_file``: a blob's number.

    Raises ``Untransportable``.
    """

    def walk(value: Any, place: str, depth: int) -> Any:  # noqa: PLR0911 - likewise
        if depth > _DEEPEST:
            raise Untransportable(f"{place} is nested too deep, or contains itself")
        if value is None or isinstance(value, (bool, str)) or type(value) is int:
            return value
        if type(value) is float:
            return value if math.isfinite(value) else {_MARK: "float", "is": str(value)}
        if isinstance(value, (bytes, bytearray, memoryview)):
            return {_MARK: "bytes", "blob": add_bytes(bytes(value))}
        if isinstance(value, PurePath):
            return {_MARK: "file", "blob": add_file(value)}
        if isinstance(value, (list, tuple)):
            return [walk(one, f"{place}[{index}]", depth + 1) for index, one in enumerate(value)]
        if isinstance(value, dict):
            for key in value:
                if not isinstance(key, str) or key == _MARK:
                    raise Untransportable(f"{place} has the key {key!r:.80}; keys that can travel are text")
            return {key: walk(one, f"{place}[{key!r:.40}]", depth + 1) for key, one in value.items()}
        about, data = _as_arrow(value, place)
        return {_MARK: "arrow", **about, "blob": add_bytes(data)}

    return walk(value, "it", 0)


def _no_table(_data: bytes, _about: dict[str, Any]) -> Any:
    raise ValueError("a table where none is expected")


def decode(
    value: Any,
    take_bytes: Callable[[int], bytes],
    take_file: Callable[[int], Any],
    read_table: Callable[[bytes, dict[str, Any]], Any] = _no_table,
) -> Any:
    """The value that :func:`encode` made this of; ``read_table`` makes a table of its bytes and what is said of it.

    Raises ``ValueError`` for what it never makes.
    """
    if isinstance(value, list):
        return [decode(one, take_bytes, take_file, read_table) for one in value]
    if not isinstance(value, dict):
        return value
    if _MARK not in value:
        return {key: decode(one, take_bytes, take_file, read_table) for key, one in value.items()}
    kind, blob = value[_MARK], value.get("blob")
    if kind == "float" and value.get("is") in {"nan", "inf", "-inf"}:
        return float(value["is"])
    if not isinstance(blob, int) or isinstance(blob, bool) or kind not in {"bytes", "file", "arrow"}:
        raise ValueError("a value that nobody sends")
    if kind == "arrow":
        return read_table(take_bytes(blob), value)
    return take_bytes(blob) if kind == "bytes" else take_file(blob)


def _table_kind(value: Any) -> str:
    """Which kind of table a value is; empty where it is none. Other libraries' frames come back as tables."""
    library, name = type(value).__module__.partition(".")[0], type(value).__name__
    if (library, name) in {("pandas", "DataFrame"), ("pyarrow", "RecordBatch")}:
        return "frame" if name == "DataFrame" else "batch"
    return "table" if hasattr(value, "__arrow_c_stream__") and name in {"Table", "DataFrame"} else ""


def _as_arrow(value: Any, place: str) -> tuple[dict[str, Any], bytes]:
    """What is said of a table, and the table as a stream. Raises ``Untransportable`` for whatever else it is."""
    if not _table_kind(value):
        kind = f"{type(value).__module__}.{type(value).__qualname__}".replace("builtins.", "")
        raise Untransportable(
            f"{place} is a {kind}, which can't travel. What can: None, truth values, numbers, text, bytes, lists, "
            f"dicts with text as keys, tables of pyarrow and pandas, and paths of files (pathlib.Path){_advice(value)}"
        )
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra
    except ImportError:
        raise Untransportable(
            f"{place} is a table, for which pyarrow must be installed on both sides{_advice(value)}"
        ) from None
    about: dict[str, Any] = {"as": _table_kind(value), "index": []}
    try:
        if about["as"] == "frame":
            about["index"], value = _without_index(value, place)
            table = pa.Table.from_pandas(value, preserve_index=False)
        else:
            table = pa.Table.from_batches([value]) if about["as"] == "batch" else pa.table(value)
        for field in table.schema:
            if not _fits(field.type):
                raise Untransportable(f"{place} has the column {field.name!r:.80} of the type {field.type!s:.80}")
        plain = pa.schema([pa.field(field.name, field.type, field.nullable) for field in table.schema])
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, plain) as writer:
            writer.write_table(pa.Table.from_arrays(table.columns, schema=plain))
    except pa.ArrowException as error:
        raise Untransportable(f"{place} is a table that Arrow has no types for ({error!s:.200})") from None
    return about, bytes(sink.getvalue())


def _without_index(frame: Any, place: str) -> tuple[list[str | None], Any]:
    """The names of a frame's index and the frame with it as its first columns; none where it only counts the rows."""
    import pandas as pd  # noqa: PLC0415 - it is there, as the frame is

    names: list[str | None] = []
    if frame.index.name is not None or not frame.index.equals(pd.RangeIndex(len(frame))):
        names = list(frame.index.names)
        if not all(name is None or isinstance(name, str) for name in names) or len(names) > _MOST_INDEX:
            raise Untransportable(f"{place} is a frame whose index has a name that is no text")
        try:
            frame = frame.reset_index()
        except ValueError as error:
            raise Untransportable(f"{place} is a frame whose index can't be a column ({error!s:.200})") from None
    if not all(isinstance(name, str) for name in frame.columns) or not frame.columns.is_unique:
        raise Untransportable(f"{place} is a frame whose columns have names that are no text, or twice the same one")
    return names, frame


class Room:
    """What the frames of one value may still become, in bytes: of several that are small the sum may not be."""

    def __init__(self, left: int = _LARGEST_FRAMES) -> None:
        self._left = left

    def take(self, size: int) -> bool:
        """Whether there is room for so much; it is taken then."""
        fits = size <= self._left
        self._left -= size if fits else 0
        return fits


def read_arrow(data: bytes, about: dict[str, Any], room: Room) -> Any:
    """The table that :func:`encode` made these bytes of, as what it was.

    A frame comes as a pyarrow table where pandas is missing, or no ``room``, that of the whole value, is left for it.
    Raises ``ImportError`` without pyarrow, ``ValueError`` and what pyarrow and pandas raise for what it never makes.
    """
    import pyarrow as pa  # noqa: PLC0415 - an extra

    source = pa.BufferReader(data)
    with pa.ipc.open_stream(source) as reader:
        if not all(_fits(field.type) for field in reader.schema):
            raise ValueError("a column of a type that nobody sends")
        table = reader.read_all().replace_schema_metadata(None)
    if source.tell() != len(data):
        raise ValueError("more bytes than the stream has")
    table.validate(full=True)
    most = 8 * len(data)  # a bit is the least that a value takes
    if table.num_rows > most:
        raise ValueError("more rows than there is room for")
    size = _OBJECT + sum(_size_of(column, most) for column in table.columns)
    kind, index = about.get("as"), about.get("index")
    fits = isinstance(index, list) and len(index) <= min(_MOST_INDEX, table.num_columns)
    if kind not in {"table", "batch", "frame"} or not fits or not isinstance(index, list):
        raise ValueError("a table of a kind that nobody sends")
    if kind == "batch":
        batches = table.combine_chunks().to_batches()
        return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)
    if kind == "table" or not room.take(size):
        return table
    try:
        import pandas as pd  # noqa: F401, PLC0415 - it may not be there
    except ImportError:
        return table
    return _with_index(table.to_pandas(), index)


def _size_of(column: Any, most: int) -> int:
    """What a column may become in a frame, in bytes. Raises ``ValueError`` where more than ``most`` values are nested.

    A column that is a dictionary stays one; within others each value is one of its own.
    """
    import pyarrow as pa  # noqa: PLC0415 - an extra

    if not pa.types.is_dictionary(column.type):
        return _OBJECT + sum(_becomes(chunk, _REFERENCE, most) for chunk in column.chunks)
    dictionaries = sum(_becomes(chunk.dictionary, _REFERENCE, most) for chunk in column.chunks)
    return _OBJECT + _REFERENCE * len(column) + dictionaries


def _becomes(values: Any, each: int, most: int) -> int:
    """What an array may become, in bytes: numbers take ``each``, what is nested is counted as deep as it goes."""
    import pyarrow as pa  # noqa: PLC0415 - an extra

    types, kind, count = pa.types, values.type, len(values)
    if count > most:
        raise ValueError("more values than there is room for")
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _OBJECT * count + _becomes(values.values, _REFERENCE, most)
    if types.is_struct(kind):
        parts = (values.field(number) for number in range(kind.num_fields))
        return _OBJECT * count + sum(_becomes(part, _OBJECT, most) for part in parts)
    if types.is_dictionary(kind):
        return count * (_OBJECT + int(values.dictionary.nbytes)) + _becomes(values.dictionary, _OBJECT, most)
    return count * (each if types.is_primitive(kind) or types.is_null(kind) else _OBJECT)


def _with_index(frame: Any, names: list[Any]) -> Any:
    if not names:
        return frame
    if not all(name is None or isinstance(name, str) for name in names):
        raise ValueError("an index that nobody sends")
    frame = frame.set_index(list(frame.columns[: len(names)]))
    frame.index.names = names
    return frame


def _fits(kind: Any) -> bool:
    """Whether a type of Arrow's travels: what is plain, and lists, structs and dictionaries of it.

    No extension, whose library would be called, and nothing of which a few bytes stand for endlessly many values.
    """
    import pyarrow as pa  # noqa: PLC0415 - an extra

    types = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return False
    if types.is_list(kind) or types.is_large_list(kind) or types.is_dictionary(kind):
        return _fits(kind.value_type)
    if types.is_fixed_size_list(kind):
        return kind.list_size > 0 and _fits(kind.value_type)
    if types.is_struct(kind):
        return kind.num_fields > 0 and all(_fits(kind.field(number).type) for number in range(kind.num_fields))
    if types.is_fixed_size_binary(kind):
        return bool(kind.byte_width > 0)
    plain = (
        types.is_null, types.is_boolean, types.is_integer, types.is_floating, types.is_decimal, types.is_date,
        types.is_time, types.is_timestamp, types.is_duration, types.is_string, types.is_large_string, types.is_binary,
        types.is_large_binary,
    )  # fmt: skip
    return any(is_it(kind) for is_it in plain)


def _advice(value: Any) -> str:
    if hasattr(value, "tolist"):
        return "; .tolist() makes a list of it"
    if isinstance(value, (set, frozenset)):
        return "; sorted() makes a list of it"
    if hasattr(value, "to_dict"):
        return "; .to_dict() makes a dict of it"
    return ""
