"""A kernel that dies is started anew by its Jupyter: what is asked of the new one is answered to its end."""

import asyncio
from pathlib import Path

import pytest

from golem_launcher.kernel.remote_kernel import LabClient, RemoteKernel
from tests.kernel.breaking_line import BreakingLine
from tests.kernel.cells import execute_request
from tests.patience import slower

pytestmark = pytest.mark.slow

_SECONDS = 90
_LATE = Path(__file__).with_name("late_kernel.py").read_text()
_KERNELSPEC = f"""
import json, pathlib, sys
folder = pathlib.Path.home() / ".local/share/jupyter/kernels/late"
folder.mkdir(parents=True, exist_ok=True)
(folder / "late.py").write_text({_LATE!r})
argv = [sys.executable, str(folder / "late.py"), "-f", "{{connection_file}}"]
(folder / "kernel.json").write_text(json.dumps({{"argv": argv, "display_name": "late", "language": "python"}}))
"""


class _Client:
    """One of a kernel over there, which takes the answers to its cells together."""

    def __init__(self, lab, kernel_id, line):
        self.line = line
        self.kernel = RemoteKernel(lab, kernel_id, heard=self._heard)
        self.printed, self.states = "", asyncio.Queue()
        self._asked = ""

    async def _heard(self, _channel, message):
        if message.kind == "stream" and message.parent_id == self._asked:
            self.printed += message.content()["text"]
        if message.kind == "status" and message.parent_id in {self._asked, None, ""}:
            self.states.put_nowait(message.content()["execution_state"])

    def ask(self, code):
        request = execute_request(code)
        self._asked = request.id
        self.kernel.send("shell", request)

    async def until(self, state):
        while await self.states.get() != state:
            pass


def _with_client(directory, name, scene):
    async def run():
        lab = LabClient(directory)
        started = await lab.ask("POST", "/api/kernels", {"name": name}, seconds=_SECONDS * slower())
        client = _Client(lab, started["id"], BreakingLine(lab))
        running = asyncio.create_task(client.kernel.run())
        async with asyncio.timeout(_SECONDS * slower()):
            await scene(client)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await client.kernel.shut_down()
        await lab.aclose()

    asyncio.run(run())


def test_a_cell_asked_of_it_at_once_is_heard_to_its_end(connected):
    """Whoever listens to it may be connected later than whoever asks."""
    connected.run(_KERNELSPEC)

    async def scene(client):
        client.ask("import os; os._exit(3)")
        await client.until("restarting")
        client.ask("print('the other')")
        await client.until("idle")
        assert client.printed == "the other\n"

    _with_client(connected.directory, "late", scene)


def test_who_is_away_when_it_dies_hears_of_it(connected):
    """What was asked of the one that died is never answered."""

    async def scene(client):
        other = LabClient(connected.directory)
        client.ask("import os\nprint('begun', flush=True)\nwhile not os.path.exists('end'): pass\nos._exit(3)")
        await client.until("busy")
        async with client.line.cut():
            await other.ask("PUT", "/api/contents/end", {"type": "file", "format": "text", "content": ""})
            while (await other.ask("GET", f"/api/kernels/{client.kernel.id}"))["execution_state"] == "busy":  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        await client.until("restarting")
        client.ask("print('the other')")
        await client.until("idle")
        assert client.printed.endswith("the other\n")
        await other.aclose()

    _with_client(connected.directory, "python3", scene)
