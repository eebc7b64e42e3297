"""``golem_launcher.launch()`` where most will call it: in a cell of a notebook, whose loop runs."""

import json
import os
import subprocess
import sys

import pytest

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
""",
    """
await asyncio.sleep(0)  # the loop is as it was
try:
    golem_launcher.launch(name="cell", cpus=-1)
except golem_launcher.errors.RequestError as error:
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
        timeout=150,
        check=False,
        env={**os.environ, "JUPYTER_RUNTIME_DIR": str(tmp_path / "run"), "IPYTHONDIR": str(tmp_path / "ipython")},
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    outputs = [cell["outputs"] for cell in json.loads(path.read_text())["cells"]]
    assert outputs[0] == []
    assert outputs[1][0]["data"]["text/plain"] == ["<Session cell: ready>"]
    assert "".join(outputs[2][0]["text"]) == "200 True\n"
    said = "".join(piece for output in outputs[3] for piece in output["text"]).splitlines()
    assert said == ["Cores: must be at least 1.", "ended None"]
