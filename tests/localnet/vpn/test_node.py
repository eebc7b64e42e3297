"""One node, or two that are joined in this process: pings, dialling, programs that do not read, bad lines, silence."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from golem_launcher.localnet.vpn import BadLine, LineRule, NodeLimits, VpnEndpoint
from golem_launcher.localnet.vpn.packets import ACK, RST, SYN, Tcp, TcpFramer, mac_of, parse, syn_options
from tests.patience import slower

OURS, THEIRS = bytes((10, 0, 0, 2)), bytes((10, 0, 0, 1))
QUIET = 0.2


async def refuse(_port):
    raise ConnectionRefusedError


def checksum(data):
    """RFC 1071, word by word: not as the product does it."""
    padded = data + bytes(len(data) % 2)
    total = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip_frame(protocol, body, *, target=OURS, target_mac=None):
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 7, 0, 64, protocol, 0, THEIRS, target)
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    return (target_mac or mac_of(target)) + mac_of(THEIRS) + b"\x08\x00" + header + body


def icmp(kind, code, rest):
    return struct.pack("!BBH", kind, code, checksum(struct.pack("!BBH", kind, code, 0) + rest)) + rest


def answers(*frames, dial=refuse):
    """What a node says to each frame, at once."""

    async def scenario():
        sent = []
        node = VpnEndpoint("10.0.0.2", "10.0.0.0/24", sent.append, dial)
        for frame in frames:
            node.receive(frame)
        await node.aclose()
        return sent

    return asyncio.run(scenario())


def opened(frame):
    """The IP header and the body of a frame that is for THEIRS and from OURS, checksums verified."""
    assert frame[:14] == mac_of(THEIRS) + mac_of(OURS) + b"\x08\x00"
    header, body = frame[14:34], frame[34:]
    assert checksum(header) == 0
    assert header[12:] == OURS + THEIRS
    assert struct.unpack("!H", header[2:4])[0] == len(frame) - 14
    return header, body


@pytest.mark.parametrize("data", [b"", b"odd", bytes(range(256)) * 5])
def test_a_ping_comes_back(data):
    rest = struct.pack("!HH", 77, 3) + data
    (frame,) = answers(ip_frame(1, icmp(8, 0, rest)))
    header, body = opened(frame)
    assert header[9] == 1
    assert checksum(body) == 0
    assert body[:2] == b"\0\0"
    assert body[4:] == rest


def test_a_datagram_learns_that_nobody_is_there():
    datagram = struct.pack("!HHHH", 4000, 53, 8 + 30, 0) + b"x" * 30
    asked = ip_frame(17, datagram)
    (frame,) = answers(asked)
    header, body = opened(frame)
    assert header[9] == 1
    assert checksum(body) == 0
    assert body[:2] == b"\x03\x03"
    assert body[8:] == asked[14:34] + datagram[:8]  # as RFC 792 has it: the header and eight bytes


def test_what_is_never_answered():
    ping = struct.pack("!HH", 77, 3)
    broken = bytearray(ip_frame(1, icmp(8, 0, ping)))
    broken[-1] ^= 1
    silent = [
        ip_frame(1, icmp(3, 3, bytes(4) + b"E" * 28)),  # an error about an error
        ip_frame(1, icmp(0, 0, ping)),  # an answer to nothing
        ip_frame(1, icmp(8, 0, ping), target_mac=b"\xff" * 6),  # to all: an answer to it would be a flood
        ip_frame(1, icmp(8, 0, ping), target=bytes((10, 0, 0, 3))),  # not ours
        bytes(broken),
    ]
    assert answers(*silent) == []


def test_a_port_that_does_not_answer_is_refused_in_time():
    async def scenario():
        cancelled = asyncio.Event()

        async def never(_port):
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        sent = asyncio.Queue()
        limits = NodeLimits(dial_seconds=0.05)
        node = VpnEndpoint("10.0.0.2", "10.0.0.0/24", sent.put_nowait, never, limits=limits)
        framer = TcpFramer(mac=mac_of(THEIRS), target_mac=mac_of(OURS), source=THEIRS, target=OURS, ports=(7, 80))
        node.receive(framer.frame(1000, 0, SYN, 1000, b"", syn_options(1346, 7)))
        assert node.connections == 1
        answer = parse(await asyncio.wait_for(sent.get(), 60 * slower()))
        assert isinstance(answer, Tcp)
        assert answer.segment.flags == RST | ACK
        assert answer.segment.ack == 1001
        assert cancelled.is_set()
        assert node.connections == 0
        await node.aclose()

    asyncio.run(scenario())


async def joined(dial, *, limits=None):
    """Two nodes, each the other's only neighbour."""
    loop = asyncio.get_running_loop()
    one = VpnEndpoint(
        "10.0.0.1", "10.0.0.0/24", lambda frame: loop.call_soon(other.receive, frame), refuse, limits=limits
    )
    other = VpnEndpoint(
        "10.0.0.2", "10.0.0.0/24", lambda frame: loop.call_soon(one.receive, frame), dial, limits=limits
    )
    return one, other


