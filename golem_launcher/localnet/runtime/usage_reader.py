"""Reads one activity's usage: CPU time that never decreases, and the disk every half minute."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from golem_launcher.localnet.runtime import usage
from golem_launcher.localnet.runtime.memory_limit import relieve

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)

_DISK_SECONDS = 30.0


class UsageReader:
    """Reads the usage of a tree of processes and a directory."""

    def __init__(self, directory: Path, memory_bytes: int) -> None:
        """``memory_bytes``: the largest process is killed when all together hold more than that."""
        self._directory = directory
        self._memory_bytes = memory_bytes
        self._last = usage.ActivityUsage()
        self._disk_read = float("-inf")

    async def read(self, pid: int) -> usage.ActivityUsage:
        """The usage of the tree below ``pid``."""
        cpu, memory = usage.of_tree(pid)
        if memory > self._memory_bytes:
            killed = await asyncio.to_thread(relieve, pid, self._memory_bytes)
            if killed is not None:
                _log.info("process %d was killed: its activity held more than %d bytes", killed, self._memory_bytes)
        disk = self._last.disk
        if time.monotonic() - self._disk_read > _DISK_SECONDS:
            self._disk_read = time.monotonic()
            disk = await asyncio.to_thread(usage.of_directory, self._directory)
        self._last = usage.ActivityUsage(max(cpu, self._last.cpu_seconds), memory, disk)
        return self._last
