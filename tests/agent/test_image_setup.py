"""Images that bring no JupyterLab: pip installs it, or it is said why not. pip gets its packages from a directory."""

import os
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import metadata
from pathlib import Path

import pip
import pytest
from packaging.specifiers import SpecifierSet

from golem_launcher.agent import image_setup
from golem_launcher.workload.archive import spare_pip
from tests.patience import slower

_PROGRAM = """
import importlib.util, sys
sys.path.insert(0, sys.argv[1])
import image_setup
print(image_setup.bring_lab(60.0, sys.argv[2], "/tmp"))
print(importlib.util.find_spec("jupyterlab") is not None)
"""


@pytest.fixture
def bring(tmp_path):
    """Runs ``bring_lab`` in a Python of its own, with ``pip`` or not; what it said, and whether a Lab is there now."""
    venv.create(tmp_path / "python", with_pip=False, symlinks=True)
    (tmp_path / "wheels").mkdir()
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip" / "pip").symlink_to(Path(pip.__file__).parent)

    def run(*, has_pip, spare="none"):
        done = subprocess.run(
            [tmp_path / "python" / "bin" / "python", "-c", _PROGRAM, Path(image_setup.__file__).parent, spare],
            capture_output=True,
            text=True,
            timeout=100 * slower(),
            check=True,
            env={
                "PATH": os.defpath,
                "HOME": str(tmp_path),
                "PIP_NO_INDEX": "1",
                "PIP_FIND_LINKS": str(tmp_path / "wheels"),
                "PYTHONPATH": str(tmp_path / "pip") if has_pip else "",
            },
        )
        said, there = done.stdout.splitlines()
        return said, there == "True"

    return run


@pytest.mark.slow
def test_what_is_missing_is_installed_or_named(bring, tmp_path):
    said, there = bring(has_pip=False)
    assert "neither JupyterLab nor pip" in said
    assert not there
    said, there = bring(has_pip=True)
    assert "could not be installed" in said
    assert "jupyterlab" in said
    assert not there
    info = "jupyterlab-4.4.0.dist-info"
    with zipfile.ZipFile(tmp_path / "wheels" / "jupyterlab-4.4.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("jupyterlab/__init__.py", "")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: jupyterlab\nVersion: 4.4.0\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(
            f"{info}/RECORD", f"jupyterlab/__init__.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n"
        )
    assert bring(has_pip=True) == ("", True)
    assert bring(has_pip=False) == ("", True)  # there already


@pytest.mark.slow
def test_the_pip_that_is_sent_along_serves_an_image_without_one(bring, tmp_path):
    spare = tmp_path / "spare.zip"
    spare.write_bytes(spare_pip())
    said, there = bring(has_pip=False, spare=spare)
    assert "could not be installed" in said
    assert "jupyterlab" in said  # it looked
    assert not there
    assert not spare.exists()


def test_the_pip_that_is_sent_along_runs_on_the_oldest_python_that_an_image_may_have():
    assert SpecifierSet(metadata("pip")["Requires-Python"]).contains("3.9")


_SETTLED = """
import os, sys
sys.path.insert(0, sys.argv[1])
import image_setup
image_setup.prepare()
print(open("/sys/class/net/eth1/mtu").read().strip(), os.environ["SHELL"])
"""


def test_the_internet_card_gets_a_size_that_hosts_answer():
    card = "ip tuntap add eth1 mode tap && ip link set eth1 mtu 65521 && mount -t sysfs sysfs /sys"
    argv = ["unshare", "--user", "--map-root-user", "--net", "--mount", "sh", "-c", f'{card} && exec "$@"', "sh"]
    if subprocess.run([*argv, "true"], capture_output=True, timeout=30 * slower(), check=False).returncode:
        pytest.skip("no network cards of one's own here")
    program = [sys.executable, "-c", _SETTLED, Path(image_setup.__file__).parent]
    done = subprocess.run(
        [*argv, *program],
        capture_output=True,
        text=True,
        timeout=30 * slower(),
        check=True,
        env={"PATH": os.environ["PATH"]},
    )
    assert done.stdout == "1450 /bin/bash\n"
