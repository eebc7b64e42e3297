"""The agent's measure of its machine: figures that make sense, within its time, and nothing left behind."""

import json
import os
import subprocess
import sys
import time

import pytest

from golem_launcher.agent import benchmark
from golem_launcher.workload.archive import agent_archive
from tests.patience import slower


@pytest.fixture
def quick(monkeypatch):
    for name in ("_CORE_SECONDS", "_MEMORY_SECONDS", "_DISK_SECONDS"):
        monkeypatch.setattr(benchmark, name, 0.02)


@pytest.mark.slow
def test_it_runs_from_the_archive_as_a_program_of_its_own(tmp_path):
    archive = tmp_path / "agent.pyz"
    archive.write_bytes(agent_archive())
    place = tmp_path / "place"
    place.mkdir()
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, archive, "--benchmark", place], capture_output=True, check=True, timeout=60 * slower()
    )
    figures = json.loads(done.stdout)
    assert time.monotonic() - began < 20 * slower()
    assert figures["cores"] == len(os.sched_getaffinity(0))
    assert all(value > 0 for value in figures.values())
    assert {"core_rate", "cores_rate", "memory_rate"} <= figures.keys()
    assert "gpu_tflops" not in figures
    assert not list(place.iterdir())


@pytest.mark.usefixtures("quick")
def test_a_disk_that_is_small_or_gone_is_left_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(benchmark, "_LEFT_FREE", 1 << 62)
    benchmark.main(str(tmp_path))
    assert "disk_write_rate" not in json.loads(capsys.readouterr().out)
    benchmark.main(str(tmp_path / "gone"))
    assert "disk_write_rate" not in json.loads(capsys.readouterr().out)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("program", "told"), [("print(61.5)", 61.5), ("raise SystemExit('no CUDA')", None), ("print('nan?')", None)]
)
def test_a_gpu_is_measured_with_pytorch_where_that_reaches_it(tmp_path, monkeypatch, capsys, program, told):
    monkeypatch.setattr(benchmark.gpus, "gpus", lambda: [{"name": "L4"}])
    monkeypatch.setattr(benchmark, "_MULTIPLY", program)
    monkeypatch.setitem(sys.modules, "torch", sys)  # there is one, as far as anybody asks
    benchmark.main(str(tmp_path))
    assert json.loads(capsys.readouterr().out).get("gpu_tflops") == told
