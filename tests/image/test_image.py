"""What is in the image works in a session: the same root file system, booted by the sandbox of a local provider."""

import asyncio
import os
import subprocess
import sys
from decimal import Decimal

import pytest

from golem_launcher.events import ProviderChosen, Stage
from golem_launcher.image.store import ImageStore
from golem_launcher.request import parse_request
from golem_launcher.session import client
from golem_launcher.session.on_disk import liveness
from golem_launcher.software import SOFTWARE
from tests.image.conftest import BARE, CACHE, MEMORY_GIB, NO_PYTHON, TAG, VARIANT
from tests.patience import slower
from tests.session.conftest import explain
from tests.session.jupyter import Jupyter

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # the first time, the image is made


_INSTALL = """
import subprocess, zipfile
wheel = "/tmp/only_a_test-1-py3-none-any.whl"
with zipfile.ZipFile(wheel, "w") as file:
    file.writestr("only_a_test.py", "def main():\\n    print('from', 'pip')\\n")
    about = "only_a_test-1.dist-info/"
    file.writestr(about + "METADATA", "Metadata-Version: 2.1\\nName: only-a-test\\nVersion: 1\\n")
    file.writestr(about + "WHEEL", "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    file.writestr(about + "entry_points.txt", "[console_scripts]\\nonly-a-test = only_a_test:main\\n")
    file.writestr(about + "RECORD", "")
done = subprocess.run(["pip", "install", "--no-index", wheel], capture_output=True, text=True)
try:
    import only_a_test
    print(only_a_test.__file__)
except ImportError:
    print(done)
"""


_MODULES = {"scikit-learn": "sklearn", "tensorflow-cpu": "tensorflow"}
_IMPORTED = "".join(f"import {_MODULES.get(name, name)}\n" for name in ("ipywidgets", *SOFTWARE[VARIANT].packages)) + {
    "base": "", "sklearn": "from sklearn.linear_model import LinearRegression as R\n"
                           "import numpy.testing, pandas.testing, scipy.stats, sklearn.utils.estimator_checks\n"
                           "print(round(R().fit([[0], [1]], [0, 2]).predict([[3]])[0]))",
    "tensorflow": "print(int(tensorflow.reduce_sum(tensorflow.constant([2, 4]))))",
    "pytorch": "import torch.testing\nprint(int(torch.tensor([2, 4]).sum()))",
    "gpu": "import torch.testing\nprint(int(torch.tensor([2, 4]).sum()))",
}[VARIANT]  # fmt: skip
_WHAT_IT_SAYS = "" if VARIANT == "base" else "6\n"


# What Golem's VM does to an image; the sandbox does the same.
_AS_IN_A_VM = """
import os, shutil, socket
print(socket.gethostname())
print(open("/etc/resolv.conf").read().split())
print(shutil.disk_usage("/").total)
try:
    with open("/filler", "wb") as file:
        file.write(bytes(1100 << 20))
except OSError as error:
    print(error.strerror)
"""
_RESOLVERS = "['nameserver', '1.1.1.1', 'nameserver', '8.8.8.8']"
_A_VM = ["golem", _RESOLVERS, str(MEMORY_GIB << 29), "No space left on device"]


# No image of ours has compiled Python; this module nobody imports.
_COMPILED = """
import importlib.util, os, time
module = importlib.util.find_spec("nbconvert").origin.replace("__init__", "exporters/webpdf")
place = importlib.util.cache_from_source(module)
end = time.monotonic() + 200
while not os.path.exists(place) and time.monotonic() < end:
    time.sleep(0.2)
if os.path.exists(place):
    print("compiled", "beside the work" if place.startswith("/golem/work/.golem-launcher/compiled/") else place)
"""


def start(name, seconds=90, **fields):
    directory = client.start(parse_request({"name": name, "budget": 5, "disk_gib": 0.5, **fields}))
    state = client.wait_for(directory, lambda state: state.stage in {Stage.READY, Stage.FAILED}, seconds * slower())
    assert state is not None, explain(directory)
    assert state.stage is Stage.READY, explain(directory)
    return directory


