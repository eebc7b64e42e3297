"""Installs what is pinned with uv, in seconds: ``uv_install.py VENV CACHE REQUIREMENTS...``, called by scripts/install.

uv comes from where other packages come from, by the pip that Python brings, and is pinned by hash. When anything goes
wrong here, this exits with a code that is not 0, and pip does the work.
"""

# ruff: noqa: INP001 - a script, no part of a package

from __future__ import annotations

import configparser
import ensurepip
import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PINS = Path(__file__).parent / "uv.txt"
_NAMES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "proxy": "ALL_PROXY",
}
"""pip's settings of where packages come from, and how uv is told of them."""


def main(venv: Path, cache: Path, requirements: Sequence[str]) -> None:
    """Install the packages and this one, editable, into ``venv``. What ``cache`` has all of needs no network."""
    python = venv / "bin/python"
    environment = {
        **settings(os.environ),
        **os.environ,  # what is meant for uv itself comes first
        "UV_CACHE_DIR": str(cache / "uv"),
        "UV_PYTHON": str(python),
        "UV_SYSTEM_CERTS": "1",  # as pip
        "UV_INDEX_STRATEGY": "unsafe-best-match",  # as pip: several indexes are one
    }
    # Everything is pinned: nothing is left to be found out.
    install = [_uv(python, cache), "pip", "install", "--no-deps"]
    pinned = [word for file in requirements for word in ("--requirements", file)]
    offline = [*install, "--quiet", "--offline"]
    kept = subprocess.run([*offline, *pinned], env=environment, stderr=subprocess.DEVNULL, check=False)
    if kept.returncode:
        sys.stdout.write("Fetching packages (about 100 MiB the first time) ...\n")
        sys.stdout.flush()
        shown([*install, *pinned], environment)
    this = ["--no-build-isolation", "--editable", "."]
    subprocess.run([*offline, *this], env=environment, check=True)


def shown(command: Sequence[str], environment: Mapping[str, str]) -> None:
    """Run it, and say what it fetches as it says that; each of the packages that were put there is no news."""
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, errors="replace") as running:
        for line in running.stderr or ():
            if not line.startswith(" + "):
                sys.stdout.write(line)
                sys.stdout.flush()
    if running.returncode:
        raise subprocess.CalledProcessError(running.returncode, command)


def settings(environment: Mapping[str, str]) -> dict[str, str]:
    """What pip is told by its files and variables about where packages come from, as variables of uv's."""
    home = environment.get("HOME", "/nonexistent")
    of_user = environment.get("XDG_CONFIG_HOME") or f"{home}/.config"
    files = [
        "/etc/pip.conf",
        f"{home}/.pip/pip.conf",
        f"{of_user}/pip/pip.conf",
        environment.get("PIP_CONFIG_FILE", ""),
    ]
    parser = configparser.RawConfigParser()
    parser.read(file for file in files if file)
    found = {}
    for name, uvs_name in _NAMES.items():
        value = environment.get("PIP_" + name.upper().replace("-", "_"))
        for section in ("install", "global"):
            value = value or parser.get(section, name, fallback=None)
        if value:
            found[uvs_name] = ("," if uvs_name == "UV_FIND_LINKS" else " ").join(value.split())
    return found


def _uv(python: Path, cache: Path) -> str:
    """The pinned uv, fetched when ``cache`` has none."""
    pin = next(line for line in _PINS.read_text().splitlines() if line.startswith("uv=="))
    home = cache / pin.split()[0].replace("==", "-")
    if not home.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            options = ["--quiet", "--disable-pip-version-check", "--no-compile", "--no-deps", "--require-hashes"]
            options += ["--target", f"{scratch}/uv", "--requirement", str(_PINS)]
            subprocess.run([python, _pip(), "install", *options], check=True, stderr=subprocess.PIPE, text=True)
            Path(scratch, "uv").rename(home)
    return str(home / "bin/uv")


def _pip() -> str:
    """The pip that Python has for new environments, in its wheel: it runs there, and to install it takes seconds."""
    kept = sysconfig.get_config_var("WHEEL_PKG_DIR") or Path(ensurepip.__file__).parent / "_bundled"
    return f"{next(Path(kept).glob('pip-*.whl'))}/pip"


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
    except (OSError, StopIteration, subprocess.CalledProcessError) as problem:
        said = getattr(problem, "stderr", None) or str(problem)
        sys.exit(f"Not by uv, but by pip: {said.splitlines()[0]}")
