"""Set-up by uv asks where the user's pip would ask."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from pathlib import Path

import pytest

_SCRIPT = Path(__file__).resolve().parents[2] / "scripts/uv_install.py"


@pytest.fixture(scope="module")
def uv_install():
    spec = importlib.util.spec_from_file_location("uv_install", _SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pips_files_and_variables_are_told_to_uv(uv_install, tmp_path):
    of_user, named = tmp_path / ".config/pip/pip.conf", tmp_path / "named.conf"
    of_user.parent.mkdir(parents=True)
    of_user.write_text("[global]\nindex-url = https://near.example/\ntrusted-host =\n  one.example\n  two.example")
    named.write_text("[global]\nproxy = http://proxy.example:3128\n[install]\nindex-url = https://nearer.example/")
    environment = {
        "HOME": str(tmp_path),
        "PIP_CONFIG_FILE": str(named),
        "PIP_FIND_LINKS": "/one /two",
        "PIP_PROXY": "http://other.example:3128",
    }
    assert uv_install.settings(environment).items() >= {
        "UV_DEFAULT_INDEX": "https://nearer.example/",  # of the section that is about installing
        "UV_INSECURE_HOST": "one.example two.example",
        "UV_FIND_LINKS": "/one,/two",
        "ALL_PROXY": "http://other.example:3128",  # a variable comes before a file
    }.items()  # fmt: skip


def test_what_is_fetched_is_said_and_not_each_package_that_was_put_there(uv_install, capsys):
    says = "echo 'Downloading numpy (17.0MiB)' >&2; echo ' + numpy==2' >&2; echo no room >&2; exit 2"
    with pytest.raises(subprocess.CalledProcessError):
        uv_install.shown(["sh", "-c", says], os.environ)
    assert capsys.readouterr().out == "Downloading numpy (17.0MiB)\nno room\n"
