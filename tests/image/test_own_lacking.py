"""A user's own image, a file on this computer, that lacks what every session needs: that is said, and soon."""

import re
import shutil
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest

from golem_launcher.events import ProviderChosen
from golem_launcher.image import gvmi
from golem_launcher.image.build import SETTINGS
from golem_launcher.image.file_contents import FileContents
from golem_launcher.image.squashfs import write_squashfs
from golem_launcher.image.tree import ImageTree
from golem_launcher.localnet.runtime import sandbox_runtime
from golem_launcher.session import client
from tests.networks import own_network
from tests.patience import slower
from tests.session.conftest import command, explain

pytestmark = pytest.mark.slow

_NETWORK = """
runtime = "sandbox"
terminate_seconds = 0

[[provider]]
name = "first"

[[provider]]
name = "second"
"""
_NO_SHELL = "The image has no shell (/bin/sh), or one for another kind of processor"
_FOREIGN = b"\x7fELF\2\1\1" + bytes(9) + b"\2\0\xb7\0" + bytes(100)
"""The beginning of a program for ARM's processors."""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    reason = sandbox_runtime.why_no_sandbox() or (shutil.which("unsquashfs") is None and "needs squashfs-tools")
    if reason:
        pytest.skip(reason)
    home = tmp_path_factory.mktemp("lacking")
    with own_network(home, _NETWORK):
        yield home


def image(path, files):
    contents = FileContents(path.parent)
    tree = ImageTree(contents)
    for name, content in {"etc/hostname": b"mine", **files}.items():
        tree.write(name, content, 0o755)
    with path.open("wb") as out:
        write_squashfs(tree, out, when=0, progress=lambda *_: None)
        gvmi.append(out, SETTINGS)
    contents.close()
    return path


def shell():
    """This computer's, with what it is linked to."""
    linked = subprocess.run(
        ["ldd", "/bin/sh"], capture_output=True, text=True, check=True, timeout=30 * slower()
    ).stdout
    return {name.strip("/"): Path(name).read_bytes() for name in ("/bin/sh", *re.findall(r"(/\S+) \(", linked))}


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        pytest.param(dict, _NO_SHELL, id="no-shell"),
        pytest.param(lambda: {"bin/sh": _FOREIGN}, _NO_SHELL, id="foreign"),
        pytest.param(shell, "The image can't run JupyterLab: There is no Python (python3) in it", id="no-python"),
    ],
)
def test_what_it_lacks_is_said(home, request, files, reason):
    name = request.node.callspec.id
    command("image", "add", str(image(home / "own.gvmi", files())), "--name", name)
    code, said, error = command(
        "start", "--name", name, "--image", name, "--disk", "0.5", "--budget", "5", "--wait", check=False
    )
    directory = client.find(name)
    assert code == 1, explain(directory)
    state = directory.state()
    assert state.reason.startswith(f"{reason} (so say "), explain(directory)
    assert "Choose another image: it needs a shell (/bin/sh) and Python 3.9 or newer" in state.reason
    assert reason in f"{said}{error}".replace("\n", " ")
    tried = [event.provider_name for event in directory.events()[0] if isinstance(event, ProviderChosen)]
    assert sorted(tried) == ["first", "second"]  # the word of one alone would not do
    assert state.cost < Decimal("0.01")
