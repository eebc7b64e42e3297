"""Two TCP machines, a bad line and a clock that only the test moves: every byte arrives, in order, both ways."""

from __future__ import annotations

import heapq
from dataclasses import replace
from itertools import count
from math import inf

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from golem_launcher.localnet.vpn.bad_line import FrameFate, LineRule
from golem_launcher.localnet.vpn.connection import Connection
from golem_launcher.localnet.vpn.packets import ACK, RST, SYN, Segment
from golem_launcher.localnet.vpn.receiver import Receiver, ReceiveSettings
from golem_launcher.localnet.vpn.sender import Sender, SendSettings
from golem_launcher.localnet.vpn.tcp_types import State, TcpSettings
from tests.examples import examples


class End:
    """A machine with a program on top, which writes ``text`` and reads at most ``sip`` bytes each time."""

    def __init__(self, connection, text, sip=1 << 20):
        self.connection = connection
        self.text = memoryview(text)
        self.sip = sip
        self.got = bytearray()
        self.close_when_read = False

    def run_program(self, now):
        connection = self.connection
        taken = bytes(connection.receiver.ready[: self.sip])
        if taken:
            self.got += taken
            connection.take(len(taken))
        if connection.state is not State.OPEN or connection.sender.closing:
            return
        if self.close_when_read and not connection.receiver.finished:
            return
        room = connection.sender.room
        if self.text and room > 0:
            connection.write(bytes(self.text[:room]), now)
            self.text = self.text[room:]
        if not self.text:
            connection.close(now)


class World:
    def __init__(self, client, server, rule, *, tcp=None):
        self.now = 0.0
        self.tcp = tcp or TcpSettings()
        self.client, self.server = client, server
        self.fates = (FrameFate(rule), FrameFate(replace(rule, seed=rule.seed + 1)))
        self.line = []
        self.order = count()
        self.cut = False
        self.frames = 0

    def transmit(self, end):
        other = self.server if end is self.client else self.client
        for out in end.connection.poll(self.now) if end.connection else ():
            self.frames += 1
            mss, scale = (1346, out.options[-1]) if out.flags & SYN else (-1, -1)
            segment = Segment(1, 2, out.seq, out.ack, out.flags, out.window, out.payload, mss, scale)
            for delay in () if self.cut else self.fates[end is self.client].delays():
                heapq.heappush(self.line, (self.now + delay, next(self.order), other, segment))

    def refuse(self, end, segment):
        """As the table does with a segment of no connection."""
        if segment.flags & RST or self.cut:
            return
        other = self.server if end is self.client else self.client
        reset = Segment(1, 2, segment.ack, 0, RST, 0)
        for delay in self.fates[end is self.client].delays():
            heapq.heappush(self.line, (self.now + delay, next(self.order), other, reset))

    def step(self):
        """Moves the clock to the next event; False when nothing will ever happen again."""
        for end in (self.client, self.server):
            if end.connection:
                end.run_program(self.now)
            self.transmit(end)
        deadlines = [end.connection.deadline for end in (self.client, self.server) if end.connection]
        following = min([*deadlines, self.line[0][0] if self.line else inf])
        if any(end.connection and end.connection.receiver.ready for end in (self.client, self.server)):
            following = min(following, self.now + 0.001)
        if following == inf:
            return False
        self.now = max(self.now, following)
        while self.line and self.line[0][0] <= self.now:
            _, _, end, segment = heapq.heappop(self.line)
            if end.connection is None:
                end.connection = Connection.passive(segment, 2**32 - 7, self.now, self.tcp)
                end.connection.accept(self.now)
            if end.connection.state is State.CLOSED:
                self.refuse(end, segment)
            end.connection.receive(segment, self.now)
            end.run_program(self.now)
        return True

    def run(self, until=lambda: False, seconds=3000.0):
        while not until() and self.step():
            assert self.now < seconds, "the machines are stuck"


def pair(up, down, rule, *, tcp=None, sips=(1 << 20, 1 << 20)):
    tcp = tcp or TcpSettings()
    client = End(Connection.active(2**32 - 3, 0.0, tcp), up, sips[0])
    server = End(None, down, sips[1])
    return World(client, server, rule, tcp=tcp)


def check(world, up, down):
    world.run()
    for end in (world.client, world.server):
        assert end.connection.state is State.CLOSED
        assert end.connection.failure == ""
        assert not end.connection.poll(world.now)
    assert bytes(world.server.got) == up
    assert bytes(world.client.got) == down


