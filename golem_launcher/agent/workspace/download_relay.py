"""A connection to the workload for somebody far away, who can have what comes by it kept here in pieces.

Through Golem's VPN a long answer of JupyterLab's takes many times as long as by a transfer of the activity. So who asks
has it answered here, and fetches the parts of the answer as files. Nothing is asked in anybody's name: what is asked is
what the browser wrote, and the workload decides by that what it gives.

What goes on over a relay is lines of JSON, each answered before the next:

    {"send": n} and n bytes          what the workload is sent
    {"pass": n}                      up to n bytes of what it says, as they come: for each part {"bytes": m} and the
                                     bytes, at last {"ended": whether that was the end}
    {"keep": "name", "most": n}      up to n bytes of it into a piece (workspace/copying.py):
                                     {"size": m, "sha256": "…", "ended": …, "full": whether the disk is}

One that says nothing for a second is waited for no longer, and can be asked for more again.
"""

from __future__ import annotations

import hashlib
import json
import socket
import time
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from io import BufferedIOBase

    from .copying import Copying

_T = TypeVar("_T")

UPGRADE = "golem-launcher-relay"
"""What a connection becomes that is one."""
LONGEST_LINE = 4096
_BLOCK = 256 * 1024
_CONNECT_SECONDS = 10.0
_SEND_SECONDS = 60.0
_SILENCE_SECONDS = 1.0
_KEEP_SECONDS = 2.0
"""A workload that makes its answer slowly is not waited for longer, until what it said is passed on."""


class Relay:
    """One connection to the workload; :meth:`serve` takes it to its end."""

    def __init__(self, hosts: Iterable[str], port: int, copying: Copying) -> None:
        """Raises ``OSError`` when nobody listens at the port."""
        self._workload = of_first(hosts, lambda host: socket.create_connection((host, port), _CONNECT_SECONDS))
        self._incoming = _Incoming(self._workload)
        self._copying = copying
        self._kept: set[str] = set()

    def serve(self, commands: BufferedIOBase, answers: BufferedIOBase) -> None:
        """Do as ``commands`` say until either side ends; what is still kept then is removed. Raises ``OSError``."""
        try:
            while line := commands.readline(LONGEST_LINE):
                command = json.loads(line)
                if "send" in command:
                    self._send(commands, command["send"])
                elif "pass" in command:
                    self._pass(answers, command["pass"])
                else:
                    _say(answers, self._keep(command["keep"], command["most"]))
        except (ValueError, TypeError, KeyError) as error:
            raise ConnectionAbortedError("it does not say what is to be done") from error
        finally:
            self._workload.close()
            self._copying.let_go(self._kept)

    def _send(self, commands: BufferedIOBase, left: int) -> None:
        self._workload.settimeout(_SEND_SECONDS)
        while left > 0:
            block = commands.read(min(_BLOCK, left))
            if not block:
                raise ConnectionResetError
            self._workload.sendall(block)
            left -= len(block)

    def _pass(self, answers: BufferedIOBase, left: int) -> None:
        while left > 0 and (block := self._incoming.read(min(_BLOCK, left), _SILENCE_SECONDS)):
            _say(answers, {"bytes": len(block)}, block)
            left -= len(block)
        _say(answers, {"ended": self._incoming.ended})

    def _keep(self, name: Any, most: int) -> dict[str, Any]:
        hasher, size, full = hashlib.sha256(), 0, False
        end = time.monotonic() + _KEEP_SECONDS
        place = self._copying.hold(name)
        self._kept.add(name)
        with open(place, "wb", buffering=0) as piece:
            while size < most and not full:
                silence = min(_SILENCE_SECONDS, end - time.monotonic())
                block = self._incoming.read(min(_BLOCK, most - size), silence) if silence > 0 else b""
                if not block:
                    break
                written, full = _written(piece, block)
                self._incoming.put_back(block[written:])
                hasher.update(block[:written])
                size += written
        return {"size": size, "sha256": hasher.hexdigest(), "ended": self._incoming.ended, "full": full}


class _Incoming:
    """What the workload says."""

    def __init__(self, workload: socket.socket) -> None:
        self._workload = workload
        self._back = b""
        self.ended = False
        """Whether all of it was read."""

    def read(self, most: int, seconds: float) -> bytes:
        """The next of it; nothing at its end, or where nothing comes for so long."""
        if self._back:
            block, self._back = self._back[:most], self._back[most:]
            return block
        self._workload.settimeout(seconds)
        try:
            block = self._workload.recv(most)
        except socket.timeout:
            return b""
        self.ended = not block
        return block

    def put_back(self, block: bytes) -> None:
        """Give this once more."""
        self._back = block + self._back


def of_first(hosts: Iterable[str], connect: Callable[[str], _T]) -> _T:
    """What ``connect`` makes of the first of ``hosts`` that answers. Raises ``OSError``, the last one's."""
    error = OSError("nobody listens there")
    for host in hosts:
        try:
            return connect(host)
        except OSError as refused:  # noqa: PERF203 - there are two or three
            error = refused
    raise error


def _written(piece: Any, block: bytes) -> tuple[int, bool]:
    """How much of a block was written, and whether there is no room for the rest."""
    at = 0
    try:
        while at < len(block):
            at += piece.write(block[at:])
    except OSError:
        return at, True
    return at, False


def _say(answers: BufferedIOBase, line: dict[str, Any], block: bytes = b"") -> None:
    answers.write(json.dumps(line).encode() + b"\n" + block)
