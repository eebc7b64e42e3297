"""One TCP connection as a state machine: segments and calls in, segments out. No I/O, no clock.

The same class opens passively (``Connection.passive``, from a SYN) and actively (``Connection.active``). After any
event call ``poll(now)`` and send what it returns; call it again at ``deadline``. Several events may come before one
``poll``: that is how one acknowledgement covers many segments.

The halves of a connection are a ``Sender`` and a ``Receiver``; so the states of RFC 9293 between ESTABLISHED and
CLOSED are not spelled out: they follow from which half has finished.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from . import sequence
from .acks import Acks
from .handshake import Handshake
from .keepalive import Silence
from .packets import ACK, FIN, PSH, RST, SYN
from .receiver import LARGEST_SCALE, Arrival, Receiver
from .sender import Sender
from .tcp_types import Outgoing, State

if TYPE_CHECKING:
    from .packets import Segment
    from .tcp_types import TcpSettings

_DEFAULT_MSS = 536  # when a SYN names none (RFC 9293)
_LEAST_MSS = 64  # a hostile peer must not make us send a frame for each byte


class Connection:
    """One connection; ``failure`` says why it ended when it did not end well."""

    def __init__(self, state: State, iss: int, now: float, settings: TcpSettings) -> None:
        self.state = state
        self.failure = ""
        self._settings = settings
        self._iss = iss
        self._irs = 0
        self._shift_in = 0  # the peer's window scale
        self.receiver = Receiver(settings.receive)
        self.sender = Sender(settings.mss, settings.send)
        self._out: list[Outgoing] = []
        self._silence = Silence(settings, now)
        self._handshake = Handshake(settings, now, asks=state is State.SYN_SENT)
        self._ended = inf
        self._acks = Acks(settings)
        self._window_at = (0, 0)  # position and acknowledgement of the segment that set the peer's window
        self._closed_first = False

    @classmethod
    def passive(cls, syn: Segment, iss: int, now: float, settings: TcpSettings) -> Connection:
        """A connection that the peer's SYN asks for; nothing is answered before ``accept`` or ``abort``."""
        connection = cls(State.WAITING, iss, now, settings)
        connection._learn(syn)
        return connection

    @classmethod
    def active(cls, iss: int, now: float, settings: TcpSettings) -> Connection:
        """A connection that we ask for; ``poll`` gives the SYN."""
        return cls(State.SYN_SENT, iss, now, settings)

    def accept(self, now: float) -> None:
        """A passive connection is wanted."""
        if self.state is State.WAITING:
            self.state = State.SYN_RECEIVED
            self._handshake.begin(now)

    def write(self, data: bytes, now: float) -> None:
        """Bytes for the peer; the caller keeps to ``sender.room``."""
        self.sender.write(data)
        self._silence.moved = now

    def close(self, now: float) -> None:
        """No more bytes from us; the other direction stays."""
        if not self.sender.closing:
            self.sender.close()
            self._closed_first = not self.receiver.finished
            self._silence.moved = now

    def abort(self, failure: str) -> None:
        """Ends the connection at once with a RST."""
        if self.state in (State.CLOSED, State.SYN_SENT):
            self._end(failure)
        elif self.state is State.WAITING:
            self._out = [Outgoing(0, sequence.number(self._irs, 1), RST | ACK, 0)]
            self._end(failure)
        else:
            self._out = [self._outgoing(self.sender.next, RST | ACK)]
            self._end(failure)

    def take(self, size: int) -> None:
        """The first ``size`` bytes of ``receiver.ready`` were handed on; tells the peer when that is news."""
        self.receiver.take(size)
        if self.state is State.OPEN and not self.receiver.finished and self.receiver.opened:
            self._acks.window_opened(was_shut=self.receiver.shut)

    @property
    def deadline(self) -> float:
        """When ``poll`` must be called at the latest."""
        if self.state is State.OPEN:
            silence = self._silence.deadline(said_all=self.sender.finished)
            return min(self.sender.deadline, self._acks.at, self._acks.remind_at, silence)
        if self.state is State.TIME_WAIT:
            return self._ended
        if self.state is State.CLOSED:
            return inf
        return self._handshake.deadline

    def receive(self, segment: Segment, now: float) -> None:
        """A segment of this connection came."""
        if self.state is State.OPEN or self.state is State.SYN_RECEIVED or self.state is State.TIME_WAIT:
            self._receive(segment, now)
        elif self.state is State.SYN_SENT:
            self._receive_answer(segment, now)
        elif self.state is State.WAITING and segment.flags & RST and segment.seq == sequence.number(self._irs, 1):
            self._end("reset by the peer")

    def poll(self, now: float) -> list[Outgoing]:
        """The segments to send now."""
        if now >= self.deadline:
            self._expire(now)
        state = self.state
        if state is State.OPEN:
            self._fill(now)
        elif state is State.TIME_WAIT and self._acks.at <= now:
            self._acknowledge()
        out, self._out = self._out, []
        return out

    def _receive_answer(self, segment: Segment, now: float) -> None:
        flags = segment.flags
        answers = bool(flags & ACK) and segment.ack == sequence.number(self._iss, 1)
        if flags & RST:
            if answers:
                self._end("refused by the peer")
        elif flags & ACK and not answers:
            self._out.append(Outgoing(segment.ack, 0, RST, 0))
        elif flags & SYN:
            self._learn(segment)
            if not answers:  # both opened at the same moment
                self.state = State.SYN_RECEIVED
                self._handshake.at = now
                return
            self._opened(segment, now)
            self._acks.at = now

    def _receive(self, segment: Segment, now: float) -> None:
        _, _, seq, ack, flags, window, payload, _, _ = segment
        receiver = self.receiver
        position = sequence.position(self._irs, seq, receiver.next)
        if flags & (SYN | RST | ACK) != ACK:
            self._receive_control(segment, position, now)
            return
        size = len(payload) + (flags & FIN)
        acked = sequence.position(self._iss, ack, self.sender.una)
        if self.state is State.SYN_RECEIVED:
            if acked != 1:
                return
            self._opened(segment, now)
        if acked > self.sender.sent or position > max(receiver.edge, receiver.next) or position + size < receiver.next:
            self._acks.challenge(now, always=position > receiver.next)  # a probe of our window is always answered
            return
        self._silence.ended(now)
        at, by = self._window_at
        fresh = position > at or (position == at and acked >= by)
        if fresh:
            self._window_at = (position, acked)
        if acked > self.sender.una:
            self._silence.moved = now
        self.sender.acknowledge(acked, window << self._shift_in, now, pure=size == 0, fresh=fresh)
        if size:
            self._take_in(position, payload, now, fin=bool(flags & FIN))
        elif position != receiver.next:
            self._acks.challenge(now, always=False)
        self._finish(now)

    def _take_in(self, position: int, payload: bytes, now: float, *, fin: bool) -> None:
        receiver = self.receiver
        if receiver.finished:  # the peer did not see our last acknowledgement
            self._acks.at = now
            if self.state is State.TIME_WAIT:
                self._ended = now + self._settings.time_wait
            return
        arrival = receiver.accept(position, payload, fin=fin)
        if arrival is Arrival.OLD:
            # A peer that goes back to a loss sends all again. Three acknowledgements of that would look like a new
            # loss to it, and it would go back once more.
            self._acks.challenge(now, always=False)
            return
        self._acks.moving()
        if arrival is Arrival.GAP:
            self._acks.gap()
            return
        quiet = now - self._silence.moved
        self._silence.moved = now
        self._acks.arrived(now, quiet=quiet, position=receiver.next, fin=fin)

    def _receive_control(self, segment: Segment, position: int, now: float) -> None:
        """A RST or a SYN in a connection that stands, or a segment that acknowledges nothing, which means nothing."""
        if segment.flags & RST:
            if position == self.receiver.next:
                said = self.receiver.finished and self.sender.fin_sent  # LAST-ACK, CLOSING, TIME-WAIT of RFC 9293
                self._end("" if said else "reset by the peer")
            elif self.receiver.next < position < self.receiver.edge:
                self._acks.challenge(now, always=False)  # RFC 5961: a blind attacker does not know the exact number
        elif segment.flags & SYN and self.state is State.SYN_RECEIVED:
            if position == 0 and not segment.flags & ACK:
                self._handshake.at = min(self._handshake.at, now)
            elif position == 0 and sequence.position(self._iss, segment.ack, self.sender.una) == 1:
                self._opened(segment, now)
                self._acks.at = now
        elif segment.flags & SYN:
            self._acks.challenge(now, always=False)

    def _opened(self, segment: Segment, now: float) -> None:
        """The handshake is done."""
        self.state = State.OPEN
        self._silence.opened(now)
        shift = 0 if segment.flags & SYN else self._shift_in  # the window of a SYN is never scaled
        self.sender.open(segment.window << shift)
        took = self._handshake.took(now)
        if took is not None:
            self.sender.handshake_took(took)

    def _learn(self, syn: Segment) -> None:
        """What the peer's SYN says."""
        self._irs = syn.seq
        mss = _DEFAULT_MSS if syn.mss < 0 else max(syn.mss, _LEAST_MSS)
        self.sender.agree(min(mss, self._settings.mss))
        self._handshake.scales = syn.scale >= 0
        if self._handshake.scales:
            self._shift_in = min(syn.scale, LARGEST_SCALE)
        self.receiver.agree(self._settings.mss, self._settings.receive.scale if self._handshake.scales else 0)

    def _finish(self, now: float) -> None:
        """Closes what has ended in both directions."""
        if self.state is State.OPEN and self.sender.finished and self.receiver.finished:
            if self._acks.at < inf or self._acks.duplicates:
                self._acknowledge()
            if self._closed_first:
                self.state = State.TIME_WAIT
                self._ended = now + self._settings.time_wait
            else:
                self._end("")

    def _end(self, failure: str) -> None:
        if self.state is not State.CLOSED:
            self.state = State.CLOSED
            self.failure = failure

    def _expire(self, now: float) -> None:
        if self.state is State.TIME_WAIT:
            self._end("")
        elif self.state is not State.OPEN:
            if self._handshake.late(now):
                self.abort("the handshake took too long")
            else:
                ack = sequence.number(self._irs, 1) if self.state is State.SYN_RECEIVED else None
                self._out.append(self._handshake.syn(self._iss, ack, now))
        else:
            self.sender.expire(now)
            probe, said_all = self._silence.asks(now), self.sender.finished
            failure = "the peer does not answer" if self.sender.dead else self._silence.failure(now, said_all=said_all)
            if failure:
                self.abort(failure)
            elif probe:
                self._out.append(self._outgoing(self.sender.una - 1, ACK))

    def _fill(self, now: float) -> None:
        while self._acks.duplicates:  # these must be bare: only so the peer counts them
            self._acks.duplicates -= 1
            self._acknowledge()
        self._acks.remind(now)
        pieces = self.sender.pieces(now)
        if pieces:
            window = self._window()
            ack = sequence.number(self._irs, self.receiver.next)
            iss, out = self._iss, self._out
            for position, payload, fin, last in pieces:
                flags = ACK | (PSH if last else 0) | (FIN if fin else 0)
                out.append(Outgoing(sequence.number(iss, position), ack, flags, window, payload))
        elif self._acks.at <= now:
            self._acknowledge()

    def _acknowledge(self) -> None:
        self._out.append(self._outgoing(self.sender.next, ACK))

    def _outgoing(self, position: int, flags: int) -> Outgoing:
        window = self._window()
        return Outgoing(
            sequence.number(self._iss, position),
            sequence.number(self._irs, self.receiver.next),
            flags,
            window,
        )

    def _window(self) -> int:
        """The window field of a segment that goes out now, which acknowledges all that came."""
        self._acks.sent(self.receiver.next)
        return self.receiver.window()
