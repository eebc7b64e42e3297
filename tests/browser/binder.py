"""What repo2docker makes of this repository, in a container of bubblewrap's and not of Docker's; what Binder starts.

The environment that the requirements make is kept from one run to the next, as Docker keeps a layer; whatever is done
after it (``postBuild`` and all that follows) happens each time, in a copy.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.patience import slower

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parent.parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "golem-launcher"
HOME = "/home/jovyan"
ENVIRONMENT = "/srv/conda/envs/notebook"
PREFIX = "/user/golem-launcher-0a1b2c3d/"
TOKEN = "abcdefghijklmnop1234"
_INSTALL_SECONDS = 400
_VARIABLES = {
    "HOME": HOME,
    "USER": "jovyan",
    "NB_USER": "jovyan",
    "NB_UID": "1000",
    "PATH": f"{ENVIRONMENT}/bin:/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "SHELL": "/bin/bash",
    "PYTHONUNBUFFERED": "1",
    "NB_PYTHON_PREFIX": ENVIRONMENT,
    "CONDA_DEFAULT_ENV": ENVIRONMENT,
}
_OF_THE_HUB = {
    "JUPYTERHUB_BASE_URL": "/",
    "JUPYTERHUB_SERVICE_PREFIX": PREFIX,
    "JUPYTERHUB_SERVICE_URL": f"http://0.0.0.0:8888{PREFIX}",
    "JUPYTERHUB_API_URL": "http://127.0.0.1:9/hub/api",
    "JUPYTERHUB_API_TOKEN": "fedcba9876543210fedcba9876543210",
    "JPY_API_TOKEN": "fedcba9876543210fedcba9876543210",
    "JUPYTERHUB_CLIENT_ID": "jupyterhub-user-golem-launcher-0a1b2c3d",
    "JUPYTERHUB_USER": "golem-launcher-0a1b2c3d",
    "BINDER_LAUNCH_HOST": "https://mybinder.org/",
    "BINDER_REPO_URL": "https://github.com/golemfactory/golem-launcher",
    "BINDER_REF_URL": "https://github.com/golemfactory/golem-launcher/tree/main",
    "BINDER_REQUEST": "v2/gh/golemfactory/golem-launcher/main",
    "BINDER_PERSISTENT_REQUEST": "v2/gh/golemfactory/golem-launcher/main",
    "MEM_LIMIT": str(2 << 30),
    "CPU_LIMIT": "2",
}


class Image:
    """The built repository: a home with a checkout in it, and an environment."""

    def __init__(self, directory: Path) -> None:
        self.home = directory / "home"
        self.environment = directory / "environment"

    def command(self, *argv: str, hub: bool = False) -> list[str]:
        """How to run ``argv`` in it: as a user of no rights, with nothing else to write to, ended with its caller."""
        return _contained(self.home, self.environment, argv, _OF_THE_HUB if hub else {})


def build(directory: Path) -> Image:
    """Do what repo2docker does. Skips the test where that can't be done."""
    if shutil.which("bwrap") is None or subprocess.run(_contained(None, None, ["true"], {}), check=False).returncode:
        pytest.skip("needs bubblewrap, and leave to use it; to have it: sudo apt install bubblewrap")
    image = Image(directory)
    # A clone of what is committed, in a home that is the repository's directory.
    if subprocess.run(["git", "clone", "--quiet", ROOT, image.home], check=False).returncode:
        pytest.skip("needs git, and a repository")
    # Where there is such a directory, repo2docker looks nowhere else.
    place = next((name for name in ("binder", ".binder") if (image.home / name).is_dir()), ".")
    python = _python((image.home / place / "runtime.txt").read_text().strip())
    shutil.copytree(_layer(image, python, place), image.environment, symlinks=True, copy_function=_link)
    subprocess.run(image.command(f"./{place}/postBuild"), check=True, timeout=_INSTALL_SECONDS * slower())
    return image


def server(image: Image, port: int) -> list[str]:
    """Binder's command, on loopback."""
    settings = [f"base_url={PREFIX}", f"token={TOKEN}", "trust_xheaders=True", "allow_origin=*", "allow_origin_pat=.*"]
    options = [f"--{app}.{setting}" for app in ("NotebookApp", "ServerApp") for setting in settings]
    return image.command("jupyter-lab", "--ip=127.0.0.1", f"--port={port}", "--no-browser", *options, hub=True)


def _python(runtime: str) -> str:
    version = runtime.removeprefix("python-")
    for python in (*sorted(Path.home().glob(f".pyenv/versions/{version}*/bin/python")), f"python{version}"):
        found = shutil.which(python)
        if found and not subprocess.run([found, "-VV"], capture_output=True, check=False).returncode:
            return str(found)
    return pytest.skip(f"needs Python {version}, which binder/runtime.txt names")


def _layer(image: Image, python: str, place: str) -> Path:
    """The environment with what the requirements name."""
    version = subprocess.run([python, "-VV"], check=True, capture_output=True).stdout
    named = b"\0".join((image.home / name).read_bytes() for name in (f"{place}/requirements.txt", "requirements.txt"))
    layers = CACHE / "binder"
    layer = layers / hashlib.sha256(version + python.encode() + named).hexdigest()[:16]
    if layer.is_dir():
        return layer
    wheels = CACHE / "wheels"
    fetch = [python, "-m", "pip", "wheel", "--quiet", "--wheel-dir", wheels, "--find-links", wheels]
    if subprocess.run(
        [*fetch, "-r", ROOT / "requirements.txt"], timeout=_INSTALL_SECONDS * slower(), check=False
    ).returncode:
        pytest.skip("needs packages for Binder's Python, and a network to get them from")
    layers.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=layers) as made:
        install = [f"{ENVIRONMENT}/bin/python", "-m", "pip", "install", "--quiet", "--no-cache-dir", "--no-index"]
        install += ["--find-links", str(wheels), "-r", f"{place}/requirements.txt"]
        for argv in ([python, "-m", "venv", ENVIRONMENT], install):
            subprocess.run(
                _contained(image.home, Path(made), argv, {}), check=True, timeout=_INSTALL_SECONDS * slower()
            )
        for old in layers.iterdir():
            if str(old) != made:
                shutil.rmtree(old, ignore_errors=True)
        shutil.copytree(made, layer, symlinks=True, copy_function=_link)
    return layer


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _contained(home: Path | None, environment: Path | None, argv: Sequence[str], more: dict[str, str]) -> list[str]:
    """``argv`` as user 1000 in its own processes' world, where all but its home and its environment is read only."""
    words = ["bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    words += ["--tmpfs", "/tmp", "--tmpfs", "/srv", "--tmpfs", "/home", "--tmpfs", "/run"]
    for inside, outside in ((HOME, home), (ENVIRONMENT, environment)):
        words += ["--bind", str(outside), inside] if outside is not None else []
    words += ["--unshare-user", "--unshare-pid", "--unshare-ipc", "--uid", "1000", "--gid", "1000", "--die-with-parent"]
    words += ["--disable-userns", "--clearenv"]  # no namespaces within: Binder's containers allow none
    for name, value in {**_VARIABLES, **more}.items():
        words += ["--setenv", name, value]
    return [*words, *(["--chdir", HOME] if home is not None else []), *argv]
