"""Tables as arguments and results: they come back as they were, and what a provider makes up is refused."""

import functools
import sys
import tracemalloc

import pandas as pd
import pyarrow as pa
import pytest

from golem_launcher.agent.task_values import Room, Untransportable, decode, encode
from golem_launcher.errors import ProviderError
from golem_launcher.tasks import arrow_tables


def read_table(data, about, room=None):
    return arrow_tables.read_table(data, about, Room() if room is None else room)


def there_and_back(value):
    blobs = []

    def add(blob):
        blobs.append(blob)
        return len(blobs) - 1

    return decode(encode(value, add, add), blobs.__getitem__, blobs.__getitem__, read_table)


def stream(table, **options):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


ABOUT = {"as": "table", "index": []}


def test_tables_come_back_as_what_they_were():
    table = pa.table({"a": [1, None], "b": [["x"], []], "c": pa.array(["u", "u"]).dictionary_encode()})
    assert there_and_back({"x": [table]}) == {"x": [table]}
    batch = table.to_batches()[0]
    assert isinstance(there_and_back(batch), pa.RecordBatch)
    assert there_and_back(batch) == batch
    empty = pa.RecordBatch.from_pylist([], schema=table.schema)
    assert there_and_back(empty) == empty


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"a": [1, 2], "b": ["x", None], "when": pd.to_datetime(["2026-01-02"] * 2)}),
        pd.DataFrame({"a": [1.5, float("nan")]}, index=pd.Index(["u", "v"], name="key")),
        pd.DataFrame({"a": [1, 2]}, index=[7, 9]),
        pd.DataFrame({"a": [1, 2]}, index=pd.MultiIndex.from_tuples([(1, "x"), (2, "y")], names=["n", None])),
        pd.DataFrame({"a": pd.Categorical(["x", "y"])}),
        pd.DataFrame(),
    ],
)
def test_frames_come_back_with_their_index(frame):
    pd.testing.assert_frame_equal(there_and_back(frame), frame, check_column_type=False)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (pd.DataFrame({1: [2]}), "names that are no text"),
        (pd.DataFrame({"a": [object()]}), "no types for"),
        (pd.DataFrame({"a": [1, "x"]}), "no types for"),
        (pd.DataFrame({"a": pd.period_range("2026", periods=1)}), "has the column 'a' of the type"),
        (
            pa.table({"a": pa.array([[(1, 2)]], pa.map_(pa.int8(), pa.int8()))}),
            "has the column 'a' of the type map",
        ),
        (pd.Series([1]), "tables of pyarrow and pandas"),
    ],
)
def test_what_cannot_travel_is_named(value, words):
    with pytest.raises(Untransportable) as raised:
        there_and_back(value)
    assert words in str(raised.value)


class Evil(pa.ExtensionType):
    made = False

    def __init__(self):
        super().__init__(pa.int8(), "evil")

    def __arrow_ext_serialize__(self):
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage, serialized):
        cls.made = True
        return cls()


def test_no_librarys_own_type_is_made_of_what_a_provider_says():
    data = stream(pa.table({"a": pa.ExtensionArray.from_storage(Evil(), pa.array([1], pa.int8()))}))
    pa.register_extension_type(Evil())
    try:
        with pytest.raises(ValueError, match="nobody sends"):
            read_table(data, ABOUT)
    finally:
        pa.unregister_extension_type("evil")
    assert not Evil.made


def test_what_unpacks_to_more_than_came_is_refused():
    zeros = pa.table({"a": pa.array([0] * 100_000)})
    assert read_table(stream(zeros), ABOUT) == zeros
    words = pa.table({"a": pa.array(["x"] * 1000).dictionary_encode()})
    for table in (zeros, words):
        for codec in ("zstd", "lz4"):
            with pytest.raises(ValueError, match="nobody sends"):
                read_table(stream(table, compression=codec), ABOUT)
    endless = pa.table({"a": pa.nulls(10**9)})
    for about in (ABOUT, {"as": "frame", "index": []}):
        with pytest.raises(ValueError, match="more rows"):
            read_table(stream(endless), about)
    repeated = pa.RunEndEncodedArray.from_arrays([10**9], ["x"])
    with pytest.raises(ValueError, match="type"):
        read_table(stream(pa.table({"a": repeated})), ABOUT)


