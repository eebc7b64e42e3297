"""Builds an activity's private Python environment on the base layer, in a few milliseconds.

It is a venv in all but the tool that made it: ``bin/python3`` leads to the launcher's interpreter, ``pyvenv.cfg``
makes the directory a prefix of its own, its ``site-packages`` is empty but for one ``.pth`` that appends the base
layer. What a user installs lands here, what comes from the base can be shadowed and not removed.
"""

from __future__ import annotations

import json
import os
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from golem_launcher.localnet.runtime.base_layer import BaseEnvironment, ConsoleScript

# A kernel reads 256 bytes of a script's first line (127 before Linux 5.1).
_LONGEST_SHEBANG = 120
# Directories of the base whose children are linked one by one, so that a user's additions lie beside them.
_OPEN = ("share/jupyter/lab", "share/jupyter/labextensions", "share/jupyter/nbconvert/templates",
         "etc/jupyter/jupyter_server_config.d", "etc/jupyter/jupyter_notebook_config.d")  # fmt: skip


@dataclass(frozen=True)
class PrivateEnvironment:
    """An environment in ``directory`` whose processes know it as ``prefix`` (other than ``directory`` in a sandbox)."""

    directory: Path
    prefix: PurePosixPath

    @property
    def python(self) -> PurePosixPath:
        """The interpreter, as the processes of the environment know it."""
        return self.prefix / "bin" / "python3"


def create(base: BaseEnvironment, directory: Path, prefix: PurePosixPath | None = None) -> PrivateEnvironment:
    """Make the environment. Blocking, about 10 ms. Raises ``OSError``."""
    environment = PrivateEnvironment(directory, prefix or PurePosixPath(directory))
    interpreter = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    binaries = directory / "bin"
    binaries.mkdir(parents=True)
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    (binaries / "python3").symlink_to(interpreter)
    (binaries / "python").symlink_to("python3")
    (binaries / f"python{version}").symlink_to("python3")
    (directory / "pyvenv.cfg").write_text(
        f"home = {interpreter.parent}\ninclude-system-site-packages = false\nversion = {version}\n"
    )
    packages = directory / "lib" / f"python{version}" / "site-packages"
    packages.mkdir(parents=True)
    if sysconfig.get_config_var("platlibdir") == "lib64":
        (directory / "lib64").symlink_to("lib")
    (packages / "_base.pth").write_text(f"{base.site_packages}\n")
    for script in base.scripts:
        _write_script(binaries / script.name, script, environment.python)
    for name in _OPEN:
        _link_children(base.directory / name, directory / name)
    _write_kernelspec(directory, environment.python)
    return environment


def lead_to(environment: PrivateEnvironment, directory: Path) -> None:
    """Make a ``directory`` for a PATH, outside of the environment, through which its programs are found.

    Python takes the directory that it was called in for its own, so what leads to it there is a script.
    """
    directory.mkdir()
    for program in sorted((environment.directory / "bin").iterdir()):
        inside, link = environment.prefix / "bin" / program.name, directory / program.name
        if program.is_symlink():  # an interpreter
            link.write_text(f'#!/bin/sh\nexec {inside} "$@"\n')
            link.chmod(0o755)
        else:
            link.symlink_to(inside)


def first_lines(python: PurePosixPath) -> str:
    """What a script for this interpreter begins with, whatever the length of its path."""
    shebang = f"#!{python}"
    if len(os.fsencode(shebang)) > _LONGEST_SHEBANG or " " in shebang:
        # /bin/sh reads the second line as a command, Python reads the second and third as a string.
        return f"#!/bin/sh\n'''exec' \"{python}\" \"$0\" \"$@\"\n' '''\n"
    return f"{shebang}\n"


def _write_script(path: Path, script: ConsoleScript, python: PurePosixPath) -> None:
    outer, *_ = script.function.split(".")
    path.write_text(
        f"{first_lines(python)}import sys\nfrom {script.module} import {outer}\n"
        f"if __name__ == '__main__':\n    sys.exit({script.function}())\n"
    )
    path.chmod(0o755)


def _link_children(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    if not source.is_dir():
        return
    for child in source.iterdir():
        if child.name.startswith("@"):  # a scope of packages, not a package
            _link_children(child, target / child.name)
        else:
            (target / child.name).symlink_to(child)


def _write_kernelspec(directory: Path, python: PurePosixPath) -> None:
    folder = directory / "share" / "jupyter" / "kernels" / "python3"
    folder.mkdir(parents=True)
    specification = {
        "argv": [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "metadata": {"debugger": True},
    }
    (folder / "kernel.json").write_text(json.dumps(specification, indent=1) + "\n")
