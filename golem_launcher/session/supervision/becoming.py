"""What a process that has loaded what a supervisor needs is told of the supervisor that it becomes.

By the fork server, to what it forks, and by a command, to what was loaded ahead for it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from golem_launcher import processes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import IO, Self

FRUGAL = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "1310720", "MALLOC_TRIM_THRESHOLD_": "524288"}
"""Has glibc give memory back soon after a save: without it, threads hold on to three times as much. It keeps what a
megabyte of a transfer takes, as memory that is new for each has to be cleared first, which took as long as all else."""
_LONGEST = 1 << 20
_READ_ONCE = ("PYTHON", "MALLOC_", "GLIBC_", "LD_", "SSL_", "OPENSSL_", "AIOHTTP_", "FSSPEC_", "YAGNA_")
"""What variables begin with that Python, C and libraries read when they are loaded, and never again."""


@dataclass(frozen=True)
class ToBecome:
    """What a supervisor is to be."""

    name: str
    """Its session's."""
    environment: dict[str, str]
    log: str
    cwd: str

    def line(self) -> bytes:
        """As it is sent, which :meth:`read` reads."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def read(cls, lines: IO[bytes]) -> Self | None:
        """``None`` for what nobody of ours would ask, and where nobody asks any more."""
        with contextlib.suppress(OSError, ValueError, TypeError):
            return cls(**json.loads(lines.readline(_LONGEST)))
        return None


def settings(environment: Mapping[str, str]) -> list[str]:
    """By what a supervisor with this ``environment`` differs from others once all is loaded."""
    return sorted(f"{name}={value}" for name, value in environment.items() if name.startswith(_READ_ONCE))


def become(told: ToBecome) -> None:
    """Have this process be as one that was started by the supervisor's command, by ``processes.spawn_detached``."""
    if os.getsid(0) != os.getpid():
        os.setsid()
    log = os.open(told.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(log)
    os.close(nothing)
    os.chdir(told.cwd)
    os.environ.clear()
    os.environ.update(told.environment)
    time.tzset()
    processes.name_this_process(told.name)
    sys.argv[1:] = [told.name]
