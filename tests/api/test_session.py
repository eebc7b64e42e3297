"""Sessions from Python: in a cell of a notebook, whose loop runs; in scripts; interrupted and cancelled."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from jupyter_client.manager import start_new_kernel

import golem_launcher
from golem_launcher.events import Stage
from tests.patience import slower
from tests.session.conftest import HONEST, SLOW

pytestmark = pytest.mark.slow

_CELLS = [
    """
import asyncio
ticks = 0

async def tick():
    global ticks
    while True:
        await asyncio.sleep(0.05)
        ticks += 1

ticking = asyncio.get_running_loop().create_task(tick())
""",
    """
import golem_launcher

before = ticks
session = golem_launcher.launch(name="cell", memory_gib=0.5, disk_gib=0.5, budget=5)
session
""",
    """
import urllib.request

status = urllib.request.urlopen(session.url.replace("/lab?", "/api/status?"), timeout=20).status
print(status, ticks - before > 10)
shown = str(session._repr_mimebundle_())
print(golem_launcher.attach("cell"), golem_launcher.sessions()[0].name, session.token in shown)
found = golem_launcher.offers(memory_gib=0.5, disk_gib=0.5, hours=2)
quoted = golem_launcher.quote(memory_gib=0.5, disk_gib=0.5, hours=2)
print(abs(quoted.whole - found[0].whole) < 1e-9, quoted.possible, quoted.enough, repr(found).count("honest"))
print(golem_launcher.wallet().token)
""",
    """
await asyncio.sleep(0)  # the loop is as it was
try:
    golem_launcher.launch(name="cell", cpus=-1)
except golem_launcher.RequestError as error:
    print(error)
session.stop()
print(session.state.stage.value, session.url)
""",
]


def test_in_a_cell_of_a_notebook(network, tmp_path):  # noqa: ARG001 - it must be up
    path = tmp_path / "cells.ipynb"
    cells = [
        {"cell_type": "code", "source": cell.strip(), "id": str(number), "metadata": {}, "outputs": [],
         "execution_count": None}
        for number, cell in enumerate(_CELLS)
    ]  # fmt: skip
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    ran = subprocess.run(
        [sys.executable, "-c", "from nbclient.cli import main; main()", "--inplace", "--timeout=90", str(path)],
        capture_output=True,
        text=True,
        timeout=150 * slower(),
        check=False,
        env={**os.environ, "JUPYTER_RUNTIME_DIR": str(tmp_path / "run"), "IPYTHONDIR": str(tmp_path / "ipython")},
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    outputs = [cell["outputs"] for cell in json.loads(path.read_text())["cells"]]
    assert outputs[0] == []
    shown, result = outputs[1]
    assert "ready" not in shown["data"]["text/plain"][0]
    assert "Session &#x27;cell&#x27;: connected" in "".join(shown["data"]["text/html"])  # the last of its states
    assert result["data"]["text/plain"] == ["<Session cell: ready>"]
    assert "honest" in "".join(result["data"]["text/html"])
    assert _said(outputs[2]) == [
        "200 True",
        "<Session cell: ready> cell False",
        "True True True 3",
        "tGLM",
    ]
    assert _said(outputs[3]) == ["Cores: must be at least 1.", "ended None"]


def _said(outputs):
    """What was printed."""
    texts = (output["text"] for output in outputs if output["output_type"] == "stream")
    return "".join(piece for text in texts for piece in text).splitlines()


_INTERRUPTED = (
    "import golem_launcher; golem_launcher.launch(name={name!r}, memory_gib={memory}, disk_gib=0.5, budget=5)"
)


def _begun(name, seconds=90):
    """Wait until a session is there, at whatever stage."""
    end = time.monotonic() + seconds * slower()
    while time.monotonic() < end:
        if any(one.name == name for one in golem_launcher.sessions()):
            return
        time.sleep(0.05)
    raise AssertionError(golem_launcher.sessions())


def test_ctrl_c_in_a_script_ends_what_was_begun(network):  # noqa: ARG001
    script = subprocess.Popen(
        [sys.executable, "-c", _INTERRUPTED.format(name="script", memory=SLOW)], stderr=subprocess.PIPE, text=True
    )
    try:
        _begun("script")
        script.send_signal(signal.SIGINT)
        said = script.communicate(timeout=90 * slower())[1]
    finally:
        script.kill()
    assert "Interrupted: the session 'script' is ended …\nThe session 'script' was ended.\n" in said
    assert said.rstrip().endswith("KeyboardInterrupt")
    assert golem_launcher.attach("script").state.stage.final


def test_the_stop_button_of_a_notebook_ends_what_was_begun(network):  # noqa: ARG001
    manager, client = start_new_kernel()
    said = []
    try:
        ran = client.execute(_INTERRUPTED.format(name="button", memory=SLOW))
        _begun("button")
        manager.interrupt_kernel()
        while (reply := client.get_shell_msg(timeout=90 * slower()))["parent_header"]["msg_id"] != ran:
            pass
        assert reply["content"]["ename"] == "KeyboardInterrupt"
        while (message := client.get_iopub_msg(timeout=10 * slower()))["content"].get("execution_state") != "idle":
            if message["msg_type"] == "stream" and message["parent_header"]["msg_id"] == ran:
                said.append(message["content"]["text"])
        assert "The session 'button' was ended." in "".join(said)
        assert golem_launcher.attach("button").state.stage.final
        client.execute_interactive("print(1)", timeout=20 * slower())
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_a_block_ends_with_its_session_and_a_cancelled_task_leaves_none(network):  # noqa: ARG001
    fields = {"disk_gib": 0.5, "budget": 5}

    async def both():
        slow = asyncio.ensure_future(golem_launcher.Session(name="given-up", memory_gib=SLOW, **fields).astart())
        await asyncio.to_thread(_begun, "given-up")
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
        async with golem_launcher.Session(name="block", memory_gib=HONEST, **fields) as lab:
            assert lab.state.stage is Stage.READY
            assert await lab.asave() is None
            assert (await lab.aextend(budget=1)).budget == 6
        return lab

    lab = asyncio.run(both())
    assert lab.state.stage is Stage.ENDED
    assert golem_launcher.attach("given-up").state.stage.final
    with pytest.raises(golem_launcher.SessionError, match="was started before"):
        lab.start()
    with pytest.raises(ZeroDivisionError), golem_launcher.Session(name="raises", memory_gib=HONEST, **fields):
        _ = 1 / 0
    assert golem_launcher.attach("raises").state.stage is Stage.ENDED
