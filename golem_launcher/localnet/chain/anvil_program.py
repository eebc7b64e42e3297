"""Finds the program ``anvil`` (an EVM node for development) on the PATH or in the launcher's home, or gets it by npm.

Nothing is fetched without being asked for: by ``golem-launcher localnet install-chain``. Blocking.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

from golem_launcher import paths
from golem_launcher.errors import LocalNetError
from golem_launcher.untrusted_text import clean_line, sentence

VERSION = "1.7.1"

_SCOPE = "@foundry-rs"
_SYSTEMS = {"Linux": "linux", "Darwin": "darwin", "Windows": "win32"}
_MACHINES = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_INSTALL = "golem-launcher localnet install-chain"
_LONGEST_REASON = 300


def find_anvil() -> Path:
    """The program. Raises ``LocalNetError`` that says how to get it."""
    found = shutil.which("anvil")
    if found:
        return Path(found)
    ours = _ours()
    if os.access(ours, os.X_OK):
        return ours
    raise LocalNetError(
        "The program anvil, which would be the chain, is neither on the PATH nor installed by the launcher.",
        f"Have npm install it: {_INSTALL}",
    )


def install(*, seconds: float = 600.0) -> Path:
    """Have npm put the program into the launcher's home; nothing happens when it is there. Raises ``LocalNetError``."""
    if os.access(_ours(), os.X_OK):
        return _ours()
    npm = shutil.which("npm")
    if npm is None:
        raise LocalNetError(
            "npm, which would fetch the program anvil, is not installed.",
            "Install Node.js with npm, or put an anvil of your own (https://getfoundry.sh) on the PATH.",
        )
    directory = paths.private_directory(_directory())
    # The package of this platform alone holds nothing but the program: no script of a package is run.
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--prefix", str(directory)]
    try:
        done = subprocess.run(
            [npm, "install", *options, f"{_SCOPE}/{_package()}@{VERSION}"],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False, cwd=directory,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LocalNetError(f"npm did not install anvil: {error}.", "Look at your internet connection.") from None
    if done.returncode or not os.access(_ours(), os.X_OK):
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        said = clean_line(next((line for line in lines if "error" in line.lower()), ""), longest=_LONGEST_REASON)
        raise LocalNetError(sentence(f"npm did not install anvil: {said or 'it said nothing'}"), "Then try again.")
    return _ours()


def _directory() -> Path:
    return paths.shared_home() / "anvil"


def _ours() -> Path:
    name = "anvil.exe" if platform.system() == "Windows" else "anvil"
    return _directory() / "node_modules" / _SCOPE / _package() / "bin" / name


def _package() -> str:
    system, machine = platform.system(), platform.machine()
    if system not in _SYSTEMS or machine not in _MACHINES:
        raise LocalNetError(
            f"There is no anvil for {system} on {machine}.", "Give the address of another node: --chain http://…"
        )
    return f"anvil-{_SYSTEMS[system]}-{_MACHINES[machine]}"
