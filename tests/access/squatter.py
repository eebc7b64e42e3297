"""A program of somebody else that wants an address, and has it as soon as nobody holds it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.patience import slower

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_NOBODY = 65534
_SECONDS = 30
# Run as another user where that can be, who may then also say that he shares the port.
_TRIES = """
import json, os, select, socket, sys
place, other = json.load(sys.stdin)
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(other)
    os.setuid(other)
options = [[socket.SO_REUSEADDR], [socket.SO_REUSEADDR, socket.SO_REUSEPORT]][: 2 if os.geteuid() == other else 1]
print("tries", flush=True)
while True:
    for each in options:
        with socket.socket() as wanted:
            for option in each:
                wanted.setsockopt(socket.SOL_SOCKET, option, 1)
            try:
                wanted.bind(tuple(place))
                wanted.listen()
            except OSError:
                continue
            print("took it", flush=True)
            select.select([], [], [], 3600)
"""


@contextlib.contextmanager
def squatter(place: tuple[str, int]) -> Iterator[Callable[[], bool]]:
    """Somebody wants ``place`` in a ``with`` block; the function says whether he has had it at any moment."""
    with subprocess.Popen(
        [sys.executable, "-c", _TRIES], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        output = process.stdout
        try:
            process.stdin.write(json.dumps([place, _NOBODY]))
            process.stdin.close()
            assert output.readline() == "tries\n"

            def took() -> bool:
                process.kill()
                return "took it" in output.read()

            yield took
        finally:
            process.kill()
            process.wait(_SECONDS * slower())
