"""Encodes and decodes the packets of Golem's VPN: Ethernet II, ARP, IPv4, ICMP, TCP.

A node's hardware address follows from its IPv4 address: ``A0:13`` and the four bytes. Addresses stay raw bytes here
(four for IPv4, six for Ethernet): they are compared and copied, never calculated with.

Every frame comes from another machine and may be anything. ``parse`` returns a value, or raises ``Malformed`` with a
reason in a few words; nothing else leaves it. Checksums are verified, fragments are refused.

The Internet checksum is a sum modulo 65535, and 65536 is 1 modulo 65535: so a whole buffer, read as one big number,
leaves the same remainder as the sum of its 16-bit words. That is the fastest way to it in plain Python (RFC 1071).
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

BROADCAST = b"\xff" * 6
ETHERNET_HEADER = 14
LARGEST_FRAME = 65535 + ETHERNET_HEADER

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16

_ARP, _IPV4 = 0x0806, 0x0800
_ICMP, _TCP, _UDP = 1, 6, 17
_FRAGMENT = 0x3FFF  # "more fragments" and the offset
_MODULUS = 65535
_PING = b"\x08\x00"

_ethernet_ip = Struct("!6s6sHBBHHHBBH4s4s")
_arp = Struct("!HHBBH6s4s6s4s")
_tcp = Struct("!HHIIHHHH")
_ip = Struct("!BBHHHBBH4s4s")
_tcp_frame = Struct("!16sHIHH8sHHIIHHHH")
_udp = Struct("!HHHH")
_word = Struct("!H")


class Malformed(ValueError):  # noqa: N818 - reads as what it says
    """A frame that is not what it claims to be; the message says why in a few words."""


class Segment(NamedTuple):
    """One TCP segment. ``mss`` and ``scale`` are the options of a SYN; -1 when absent."""

    source_port: int
    port: int
    seq: int
    ack: int
    flags: int
    window: int
    payload: bytes = b""
    mss: int = -1
    scale: int = -1


class Arp(NamedTuple):
    """A question (``operation`` 1) or an answer (2) about who has an address."""

    operation: int
    mac: bytes
    address: bytes
    wanted: bytes


class Tcp(NamedTuple):
    """A segment and where it came from and went to."""

    mac: bytes
    source: bytes
    target: bytes
    segment: Segment


class Echo(NamedTuple):
    """A ping; ``body`` is all after type, code and checksum."""

    mac: bytes
    source: bytes
    target: bytes
    body: bytes


class Unserved(NamedTuple):
    """A datagram of a protocol that nobody serves here; ``quote`` is what an ICMP error quotes of it."""

    mac: bytes
    source: bytes
    target: bytes
    protocol: int
    quote: bytes


class Datagram(NamedTuple):
    """A UDP datagram and where it came from and went to; ``quote`` is what an ICMP error quotes of it."""

    mac: bytes
    source: bytes
    target: bytes
    source_port: int
    port: int
    payload: bytes
    quote: bytes


Packet = Arp | Tcp | Echo | Unserved | Datagram


def mac_of(address: bytes) -> bytes:
    """The hardware address that belongs to an IPv4 address in this VPN."""
    return b"\xa0\x13" + address


def remainder(data: bytes) -> int:
    """The sum of the 16-bit words of ``data`` modulo 65535; an odd last byte is padded with a zero."""
    value = int.from_bytes(data, "big") % _MODULUS
    return value * 256 if len(data) & 1 else value


def parse(frame: bytes) -> Packet | None:
    """What a frame holds, or None for a kind of frame that a quiet host ignores; raises ``Malformed``."""
    size = len(frame)
    if not _ethernet_ip.size <= size <= LARGEST_FRAME:
        raise Malformed("frame size")
    target_mac, mac, kind, version, _, total, _, fragment, _, protocol, _, source, target = _ethernet_ip.unpack_from(
        frame
    )
    if kind != _IPV4:
        return _parse_arp(frame) if kind == _ARP else None
    header = (version & 15) * 4
    if version >> 4 != 4 or header < _ip.size:  # noqa: PLR2004 - IP version 4
        raise Malformed("IP version or header length")
    end = ETHERNET_HEADER + total
    body = ETHERNET_HEADER + header
    if not body <= end <= size:
        raise Malformed("IP length")
    if int.from_bytes(frame[ETHERNET_HEADER:body], "big") % _MODULUS:
        raise Malformed("IP checksum")
    if fragment & _FRAGMENT:
        raise Malformed("fragment")
    if protocol == _TCP:
        return Tcp(mac, source, target, _parse_tcp(frame, body, end))
    if target_mac == BROADCAST:
        return None
    return _parse_message(protocol, (mac, source, target), frame, body, end)


def _parse_arp(frame: bytes) -> Arp:
    if len(frame) < ETHERNET_HEADER + _arp.size:
        raise Malformed("ARP size")
    hardware, protocol, hlen, plen, operation, mac, address, _, wanted = _arp.unpack_from(frame, ETHERNET_HEADER)
    if (hardware, protocol, hlen, plen) != (1, _IPV4, 6, 4) or operation not in (1, 2):
        raise Malformed("ARP form")
    return Arp(operation, mac, address, wanted)


def _parse_message(protocol: int, way: tuple[bytes, bytes, bytes], frame: bytes, body: int, end: int) -> Packet | None:
    """What is no TCP; ``way`` is hardware address, source and target."""
    if protocol == _ICMP:
        message = _icmp_message(frame[body:end])
        return Echo(*way, message[4:]) if message[:2] == _PING else None
    quote = bytes(frame[ETHERNET_HEADER : min(end, body + 8)])
    if protocol == _UDP:
        return Datagram(*way, *_parse_udp(frame[body:end]), quote)
    return Unserved(*way, protocol, quote)


def _icmp_message(message: bytes) -> bytes:
    if len(message) < 8:  # noqa: PLR2004 - the header of every ICMP message
        raise Malformed("ICMP size")
    if remainder(message) % _MODULUS:
        raise Malformed("ICMP checksum")
    return message


def _parse_udp(message: bytes) -> tuple[int, int, bytes]:
    """Ports and payload. The checksum is left to who listens: it may be absent."""
    if len(message) < _udp.size:
        raise Malformed("UDP size")
    source_port, port, length, _ = _udp.unpack_from(message)
    if not _udp.size <= length <= len(message):
        raise Malformed("UDP length")
    return source_port, port, bytes(message[_udp.size : length])


def _parse_tcp(frame: bytes, body: int, end: int) -> Segment:
    size = end - body
    if size < _tcp.size:
        raise Malformed("TCP size")
    # The two addresses of the pseudo header stand right before the segment, but for IP options.
    covered = frame[26:end] if body == ETHERNET_HEADER + _ip.size else frame[26:34] + frame[body:end]
    if (remainder(covered) + _TCP + size) % _MODULUS:
        raise Malformed("TCP checksum")
    source_port, port, seq, ack, offset_flags, window, _, _ = _tcp.unpack_from(frame, body)
    start = body + (offset_flags >> 12) * 4
    if not body + _tcp.size <= start <= end:
        raise Malformed("TCP header length")
    flags = offset_flags & 31
    mss = scale = -1
    if flags & SYN:
        mss, scale = _options(frame[body + _tcp.size : start])
    return Segment(source_port, port, seq, ack, flags, window, frame[start:end], mss, scale)


def _options(options: bytes) -> tuple[int, int]:
    """MSS and window scale of a SYN's options, -1 for each that is absent; raises ``Malformed``."""
    mss = scale = -1
    at = 0
    while at < len(options):
        kind = options[at]
        if kind == 0:
            break
        if kind == 1:
            at += 1
            continue
        length = options[at + 1] if at + 1 < len(options) else 0
        if length < 2 or at + length > len(options):  # noqa: PLR2004 - kind and length themselves
            raise Malformed("TCP option length")
        if (kind, length) == (2, 4):
            mss = _word.unpack_from(options, at + 2)[0]
        elif (kind, length) == (3, 3):
            scale = options[at + 2]
        at += length
    return mss, scale


