"""A log of bounded size whose offsets never change.

A directory of segments, each named by the absolute offset of its first byte. The oldest is deleted when there are
too many; a reader that asks for what is gone gets what follows it. One writer, any number of readers in other
processes, no lock: a segment only grows, and a new one is created after the last byte of the one before.
"""

from __future__ import annotations

import contextlib
import os

from .exit_report import LARGEST, RUNS, Report, read
from .whole_number import whole

OFFSET_HEADER = "Golem-Launcher-Offset"
"""Where the log goes on, told with each piece: further than the bytes sent where its beginning is gone."""
SEGMENT_BYTES = 1024 * 1024
SEGMENTS = 8
_DIGITS = 20
_SECRET = b"[token]"
_LAST_WORDS = 4096
_LONGEST_WORDS = 300
_AGENT = "[agent] "
_STAMP = len("2026-01-01 00:00:00 ")
_END = "end"
"""Beside the segments: the record of why the workload, or everything, has ended."""


class LogWriter:
    """Appends bytes, secrets taken out. Never raises for a full disk: what can't be written is left out."""

    def __init__(
        self, directory: str, secret: str, *, segment_bytes: int = SEGMENT_BYTES, segments: int = SEGMENTS
    ) -> None:
        self._directory = directory
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(directory, _END))  # of an earlier agent, which is gone
        self._secret = secret.encode()
        self._segment_bytes = segment_bytes
        self._most = segments
        self._held = b""
        os.makedirs(directory, mode=0o700, exist_ok=True)
        for start in _starts(directory):
            os.unlink(_path(directory, start))  # likewise
        self._segments = [0]
        self._end = 0
        self._file = self._open(0)

    def write(self, data: bytes) -> None:
        """Append. Bytes at the end that may be the start of the secret wait for those that follow."""
        data = (self._held + data).replace(self._secret, _SECRET)
        held = self._overlap(data)
        self._held = data[len(data) - held :]
        self._append(data[: len(data) - held])

    def hide(self, secret: str) -> None:
        """Take out this secret from now on, in the place of the one before."""
        self._append(self._held)
        self._held, self._secret = b"", secret.encode()

    def line(self, text: str) -> None:
        """Append a line of the agent's own."""
        self._append(self._held)
        self._held = b""
        self.write(f"{_AGENT}{text}\n".encode())

    def end(self, why: Report) -> None:
        """The workload, or everything, has ended: let that be known to who asks for the last words."""
        with contextlib.suppress(OSError), open(os.path.join(self._directory, _END), "w") as file:
            file.write(why.line)

    def _overlap(self, data: bytes) -> int:
        """How many bytes at the end of ``data`` are a beginning of the secret."""
        for size in range(min(len(self._secret) - 1, len(data)), 0, -1):
            if data.endswith(self._secret[:size]):
                return size
        return 0

    def _append(self, data: bytes) -> None:
        while data:
            room = self._segments[-1] + self._segment_bytes - self._end
            if room <= 0:
                self._rotate()
                continue
            try:
                written = os.write(self._file, data[:room])
            except OSError:
                return
            self._end += written
            data = data[written:]

    def _rotate(self) -> None:
        os.close(self._file)
        self._file = self._open(self._end)
        self._segments.append(self._end)
        while len(self._segments) > self._most:
            with contextlib.suppress(OSError):
                os.unlink(_path(self._directory, self._segments[0]))
            del self._segments[0]

    def _open(self, start: int) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        return os.open(_path(self._directory, start), flags, 0o600)


def read_log(directory: str, offset: int, most: int) -> tuple[int, bytes]:
    """Up to ``most`` bytes of the log from ``offset`` on, and the offset of their first byte.

    That is later than ``offset`` where the log's beginning is gone, and the log's end where ``offset`` is beyond it.
    """
    for _ in range(SEGMENTS):
        starts = _starts(directory)
        if not starts:
            break
        start = max((each for each in starts if each <= offset), default=starts[0])
        try:
            with open(_path(directory, start), "rb") as file:
                end = start + os.fstat(file.fileno()).st_size
                following = [each for each in starts if each > start]
                if following and max(offset, start) >= end:
                    offset = following[0]
                    continue
                at = min(max(offset, start), end)
                file.seek(at - start)
                return at, file.read(most)
        except FileNotFoundError:
            continue  # deleted meanwhile
    return 0, b""


def last_words(directory: str) -> Report:
    """Whether the agent with this log has ended and why, for who waits for the workload in vain."""
    lines = [line for line in _tail(directory).splitlines() if line.strip()]
    own = [line[len(_AGENT) + _STAMP :] for line in lines if line.startswith(_AGENT)]
    others = [line for line in lines if not line.startswith(_AGENT)]
    said, last = ("".join(found[-1:])[:_LONGEST_WORDS] for found in (own, others))
    return (end_of(directory) or Report(RUNS, said))._replace(log=last)


def end_of(directory: str) -> Report | None:
    """Why the workload with this log has ended; ``None`` while it has not."""
    with contextlib.suppress(OSError), open(os.path.join(directory, _END)) as file:
        return read(file.read(LARGEST))
    return None


def _tail(directory: str) -> str:
    starts = _starts(directory)
    if not starts:
        return ""
    end, _ = read_log(directory, 1 << 62, 0)
    return read_log(directory, max(starts[-1], end - _LAST_WORDS), _LAST_WORDS)[1].decode(errors="replace")


def _path(directory: str, start: int) -> str:
    return os.path.join(directory, f"{start:0{_DIGITS}d}")


def _starts(directory: str) -> list[int]:
    with contextlib.suppress(OSError):
        numbers = (whole(name, _DIGITS) for name in os.listdir(directory) if len(name) == _DIGITS)
        return sorted(each for each in numbers if each is not None)
    return []