def test_a_session_in_the_image(network):  # noqa: ARG001
    directory = start("image", image=TAG)

    async def work():
        async with Jupyter(directory.url()) as lab:
            facts = await lab.execute(
                "import os, sys, site; home = os.path.expanduser('~')\n"
                "print(sys.prefix, site.getuserbase(), os.getcwd(), os.stat(home).st_dev == os.stat('/').st_dev)"
            )
            assert facts.split() == ["/usr", "/golem/work/.golem-launcher/python", "/golem/work", "False"]
            assert "Debian" in await lab.execute("print(open('/etc/os-release').read())")
            assert (await lab.execute(_AS_IN_A_VM)).splitlines() == _A_VM
            assert (await lab.execute(_IMPORTED)).endswith(_WHAT_IT_SAYS)  # trim took nothing that is needed
            seen = await lab.terminal("for p in git sshd curl rsync ip nano; do which $p; done; echo en''d $0", "end ")
            assert "/bin/bash" in seen
            for program in ("git", "sshd", "curl", "rsync", "ip", "nano"):
                assert f"/{program}\r\n" in seen
            blocked = await lab.execute(_REACHED.replace("{urls}", "['http://example.org/']"))
            assert "urlopen error" in blocked
            assert (await lab.execute(_INSTALL)).startswith("/golem/work/.golem-launcher/python/")
            assert "from pip" in await lab.terminal("only-a-test", "from pip")  # installed programs are on the PATH
            assert await lab.execute(_COMPILED) == "compiled beside the work\n"

    try:
        asyncio.run(asyncio.wait_for(work(), 300 * slower()))  # without compiled Python the first import takes long
    finally:
        client.stop(directory.name)


def test_ssh_saves_and_resuming_in_the_image(network, tmp_path):  # noqa: ARG001
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "id"], check=True, timeout=30 * slower()
    )
    directory = start("image-ssh", image=TAG, ssh_key=(tmp_path / "id.pub").read_text())
    try:
        done = subprocess.run(
            [sys.executable, "-m", "golem_launcher.cli", "ssh", "image-ssh", "-i", str(tmp_path / "id"), "--",
             "echo from ssh > note.txt; pwd; ps -e -o args | grep -c [s]shd"],
            capture_output=True, text=True, timeout=60 * slower(), check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        place, servers = done.stdout.split()
        assert place == "/golem/work"  # whatever its password file says
        assert int(servers) >= 1  # the image's own
        saved = liveness.control(directory, "save", deadline=40)
        assert saved["generation"] >= 1
    finally:
        client.stop(directory.name)
    again = start("image-again", image=TAG, resume="image-ssh")

    async def look():
        async with Jupyter(again.url()) as lab:
            return await lab.execute("print(open('note.txt').read())")

    try:
        assert "from ssh" in asyncio.run(asyncio.wait_for(look(), 60 * slower()))
    finally:
        client.stop(again.name)


_REACHED = """
import urllib.request
for url in {urls}:
    try:
        print(urllib.request.urlopen(url, timeout=20).status)
    except OSError as error:
        print(error)
"""


def test_an_image_without_python_is_named_as_such_at_once(network):  # noqa: ARG001
    reason = "The image can't run JupyterLab: There is no Python (python3) in it"
    directory = client.start(parse_request({"name": "no-python", "image": NO_PYTHON, "budget": 5, "disk_gib": 0.5}))
    state = client.wait_for(directory, lambda state: state.stage.final, 60 * slower())
    assert state is not None, explain(directory)
    assert state.reason.startswith(reason), explain(directory)
    assert sum(isinstance(event, ProviderChosen) for event in directory.events()[0]) == 1  # there is nobody else
    assert state.cost < Decimal("0.01")


@pytest.mark.skipif("GOLEM_LAUNCHER_IMAGE" not in os.environ, reason="minutes: provider/check does it")
def test_what_a_bare_python_lacks_is_installed(network):  # noqa: ARG001
    directory = start("bare", 500, image=BARE)

    async def work():
        async with Jupyter(directory.url()) as lab:
            found = await lab.execute("import jupyterlab, pip; print(jupyterlab.__file__, pip.__file__)")
            assert all(path.startswith("/golem/work/.golem-launcher/python/") for path in found.split())
            await lab.execute("open('note.txt', 'w').write('bare')")

    try:
        asyncio.run(asyncio.wait_for(work(), 60 * slower()))
        assert liveness.control(directory, "save", deadline=40)["generation"] >= 1
    finally:
        client.stop(directory.name)


@pytest.mark.skipif(VARIANT != "base", reason="only that one is promised to be small")
def test_the_base_is_small(root):  # noqa: ARG001 - it makes the image
    assert ImageStore(CACHE / "made").find(VARIANT).size <= 90e6