class TcpFramer:
    """Builds the frames of one TCP connection; all that never changes is made once."""

    __slots__ = ("_addresses", "_head", "_ip_sum", "_ports", "_tcp_sum")

    def __init__(self, *, mac: bytes, target_mac: bytes, source: bytes, target: bytes, ports: tuple[int, int]) -> None:
        self._head = target_mac + mac + b"\x08\x00\x45\x00"
        self._addresses = source + target
        self._ports = ports
        addresses = remainder(self._addresses)
        self._ip_sum = 0x4500 + 0x4000 + 0x4006 + addresses  # version, don't fragment, time to live 64 and TCP
        self._tcp_sum = _TCP + addresses + ports[0] + ports[1] + _tcp.size

    def frame(  # noqa: PLR0917 - in the order of ``Outgoing``, on the hot path
        self, seq: int, ack: int, flags: int, window: int, payload: bytes = b"", options: bytes = b""
    ) -> bytes:
        """The Ethernet frame of one segment; ``options`` is padded to four bytes by the caller."""
        length = len(options) + len(payload)
        offset_flags = (5 + len(options) // 4) << 12 | flags
        total = self._tcp_sum + length + seq + ack + offset_flags + window
        if length:
            body = options + payload
            value = int.from_bytes(body, "big") % _MODULUS
            total += value * 256 if length & 1 else value
        else:
            body = b""
        length += 40
        head = _tcp_frame.pack(
            self._head, length, 0x4000, 0x4006, -(self._ip_sum + length) % _MODULUS, self._addresses, *self._ports,
            seq, ack, offset_flags, window, -total % _MODULUS, 0,
        )  # fmt: skip
        return head + body


def syn_options(mss: int, scale: int) -> bytes:
    """The options of a SYN: the largest segment we take, and our window scale (none when negative)."""
    options = b"\x02\x04" + _word.pack(mss)
    return options + b"\x01\x03\x03" + bytes((scale,)) if scale >= 0 else options


def arp_frame(operation: int, *, mac: bytes, address: bytes, target_mac: bytes, target: bytes) -> bytes:
    """An ARP question (1, broadcast) or answer (2)."""
    to, known = (BROADCAST, bytes(6)) if operation == 1 else (target_mac, target_mac)
    ethernet = to + mac + _word.pack(_ARP)
    return ethernet + _arp.pack(1, _IPV4, 6, 4, operation, mac, address, known, target)


def echo_reply(echo: Echo, mac: bytes) -> bytes:
    """The answer to a ping."""
    return _icmp_answer(echo, mac, b"\x00\x00", echo.body)


def datagram_reply(packet: Datagram, mac: bytes, payload: bytes) -> bytes:
    """A datagram back to where one came from, from where it went to."""
    length = _udp.size + len(payload)
    header = _ip_header(packet, length, _UDP)
    # UDP's checksum may be left out, and is: what passes here is memory.
    return (
        packet.mac + mac + _word.pack(_IPV4) + header + _udp.pack(packet.port, packet.source_port, length, 0) + payload
    )


def port_unreachable(packet: Unserved | Datagram, mac: bytes) -> bytes:
    """Tells the sender of a datagram that nobody listens there."""
    return _icmp_answer(packet, mac, b"\x03\x03", bytes(4) + packet.quote)


def _icmp_answer(packet: Echo | Unserved | Datagram, mac: bytes, kind: bytes, body: bytes) -> bytes:
    message = kind + _word.pack(-remainder(kind + body) % _MODULUS) + body
    return packet.mac + mac + _word.pack(_IPV4) + _ip_header(packet, len(message), _ICMP) + message


def _ip_header(packet: Echo | Unserved | Datagram, length: int, protocol: int) -> bytes:
    """The IP header of a reply to a packet, with ``length`` bytes of payload."""
    header = _ip.pack(0x45, 0, _ip.size + length, 0, 0x4000, 64, protocol, 0, packet.target, packet.source)
    return header[:10] + _word.pack(-remainder(header) % _MODULUS) + header[12:]