def text(size, seed=1):
    return b"".join(((seed * 2654435761 + at * at) % 2**32).to_bytes(4, "big") for at in range(size // 4 + 1))[:size]


rules = st.builds(
    LineRule,
    loss=st.sampled_from([0.0, 0.01, 0.1, 0.25]),
    duplicates=st.sampled_from([0.0, 0.05, 0.3]),
    delay=st.sampled_from([0.0, 0.001, 0.05, 0.4]),
    jitter=st.sampled_from([0.0, 0.001, 0.05]),
    seed=st.integers(0, 2**20),
)
send_limits = st.sampled_from([1, 100, 4096, 65536, 262144])
receive_limits = st.sampled_from([1, 100, 127, 2048, 4096, 65536, 262144])


@pytest.mark.slow
@settings(max_examples=examples(80), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    rules,
    st.integers(0, 60000),
    st.integers(0, 60000),
    send_limits,
    receive_limits,
    st.sampled_from([50, 3000, 1 << 20]),
)
def test_every_byte_arrives(rule, up, down, send_limit, receive_limit, sip):  # noqa: PLR0917
    if min(send_limit, receive_limit, sip) < 4096:
        up, down = up % 900, down % 900  # tiny windows take a round trip for each byte
    tcp = TcpSettings(
        send=SendSettings(limit=send_limit, tries=60),
        receive=ReceiveSettings(limit=receive_limit),
        handshake=500,
        lonely=1e6,
        keepalive_probes=100,
        time_wait=30,
    )
    world = pair(text(up), text(down, 2), rule, tcp=tcp, sips=(sip, sip))
    check(world, text(up), text(down, 2))


def test_sequence_numbers_wrap():
    world = pair(text(300_000), text(200_000, 2), LineRule(delay=0.005))
    check(world, text(300_000), text(200_000, 2))


def test_a_clean_line_needs_no_retransmission_and_few_acknowledgements():
    body = text(2_000_000)
    world = pair(b"", body, LineRule(delay=0.005))
    check(world, b"", body)
    assert world.client.connection.sender.retransmissions == world.server.connection.sender.retransmissions == 0
    assert world.frames < 1.35 * len(body) / 1346 + 50


def test_loss_costs_little_time():
    """1 % loss at a round trip of 10 ms: recovered within round trips, not time-outs."""
    body = text(4_000_000)
    world = pair(b"", body, LineRule(loss=0.01, delay=0.005, seed=5), tcp=TcpSettings(time_wait=0.1))
    world.run(until=lambda: len(world.client.got) == len(body))
    assert bytes(world.client.got) == body
    assert world.now < len(body) / 0.8e6


def test_half_close_answers_after_the_question_ended():
    world = pair(b"question", text(70_000), LineRule(delay=0.01))
    world.server.close_when_read = True
    check(world, b"question", text(70_000))


def test_zero_window_holds_the_sender_and_opens_again():
    world = pair(b"", text(600_000), LineRule(delay=0.001))
    world.client.sip = 0
    world.run(until=lambda: world.now > 30)
    assert len(world.client.connection.receiver.ready) <= world.tcp.receive.limit
    assert world.server.connection.sender.room == 0
    assert world.frames < 400  # probes are rare
    world.client.sip = 1 << 20
    world.run(until=lambda: len(world.client.got) == 600_000, seconds=60)
    check(world, b"", text(600_000))


def test_a_probe_with_the_last_byte_does_not_end_the_stream():
    """A FIN that left with a probe was not counted as sent: its acknowledgement was refused for ever."""
    sender = Sender(1346, SendSettings())
    sender.open(0)
    sender.write(b"x")
    sender.close()
    assert sender.pieces(0.0) == []
    sender.expire(sender.deadline)
    (probe,) = sender.pieces(5.0)
    assert (probe.payload, probe.fin) == (b"x", False)
    assert sender.sent == 2
    sender.acknowledge(2, 0, 5.0, pure=True, fresh=True)
    assert [(piece.position, piece.payload, piece.fin) for piece in sender.pieces(5.0)] == [(2, b"", True)]
    assert sender.sent == 3


def test_a_retransmission_holds_nothing_that_was_not_sent():
    """After small segments one of full size could hold bytes that ``sent`` did not cover, or the FIN."""
    sender = Sender(1000, SendSettings())
    sender.open(100_000)
    for _ in range(5):
        sender.write(bytes(10))
        sender.pieces(0.0)
    sender.acknowledge(11, 40, 0.1, pure=True, fresh=True)  # the window is full of what is on its way
    sender.write(bytes(500))
    sender.close()
    for _ in range(3):
        sender.acknowledge(11, 40, 0.1, pure=True, fresh=True)
    (piece,) = sender.pieces(0.1)
    assert (piece.position, len(piece.payload), piece.fin) == (11, 40, False)


def test_a_window_is_told_to_the_byte_when_it_is_small():
    tcp = TcpSettings(receive=ReceiveSettings(limit=100))
    world = pair(b"", text(3000), LineRule(delay=0.01), tcp=tcp)
    check(world, b"", text(3000))
    assert world.now < 2  # by windows of 100 bytes, a round trip each; not by probes


def test_a_lost_window_update_is_told_again():
    """To a peer that never probes, as yagna's: its timer of the closed window is taken away here."""
    tcp = TcpSettings(receive=ReceiveSettings(limit=5000))
    world = pair(b"", text(60_000), LineRule(delay=0.001), tcp=tcp)
    world.client.sip = 0
    world.run(until=lambda: world.now > 2)
    server = world.server.connection.sender
    server.expire = lambda _now: None
    server._deadline = inf
    world.client.sip = 1 << 20
    world.client.run_program(world.now)
    assert world.client.connection.poll(world.now)  # and lost
    world.run(until=lambda: len(world.client.got) > 5000, seconds=10)


def test_a_last_acknowledgement_that_never_comes_is_no_failure():
    """The peer left TIME_WAIT and resets the FIN that it knows nothing of: RFC 9293 calls that closed."""
    world = pair(b"question", b"answer", LineRule(delay=0.01), tcp=TcpSettings(time_wait=0))
    world.server.close_when_read = True
    lost = []
    receive = Connection.receive

    def deaf(segment, now):
        if segment.flags == ACK and world.client.connection.state is not State.OPEN and len(lost) < 2:
            lost.append(segment)
        else:
            receive(world.server.connection, segment, now)

    world.run(until=lambda: world.server.connection is not None)
    world.server.connection.receive = deaf
    check(world, b"question", b"answer")
    assert lost


def test_a_peer_that_vanishes_is_noticed_while_sending():
    world = pair(text(500_000), b"", LineRule(delay=0.001))
    world.run(until=lambda: len(world.server.got) > 1000)
    world.cut = True
    world.run(until=lambda: world.client.connection.state is State.CLOSED, seconds=100)
    assert world.client.connection.failure == "the peer does not answer"


def test_a_peer_that_vanishes_is_noticed_while_idle():
    world = pair(b"", b"", LineRule(delay=0.001))
    world.client.run_program = world.server.run_program = lambda _now: None
    world.run(until=lambda: world.now > 500, seconds=600)
    assert world.client.connection.state is State.OPEN  # keepalive alone holds it
    assert world.frames < 60
    world.cut = True
    world.run(until=lambda: world.client.connection.state is State.CLOSED, seconds=800)
    assert world.client.connection.failure == "the peer does not answer"


def test_reset_reaches_the_other_end():
    world = pair(text(100), b"", LineRule(delay=0.001))
    world.client.run_program = world.server.run_program = lambda _now: None
    world.run(until=lambda: world.server.connection and world.server.connection.state is State.OPEN)
    world.server.connection.abort("enough")
    world.run(until=lambda: world.client.connection.state is State.CLOSED)
    assert world.client.connection.failure == "reset by the peer"


def test_a_blind_reset_is_questioned_not_obeyed():
    world = pair(b"", b"", LineRule(delay=0.001))
    world.client.run_program = world.server.run_program = lambda _now: None
    world.run(until=lambda: world.server.connection and world.server.connection.state is State.OPEN)
    server = world.server.connection
    server.receive(Segment(1, 2, (2**32 - 2 + 500) % 2**32, 0, RST, 0), world.now)
    assert server.state is State.OPEN
    assert [out.flags for out in server.poll(world.now)] == [ACK]


def test_both_open_at_the_same_moment():
    one, two = Connection.active(10, 0.0, TcpSettings()), Connection.active(20, 0.0, TcpSettings())
    world = World(End(one, b"hello"), End(two, b"hi"), LineRule(delay=0.01))
    check(world, b"hello", b"hi")


def test_handshake_is_bounded():
    connection = Connection.passive(Segment(1, 2, 5, 0, SYN, 1000), 7, 0.0, TcpSettings())
    connection.accept(0.0)
    sent = []
    while connection.state is not State.CLOSED:
        sent += connection.poll(connection.deadline)
    assert connection.failure == "the handshake took too long"
    assert 3 <= len(sent) <= 6
    assert sent[-1].flags & RST


@given(
    st.lists(st.tuples(st.integers(-50, 1200), st.integers(0, 200), st.booleans()), max_size=60),
    st.integers(1, 1100),
    st.sampled_from([3, 512]),
)
def test_receiver_holds_the_true_bytes_whatever_comes(segments, limit, pieces):
    truth = text(2000)
    receiver = Receiver(ReceiveSettings(limit=limit, pieces=pieces))
    got = b""
    for start, size, take in segments:
        at = max(start, 0)
        receiver.accept(at + 1, truth[at : at + size], fin=False)
        assert len(receiver.ready) <= limit
        assert receiver.next <= receiver.edge
        if take:
            got += receiver.ready
            receiver.take(len(receiver.ready))
            receiver.window()
    got += receiver.ready
    assert got == truth[: receiver.next - 1]


wild = st.builds(
    Segment,
    source_port=st.just(1),
    port=st.just(2),
    seq=st.one_of(st.integers(0, 2**32 - 1), st.integers(990, 1100)),
    ack=st.one_of(st.integers(0, 2**32 - 1), st.integers(5000, 5100)),
    flags=st.integers(0, 31),
    window=st.integers(0, 65535),
    payload=st.binary(max_size=40),
    mss=st.integers(-1, 65535),
    scale=st.integers(-1, 255),
)


@pytest.mark.slow
@settings(max_examples=examples(300), deadline=None)
@given(st.booleans(), st.lists(st.one_of(wild, st.floats(0, 3), st.binary(max_size=3000)), max_size=40))
def test_hostile_segments_never_break_the_machine(active, events):
    tcp = TcpSettings(receive=ReceiveSettings(limit=2000), send=SendSettings(limit=5000))
    now = 0.0
    if active:
        connection = Connection.active(5000, now, tcp)
    else:
        connection = Connection.passive(Segment(1, 2, 1000, 0, SYN, 500), 5000, now, tcp)
        connection.accept(now)
    for event in events:
        if isinstance(event, float):
            now += event
        elif isinstance(event, bytes):
            if len(event) <= connection.sender.room and not connection.sender.closing:
                connection.write(event, now)
                if not event:
                    connection.close(now)
        else:
            connection.receive(event, now)
        for out in connection.poll(now):
            assert 0 <= out.seq < 2**32
            assert 0 <= out.ack < 2**32
            assert 0 <= out.window < 65536
        assert len(connection.receiver.ready) <= 2000
        if connection.state is State.CLOSED:
            assert connection.deadline == inf


def test_line_rules_are_checked():
    with pytest.raises(ValueError, match="loss"):
        LineRule(loss=1.5)
    with pytest.raises(ValueError, match="jitter"):
        LineRule(jitter=float("nan"))


def test_short_segments_within_bulk_are_acknowledged_together_too():
    connection = Connection.passive(Segment(1, 2, 0, 0, SYN, 60_000, b"", 1346, 7), 0, 0.0, TcpSettings())
    connection.accept(0.0)
    connection.poll(0.0)
    connection.receive(Segment(1, 2, 1, 1, ACK, 60_000, b"", -1, -1), 0.0)
    acknowledgements, position = 0, 1
    for size in [1346, 100, 1200, 1] * 25:
        connection.receive(Segment(1, 2, position, 1, ACK, 60_000, b"x" * size, -1, -1), 0.0)
        position += size
        connection.take(len(connection.receiver.ready))
        acknowledgements += len(connection.poll(0.0))
    assert acknowledgements < 35
    assert [out.ack for out in connection.poll(connection.deadline)] == [position]
    connection.receive(Segment(1, 2, position, 1, ACK, 60_000, b"after a pause", -1, -1), 1.0)
    assert [out.ack for out in connection.poll(1.0)] == [position + 13]  # at once
