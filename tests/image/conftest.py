"""The contents of the image, made without Docker, and a local network whose provider boots them."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from golem_launcher.localnet.runtime import sandbox_runtime
from provider import rootfs
from tests.networks import fork_supervisors, own_network
from tests.patience import slower

_CACHES = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
CACHE = Path(os.environ.get("GOLEM_LAUNCHER_IMAGES") or _CACHES / "golem-launcher/images")
VARIANT = os.environ.get("GOLEM_LAUNCHER_IMAGE", "base")
TAG = f"golem-launcher/jupyterlab:{VARIANT}"
BARE = "somebody/bare:1"
"""Debian with its Python alone: neither JupyterLab nor pip."""
NO_PYTHON = "somebody/no-python:1"
MEMORY_GIB = 2

_NETWORK = f"""
runtime = "sandbox"
terminate_seconds = 0

[images."{TAG}"]
path = "{{root}}"

[images."{BARE}"]
path = "{{bare}}"

[images."{NO_PYTHON}"]
path = "{{empty}}"


[[provider]]
name = "boots-images"
memory_gib = {MEMORY_GIB}
"""


@pytest.fixture(scope="session")
def root():
    """The image's contents, kept for the next run, as Docker keeps a layer, until what they are made of changes."""
    try:
        return rootfs.ensure(VARIANT, CACHE)
    except rootfs.Missing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def bare(root):
    """The image again, without all that did not come with Debian's own ``python3``."""
    foreign = ("usr/local", "usr/lib/python3.11/ensurepip", "usr/share/python-wheels")
    with tempfile.TemporaryDirectory(dir=root.parent, prefix=".bare-", ignore_cleanup_errors=True) as name:
        copy = Path(name) / "root"
        subprocess.run(["cp", "-al", root, copy], check=True, timeout=120 * slower())
        for directory in foreign:
            shutil.rmtree(copy / directory)
        for file in copy.glob("golem/*"):
            file.rmdir()
        (copy / "golem").rmdir()  # it names no volumes either
        authority = os.environ.get("PIP_CERT")
        if authority:  # of this machine's company: whose image this is would have put it there
            shutil.copy(authority, copy / "etc/authority.pem")
            (copy / "etc/pip.conf").write_text("[global]\ncert = /etc/authority.pem\n")
        yield copy


@pytest.fixture(scope="session")
def network(root, bare, tmp_path_factory):
    reason = sandbox_runtime.why_no_sandbox()
    if reason:
        pytest.skip(reason)
    home = tmp_path_factory.mktemp("image-home")
    empty = home / "empty"
    for name in ("proc", "dev", "tmp", "etc", "golem/work", "golem/run", "golem/input", "golem/output"):
        (empty / name).mkdir(parents=True)
    _copy_shell(root, empty)
    with own_network(home, _NETWORK.format(root=root, bare=bare, empty=empty)) as network:
        fork_supervisors()
        yield network


def _copy_shell(root, target):
    """All that an image needs to boot and no more: a shell and what it is linked to."""
    for name in ("usr/bin/dash", "lib64/ld-linux-x86-64.so.2", "lib/x86_64-linux-gnu/libc.so.6"):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / name, target / name)
    (target / "bin").mkdir()
    (target / "bin/sh").symlink_to("/usr/bin/dash")