def test_a_program_that_does_not_read_stops_its_peer_and_nothing_piles_up():
    size = 8_000_000

    async def scenario():
        loop = asyncio.get_running_loop()
        program, bridge_end = socket.socketpair()
        program.setblocking(False)

        async def dial(_port):
            return bridge_end

        one, other = await joined(dial)
        sock = await one.connect("10.0.0.2", 80)
        data = bytes(range(251)) * (size // 251)
        sending = asyncio.create_task(loop.sock_sendall(sock, data))
        before = -1
        while before != one.counters.frames_out:  # until the line is quiet
            before = one.counters.frames_out
            await asyncio.sleep(QUIET)
        assert not sending.done()
        # Two buffers of ours, and those of the kernel's four ends of sockets.
        assert 0 < one.counters.bytes_out < size // 2
        (theirs,) = other._table._bridges.values()
        (ours,) = one._table._bridges.values()
        limits = other._table._limits.tcp
        assert 0 < len(theirs.connection.receiver.ready) <= limits.receive.limit
        assert ours.connection.sender.room < 32 * 1024  # no longer read
        found = bytearray()
        while len(found) < len(data):
            found += await asyncio.wait_for(loop.sock_recv(program, 1 << 16), 10 * slower())
        await sending
        assert found == data
        sock.close()
        program.close()
        await one.aclose()
        await other.aclose()

    asyncio.run(scenario())


def test_a_silent_connection_costs_nothing():
    async def scenario():
        loop = asyncio.get_running_loop()
        program, bridge_end = socket.socketpair()

        async def dial(_port):
            return bridge_end

        one, other = await joined(dial)
        assert one._table._timer is None  # with no connection nothing runs
        sock = await one.connect("10.0.0.2", 80)
        sock.send(b"hello")
        idle = one._table._limits.tcp.keepalive_idle

        async def asleep():
            while any(node._table._timer.when() - loop.time() < idle / 2 for node in (one, other)):  # noqa: ASYNC110
                await asyncio.sleep(0.05)

        await asyncio.wait_for(asleep(), 10 * slower())  # until the next thing to do is a sign of life
        before = one.counters.frames_out, other.counters.frames_out, one._table._timer, other._table._timer
        await asyncio.sleep(QUIET)
        assert before == (one.counters.frames_out, other.counters.frames_out, one._table._timer, other._table._timer)
        sock.close()
        program.close()
        await one.aclose()
        await other.aclose()
        assert one._table._timer is None

    asyncio.run(scenario())


def test_a_line_delays_every_frame_and_keeps_their_order():
    async def scenario():
        loop = asyncio.get_running_loop()
        arrived = asyncio.Queue()
        line = BadLine(lambda frame: arrived.put_nowait((frame, loop.time())), LineRule(delay=0.05), limit=3)
        sent_at = loop.time()
        for number in range(5):
            line.send(bytes((number,)))
        assert arrived.empty()
        assert line.lost == 2  # no more than three wait
        for number in range(3):
            frame, at = await asyncio.wait_for(arrived.get(), 60 * slower())
            assert frame == bytes((number,))
            assert at - sent_at >= 0.049
        line.send(b"late")
        line.close()
        await asyncio.sleep(0.1)
        assert arrived.empty()

    asyncio.run(scenario())


def test_frames_overtake_each_other_by_the_rule_of_the_seed():
    async def order(seed):
        arrived = []
        line = BadLine(arrived.append, LineRule(jitter=0.05, duplicates=0.5, seed=seed))
        for number in range(30):
            line.send(bytes((number,)))
        while line._waiting:  # noqa: ASYNC110 - a line tells nobody
            await asyncio.sleep(0.01)
        return arrived

    one = asyncio.run(order(1))
    assert one != sorted(one)
    assert set(one) == {bytes((number,)) for number in range(30)}
    assert 30 < len(one) < 60