FRAME = {"as": "frame", "index": []}


def nothings(size, rows):
    return pa.FixedSizeListArray.from_arrays(pa.nulls(size * rows), size)


@pytest.mark.parametrize(
    "column",
    [
        nothings(2_000_000, 4),
        pa.StructArray.from_arrays([nothings(2_000_000, 4)], ["a"]),
        pa.ListArray.from_arrays(pa.array([0, 2**30], pa.int32()), pa.nulls(2**30)),
        pa.DictionaryArray.from_arrays(pa.array([0], pa.int8()), nothings(2_000_000, 1)),
    ],
)
@pytest.mark.parametrize("about", [ABOUT, FRAME])
def test_a_few_bytes_do_not_stand_for_endlessly_many_nested_values(column, about):
    data = stream(pa.table({"a": column}))
    assert len(data) < 1000
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="more values"):
            read_table(data, about)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_lists_of_nothing_and_fields_of_nothing_travel():
    frame = pd.DataFrame({"a": [[], [None]], "b": [{"x": None}, {"x": None}]})
    found = there_and_back(frame)
    assert [[*one] for one in found["a"]] == [[], [None]]
    assert [*found["b"]] == [{"x": None}] * 2


def test_bytes_behind_the_end_are_refused():
    with pytest.raises(ValueError, match="more bytes"):
        read_table(stream(pa.table({"a": [1]})) + bytes(8), ABOUT)


@pytest.mark.parametrize(
    ("column", "objects"),
    [
        (pa.array([[1]] * 1000), 1000),
        (pa.array([[[1]]] * 1000), 2000),
        (pa.array([{"a": 1}] * 1000), 2000),
        (pa.array([[{"a": None}]] * 1000), 3000),
        (pa.array([b"x"] * 1000), 1000),
        (pa.StructArray.from_arrays([pa.array(["x" * 1000] * 1000).dictionary_encode()], ["a"]), 7000),
    ],
)
def test_a_frame_that_may_become_too_much_stays_a_table(column, objects):
    data, size = stream(pa.table({"a": column})), 200 * objects
    assert isinstance(read_table(data, FRAME, Room(size + 20_000)), pd.DataFrame)
    assert read_table(data, FRAME, Room(size)) == pa.table({"a": column})


def test_all_frames_of_one_value_have_the_same_room():
    data = stream(pa.table({"a": [1] * 1000}))
    read = functools.partial(read_table, room=Room(20_000))
    assert [type(read(data, FRAME)) for _ in range(3)] == [pd.DataFrame, pd.DataFrame, pa.Table]


@pytest.mark.parametrize(
    "about",
    [{}, {"as": "pickle", "index": []}, {"as": "frame"}, {"as": "frame", "index": [1]},
     {"as": "frame", "index": [None] * 2}, {"as": ["frame"], "index": []}],
)  # fmt: skip
def test_what_nobody_says_of_a_table_is_refused(about):
    with pytest.raises((ValueError, TypeError)):
        read_table(stream(pa.table({"a": [1]})), about)


def test_bytes_that_are_no_stream_end_in_no_other_way_than_that():
    data = stream(pa.table({"a": ["x", "yy"], "b": [[1], None], "d": pa.array(["u", "v"]).dictionary_encode()}))
    for at in range(0, len(data), 3):
        for changed in (data[:at], data[:at] + b"\xff\xff\xff\x7f" + data[at + 4 :]):
            try:
                found = read_table(changed, ABOUT)
            except (ValueError, TypeError):
                continue
            assert found.num_rows <= 8 * len(data)


def test_who_lacks_pyarrow_is_told_what_to_install(monkeypatch):
    data, table = stream(pa.table({"a": [1]})), pa.table({"a": [1]})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ProviderError, match=r"pip install pyarrow"):
        read_table(data, ABOUT)
    with pytest.raises(Untransportable, match="pyarrow must be installed"):
        encode(table, len, len)
