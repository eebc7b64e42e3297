from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golem_launcher.errors import BusProtocolError
from golem_launcher.node.gsb import frames, packets

FIELDS = {
    "str": st.text(max_size=50),
    "bytes": st.binary(max_size=300),
    "Data": st.binary(max_size=300),
    "int": st.integers(0, 2**31),
    "bool": st.booleans(),
}
PACKETS = st.one_of(
    *(st.builds(kind, **{name: FIELDS[type_] for name, type_ in frames._FIELDS[kind]}) for kind in packets.PACKETS)
)


@given(PACKETS)
def test_a_packet_survives_the_wire(packet):
    assert frames.decode(frames.encode(packet)) == packet


@given(PACKETS)
def test_peeking_agrees_with_decoding(packet):
    frame = frames.encode(packet)
    assert frames.decode(memoryview(frame)) == packet
    _, start, end = frames.envelope(frame)
    if isinstance(packet, packets.CallRequest):
        assert frames.peek_call(frame, start, end) == (packet.address, packet.request_id, packet.no_reply)
    if isinstance(packet, packets.CallReply):
        assert frames.peek_reply(frame, start, end) == (packet.request_id, packet.reply_type != 1)


@given(st.binary(max_size=200), PACKETS, st.data())
def test_hostile_bytes_raise_only_protocol_errors(garbage, packet, data):
    good = frames.encode(packet)
    cut = data.draw(st.integers(4, len(good)))
    for frame in (b"\0\0\0\0" + garbage, good[:cut] + garbage, good[:cut]):
        for read in (frames.decode, lambda frame: frames.peek_call(frame, *frames.envelope(frame)[1:])):
            with contextlib.suppress(BusProtocolError):
                read(frame)


def test_wire_format_is_the_documented_one():
    # Hello {1: "n", 2: "v", 3: b"i"} in Packet field 1
    assert frames.encode(packets.Hello("n", "v", b"i")) == b"\0\0\0\x0b\x0a\x09\x0a\x01n\x12\x01v\x1a\x01i"


def test_too_big_is_refused_both_ways():
    with pytest.raises(BusProtocolError):
        frames.encode(packets.CallReply("1", 0, 0, bytes(frames.LARGEST_FRAME)))

    with pytest.raises(BusProtocolError):
        frames.frame_length((frames.LARGEST_FRAME + 1).to_bytes(4, "big"), 0)
