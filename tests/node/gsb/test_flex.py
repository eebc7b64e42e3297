from __future__ import annotations

import contextlib
import zlib

import pytest
from flatbuffers import flexbuffers
from hypothesis import given
from hypothesis import strategies as st

from golem_launcher.errors import BusProtocolError
from golem_launcher.node.gsb import flex

KEYS = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=30,
)


@given(VALUES)
def test_values_survive(value):
    assert flex.loads(flex.dumps(value)) == value
    assert flex.loads(zlib.compress(flex.dumps(value))) == value


def test_bytes_are_a_view_of_the_message_that_brought_them():
    data = flex.dumps({"content": b"of a file"})
    found = flex.loads(data)["content"]
    assert (found.obj, bytes(found)) == (data, b"of a file")


@pytest.mark.parametrize("length", [0, 31, 63, 64, 65, 127, 1000])
def test_keys_have_any_length(length):
    assert flex.loads(flex.dumps({"k" * length: 1})) == {"k" * length: 1}


@given(st.lists(st.integers(-100, 100), min_size=2, max_size=4), st.lists(st.floats(width=32, allow_nan=False)))
def test_typed_vectors_are_read_like_the_library_does(integers, floats):
    for fill in (
        lambda b: b.FixedTypedVectorFromElements(integers),
        lambda b: b.TypedVectorFromElements(integers),
        lambda b: b.TypedVectorFromElements(floats),
        lambda b: b.IndirectInt(integers[0]),
    ):
        builder = flexbuffers.Builder()
        fill(builder)
        data = bytes(builder.Finish())
        if data:
            assert flex.loads(data) == flexbuffers.Loads(data)


@given(st.binary(max_size=120), VALUES, st.data())
def test_hostile_bytes_raise_only_protocol_errors(garbage, value, data):
    good = bytearray(flex.dumps(value))
    good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    for hostile in (garbage, bytes(good), b"\x78\x9c" + garbage):
        with contextlib.suppress(BusProtocolError):
            flex.loads(hostile)


def test_circles_bombs_and_depth_are_refused():
    circle = bytes([1, 1, 40, 2, 40, 1])  # a vector whose element is itself
    bomb = zlib.compress(bytes(flex.LARGEST_PLAIN + 1))
    deep = flexbuffers.Builder()
    starts = [deep._StartVector() for _ in range(100)]
    for start in reversed(starts):
        deep._EndVector(start, typed=False, fixed=False)
    for hostile in (circle, bomb, bytes(deep.Finish())):
        with pytest.raises(BusProtocolError):
            flex.loads(hostile)
