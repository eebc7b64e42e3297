"""One session's saving in a process of its own: what it costs in memory, and its loop.

``python -m … ADDRESS STORE ROUNDS`` prints what each round saved or why not, the longest time that the loop worked
without a turn for others, in seconds of its thread's own work (so that a busy computer does not count, nor what other
threads do beside it), and the memory, in bytes (after each round: the most so far, in megabytes).
"""

import asyncio
import json
import re
import sys
import time
from pathlib import Path

from golem_launcher.errors import NothingToSave
from golem_launcher.workspace.repository.store import open_store
from golem_launcher.workspace.transfer.agent_workspace import AgentWorkspace
from golem_launcher.workspace.transfer.saver import Saver
from tests.dialling import to_origin
from tests.workspace.transfer.conftest import TOKEN

_TICK_SECONDS = 0.002
_SAVE_SECONDS = 600


async def _longest(stopped):
    longest, before = 0.0, time.thread_time()
    while not stopped.is_set():
        await asyncio.sleep(_TICK_SECONDS)
        longest, before = max(longest, time.thread_time() - before), time.thread_time()
    return longest


async def main(address, store, rounds):
    stopped = asyncio.Event()
    watching = asyncio.create_task(_longest(stopped))
    problems, files, most, before = [], [], [], memory("VmHWM")
    async with AgentWorkspace(to_origin(address), TOKEN) as agent:
        saver = Saver(agent, open_store(store), "work")
        for _ in range(rounds):
            try:
                saved = await saver.save_now(_SAVE_SECONDS)
            except NothingToSave:  # all that was listed is nothing that can be
                saved = None
            files.append(saved and saved.files)
            problems.append(saver.saving.problem)
            most.append(memory("VmHWM") // 1_000_000)
    stopped.set()
    memories = {"before": before, "memory": memory("VmHWM"), "held": memory("VmRSS"), "megabytes": most}
    return {"stood": await watching, "problems": problems, "files": files, **memories}


def memory(which):
    """The most so far, or what is held now; getrusage() tells of the process that started this one."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(rf"{which}:\s+(\d+) kB", status)[1]) * 1024


if __name__ == "__main__":
    found = asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
    print(json.dumps(found))  # noqa: T201 - what it is for
