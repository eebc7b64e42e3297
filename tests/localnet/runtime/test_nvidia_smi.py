"""The stand-in for ``nvidia-smi``: it says what the real one says, and refuses what that refuses."""

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import PurePosixPath

import pytest

from golem_launcher.localnet.runtime.nvidia_smi import PretendedGpu, put
from golem_launcher.localnet.runtime.python_environment import PrivateEnvironment

L4 = PretendedGpu("NVIDIA <L4>", 22.49, "8.9")


@pytest.fixture
def ask(tmp_path):
    def ask(*words, gpus=(L4, L4)):
        (tmp_path / "bin").mkdir(exist_ok=True)
        put(gpus, PrivateEnvironment(tmp_path, PurePosixPath(tmp_path)))
        (tmp_path / "bin" / "python3").unlink(missing_ok=True)
        (tmp_path / "bin" / "python3").symlink_to(sys.executable)
        done = subprocess.run([tmp_path / "bin" / "nvidia-smi", *words], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    return ask


def test_it_tells_of_its_gpus(ask):
    code, told = ask("-q", "-x")
    report = ET.fromstring(told)
    assert (code, report.findtext("attached_gpus"), len(report.findall("gpu"))) == (0, "2", 2)
    assert report.findtext("gpu/product_name") == "NVIDIA <L4>"
    assert report.findtext("gpu/fb_memory_usage/total") == "23030 MiB"
    query = "--query-gpu=name,memory.total,compute_cap"
    assert ask(query, "--format=csv,noheader,nounits") == (0, "NVIDIA <L4>, 23030, 8.9\n" * 2)
    assert ask(query, "--format=csv", gpus=[PretendedGpu("A", 1, "")]) == (
        0,
        "name, memory.total [MiB], compute_cap\nA, 1024 MiB, [N/A]\n",
    )


def test_what_the_real_one_does_not_know_is_an_error(ask):
    assert ask("--query-gpu=name,size", "--format=csv")[0] == 2
    assert ask("--query-gpu=name", "--format=json")[0] == ask("-q", "--xml")[0] == ask("dmon")[0] == 1
    assert ask("-q", "-x", gpus=()) == (6, "No devices were found\n")


def test_where_nothing_is_pretended_there_is_no_such_program(tmp_path):
    (tmp_path / "bin").mkdir()
    put(None, PrivateEnvironment(tmp_path, PurePosixPath(tmp_path)))
    assert not list((tmp_path / "bin").iterdir())
