"""Records: in whatever order they arrive, the stream comes out as it went in, or not at all."""

import asyncio
import base64
import os
import random
import socket
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golem_launcher.access.sockets.in_process_stream import Pipe
from golem_launcher.agent import tcp_carrier, tcp_carrier_server
from golem_launcher.agent.tcp_carrier_protocol import (
    DATA,
    END,
    LARGEST,
    NO_KEY,
    OPEN,
    OPENING,
    PACKED,
    TAKEN,
    WINDOW,
    CarrierError,
    Decoder,
    Record,
    encode,
    key,
)
from tests.patience import slower


@given(st.data(), st.lists(st.binary(max_size=50), max_size=30))
def test_any_order_and_any_cut_gives_the_records_in_order(data, payloads):
    records = [Record(DATA, payload) for payload in payloads]
    order = data.draw(st.permutations(range(len(records))))
    wire = b"".join(encode(number, records[number]) for number in order)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=8)))
    decoder, found = Decoder(), []
    for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        found += decoder.receive(wire[start:end])
    assert found == records


@pytest.mark.parametrize(
    ("payload", "packed"),
    [
        (b"what a kernel prints\n" * 3000, True),
        (b"what a kernel prints\n" * 30, True),
        (bytes(LARGEST), True),
        (b"short", False),
        (b"", False),
        (os.urandom(LARGEST), False),
        (os.urandom(60_000) + bytes(5000), False),
    ],
)
def test_what_gets_smaller_by_it_travels_packed_and_arrives_as_it_was(payload, packed):
    wire = encode(0, Record(DATA, payload))
    assert Decoder().receive(wire) == [Record(DATA, payload)]
    if packed:
        assert len(wire) < 0.2 * len(payload)
    else:
        assert wire.endswith(payload)


def test_numbers_go_round():
    decoder = Decoder()
    decoder._next = (1 << 32) - 1
    record = Record(DATA, b"x")
    assert decoder.receive(encode(1 << 32, record) + encode((1 << 32) - 1, record)) == [record, record]


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param(encode(0, Record(PACKED + 1, b"")), id="unknown kind"),
        pytest.param(encode(0, Record(PACKED, b"not packed")), id="not packed"),
        pytest.param(encode(0, Record(PACKED, zlib.compress(b"x" * 1000)[:-1])), id="a part of what was packed"),
        pytest.param(encode(0, Record(PACKED, zlib.compress(b"x") + b"y")), id="more than was packed"),
        pytest.param(encode(0, Record(PACKED, zlib.compress(bytes(LARGEST + 1)))), id="packed, and too long"),
        pytest.param(encode(0, Record(PACKED, zlib.compress(bytes(1 << 26)))), id="packed, and very long"),
        pytest.param(
            b"".join(encode(n, Record(DATA, bytes(LARGEST))) for n in range(40)), id="packed, more than windows at once"
        ),
        pytest.param(encode(0, Record(END, b"x" * (LARGEST + 1))), id="too long"),
        pytest.param(encode(0, Record(TAKEN, b"")), id="no account"),
        pytest.param(encode(0, Record(OPEN, b"")), id="no port"),
        pytest.param(encode(1 << 20, Record(DATA, b"")), id="far ahead"),
        pytest.param(encode(-1, Record(DATA, b"")), id="from the past"),
        pytest.param(encode(1, Record(END, b"")) * 2, id="twice the same number"),
        pytest.param(b"".join(encode(n, Record(DATA, b"x" * LARGEST)) for n in range(1, 40)), id="more than windows"),
    ],
)
def test_what_we_would_not_send_is_refused(wire):
    with pytest.raises(CarrierError):
        Decoder().receive(wire)


@given(st.lists(st.binary(max_size=100), max_size=20))
def test_garbage_is_refused_or_waited_for_and_never_hoarded(pieces):
    decoder = Decoder()
    try:
        for piece in pieces:
            decoder.receive(piece)
            assert len(decoder._buffer) < LARGEST + 16
            assert decoder._held <= 2 * WINDOW
    except CarrierError:
        pass


def test_what_begins_as_text_and_goes_on_at_random_travels_as_it_is():
    """Deflated it was larger than a record's length can say, and the connection broke each time."""
    noise = random.Random(1)
    for head in (1024, 2048, 3000):
        payload = base64.b64encode(noise.randbytes(head))[:head] + noise.randbytes(LARGEST - head)
        wire = encode(0, Record(DATA, payload))
        assert len(wire) <= LARGEST + 7
        assert Decoder().receive(wire) == [Record(DATA, payload)]


def test_another_machine_of_the_network_reaches_no_port():
    """All machines of a session are in one private network: without the key of this one nothing is dialled."""
    dialled = []

    async def dial(port):
        dialled.append(port)
        raise OSError("nobody")

    async def knock(shown):
        server = await tcp_carrier_server.serve(socket.create_server(("127.0.0.1", 0)), dial, key("token-of-the-head"))
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(encode(0, Record(OPEN, OPENING.pack(8888, shown))))
        writer.write_eof()
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""
        finally:
            writer.close()
            server.close()

    async def test():
        for shown in (NO_KEY, key("token-of-another"), key("")):
            assert await knock(shown) == b""
        assert dialled == []
        await knock(key("token-of-the-head"))
        assert dialled == [8888]

    asyncio.run(asyncio.wait_for(test(), 60 * slower()))


def test_signs_of_life_in_the_middle_of_bulk_never_contradict_what_was_told(monkeypatch):
    """They once said what was taken when they were thought of, not when they left: a long upload broke by chance."""
    monkeypatch.setattr(tcp_carrier, "_TICK_SECONDS", 0)
    monkeypatch.setattr(tcp_carrier, "_SILENT_TICKS", 1 << 60)
    size, piece = 4_000_000, bytes(LARGEST)

    async def end(reader, writer, mine, others):
        async def incoming():
            while True:
                yield await mine.get()

        async def send(data):
            await asyncio.sleep(0)
            others.put_nowait(data)

        await tcp_carrier.Carrier(reader, writer, send, decoder=Decoder()).run(incoming())

    async def test():
        here, there = asyncio.Queue(), asyncio.Queue()
        here.put_nowait(encode(0, Record(TAKEN, bytes(8))))
        there.put_nowait(encode(0, Record(TAKEN, bytes(8))))
        up, arrived, down, back = Pipe(), Pipe(), Pipe(), Pipe()
        down.write_eof()

        async def feed():
            for _ in range(size // len(piece)):
                up.write(piece)
                await up.drain()
            up.write_eof()

        async def take():
            taken = 0
            while data := await arrived.read(LARGEST):
                taken += len(data)
            return taken

        ends = (end(up, back, here, there), end(down, arrived, there, here))
        *_, taken = await asyncio.gather(*ends, feed(), take())
        assert taken == size // len(piece) * len(piece)

    asyncio.run(asyncio.wait_for(test(), 60 * slower()))
