"""A minimal name server for sandboxes: IPv4 addresses of names (RFC 1035)."""

from __future__ import annotations

from ipaddress import IPv4Address
from struct import Struct, error
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

PORT = 53
SERVERS = frozenset({"1.1.1.1", "1.0.0.1", "8.8.8.8", "8.8.4.4", "9.9.9.9", "149.112.112.112"})
"""Those that Golem's exe-unit lets every VM with an eth1 ask."""

_header = Struct("!6H")
_question = Struct("!HH")
_record = Struct("!HHHIH4s")
_A, _AAAA, _IN = 1, 28, 1
_IS_ANSWER, _RECURSION_WANTED, _RECURSION_DONE = 0x8000, 0x0100, 0x0080
_KIND_OF_QUERY = 0x7800
_NO_SUCH_NAME, _NOT_IMPLEMENTED = 3, 4
_NAME_OF_QUESTION = 0xC00C
_SECONDS = 60
_MOST_RECORDS = 16
"""So that an answer fits into the 512 bytes that every program takes."""
_LONGEST_NAME = 253
_LONGEST_LABEL = 63


class Question(NamedTuple):
    """What is asked: the ``kind`` of record of a ``name`` (lower case), and how the asker wrote it."""

    id: int
    flags: int
    name: str
    kind: int
    written: bytes

    def answer(self, addresses: Sequence[str]) -> bytes:
        """The answer, given the IPv4 addresses of the name; none of them: there is no such name."""
        flags = self.flags | _IS_ANSWER | _RECURSION_DONE
        if self.kind not in {_A, _AAAA}:
            return _header.pack(self.id, flags | _NOT_IMPLEMENTED, 1, 0, 0, 0) + self.written
        if not addresses:
            return _header.pack(self.id, flags | _NO_SUCH_NAME, 1, 0, 0, 0) + self.written
        packed = [IPv4Address(each).packed for each in addresses[:_MOST_RECORDS]] if self.kind == _A else []
        body = b"".join(_record.pack(_NAME_OF_QUESTION, _A, _IN, _SECONDS, len(each), each) for each in packed)
        return _header.pack(self.id, flags, 1, len(packed), 0, 0) + self.written + body


def read(message: bytes) -> Question | None:
    """The question of a datagram from a program inside; ``None`` when it is none that can be answered."""
    try:
        identifier, flags, questions, *_ = _header.unpack_from(message)
        labels, at = [], _header.size
        while length := message[at]:
            if length > _LONGEST_LABEL:
                return None
            labels.append(message[at + 1 : at + 1 + length].decode("ascii"))
            at += 1 + length
        kind, family = _question.unpack_from(message, at + 1)
    except (error, IndexError, UnicodeDecodeError):
        return None
    name = ".".join(labels).lower()
    if flags & (_IS_ANSWER | _KIND_OF_QUERY) or questions != 1 or family != _IN or not 0 < len(name) <= _LONGEST_NAME:
        return None
    written = message[_header.size : at + 1 + _question.size]
    return Question(identifier, flags & _RECURSION_WANTED, name, kind, written)
