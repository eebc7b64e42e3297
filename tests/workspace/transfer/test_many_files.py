"""As many files as people have: what saving them takes in time, and in memory of this computer's."""

import asyncio
import json
import os
import random
import resource
import subprocess
import sys
import tracemalloc
from types import SimpleNamespace

import pytest

from golem_launcher.session.supervision.becoming import FRUGAL
from golem_launcher.workspace.repository.entries import Entries
from golem_launcher.workspace.repository.entry import Entry, chunk_id
from golem_launcher.workspace.transfer.file_sender import send
from tests.patience import slower
from tests.workspace.transfer import saving_process

FILES, PUT_BACK = 50_000, 20_000


@pytest.mark.slow
def test_fifty_thousand_tiny_files_are_saved_in_a_minute_of_processor_time_and_450_bytes_each(provider, tmp_path):
    for number in range(FILES):
        if number % 1000 == 0:
            folder = provider.work / f"part-{number // 1000}"
            folder.mkdir()
        (folder / f"sample-{number}.txt").write_bytes(b"%d\n" % number)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", saving_process.__name__, provider.url, str(tmp_path / "store"), "2"],
        stdout=subprocess.PIPE, env={**os.environ, **FRUGAL}, check=True, timeout=600 * slower(),
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    took = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    found = json.loads(done.stdout)
    assert found["files"] == [FILES, FILES], found
    assert took < 60, found
    assert (found["memory"] - found["before"]) / FILES < 450, found


class Tiny:
    """Files of which each has a long name and little in it, and its chunk."""

    def __init__(self, count):
        chance = random.Random(1)
        self._names = sorted(chance.randbytes(100).hex() for _ in range(count))

    @property
    def entries(self):
        return Entries.of(
            Entry(name, "file", size=40, chunks=(chunk_id(name[:40].encode()),), mode=0o644) for name in self._names
        )

    def chunks(self):
        return {chunk_id(name[:40].encode()): name[:40].encode() for name in self._names}


@pytest.mark.slow
def test_what_is_put_back_is_not_held(provider):
    """Two megabytes and a half of a list, and one and a half of contents in forty thousand pieces."""
    tiny = Tiny(PUT_BACK)
    entries = tiny.entries
    store = SimpleNamespace(get_chunk=tiny.chunks().__getitem__)

    async def put_back():
        async with provider.agent() as agent:
            tracemalloc.start()
            try:
                problems = await send(agent, entries, store)
                return problems, tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    problems, most = asyncio.run(put_back())
    assert problems == []
    assert sum(1 for _ in provider.work.iterdir()) == PUT_BACK
    assert most < 5_800_000
