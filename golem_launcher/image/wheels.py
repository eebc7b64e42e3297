"""Installs wheels into an image for the image's Python, with pip's downloads, whatever Python runs this.

Run as a program it finds out which files those are, for ``scripts/image-locks``.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
from typing import IO, TYPE_CHECKING, Final

from installer import install
from installer.destinations import SchemeDictionaryDestination
from installer.records import Hash, RecordEntry
from installer.scripts import Script
from installer.sources import WheelFile
from installer.utils import Scheme

from golem_launcher import own_modules
from golem_launcher.errors import ImageError
from golem_launcher.untrusted_text import clean_line, sentence

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from installer.scripts import ScriptSection

    from golem_launcher.image.tree import ImageTree

PYTHON: Final = "3.11"
"""Debian 12's."""
_INTERPRETER: Final = "/usr/bin/python3"
_LIBRARY: Final = f"usr/local/lib/python{PYTHON}/dist-packages"
_PLACES: Final = {
    "purelib": _LIBRARY, "platlib": _LIBRARY, "scripts": "usr/local/bin", "data": "usr/local",
    "headers": f"usr/local/include/python{PYTHON}",
}  # fmt: skip
_NEWEST_GLIBC: Final = 36
_TELL_EVERY: Final = 0.5
_LONGEST_LOG: Final = 1 << 20


def platform_arguments() -> list[str]:
    """How pip is told for which Python and system to look."""
    platforms = [f"manylinux_2_{minor}_x86_64" for minor in range(_NEWEST_GLIBC, 4, -1)]
    platforms += ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64", "linux_x86_64"]
    chosen = [argument for platform in platforms for argument in ("--platform", platform)]
    return ["--only-binary=:all:", "--implementation=cp", f"--python-version={PYTHON}", "--no-deps", *chosen]


def fetch(lock: Path, directory: Path, *, progress: Callable[[int, int], None]) -> None:
    """Have pip fetch all that a lock names, each file by its hash; pip's own settings (index, proxy) hold.

    ``progress`` is told how many are there and how many there will be; what it raises ends the work.
    Blocking. Raises ``ImageError`` with pip's reason.
    """
    total = sum("==" in line for line in lock.read_text().splitlines())
    argv = own_modules.command("pip", "--disable-pip-version-check", "download", "--progress-bar=off")
    argv += ["--require-hashes", *platform_arguments(), "--dest", str(directory), "--requirement", str(lock)]
    with (
        tempfile.TemporaryFile() as told,
        tempfile.TemporaryFile() as said,
        subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=told, stderr=said) as pip,
    ):
        try:
            while True:
                try:
                    code = pip.wait(_TELL_EVERY)
                    break
                except subprocess.TimeoutExpired:
                    begun = os.pread(told.fileno(), _LONGEST_LOG, 0).count(b"Collecting ")
                    progress(min(max(begun - 1, 0), total), total)  # pip puts all of them there at the end
        except BaseException:
            pip.kill()
            raise
        if code:
            said.seek(0)
            lines = said.read().decode(errors="replace").strip().splitlines()
            reason = next(
                (line for line in lines if line.startswith("ERROR")), lines[-1] if lines else "no reason given"
            )
            raise ImageError(
                sentence(f"pip could not fetch the image's Python packages: {clean_line(reason)[:300]}"),
                "Look at the connection and at pip's settings (PIP_INDEX_URL, proxies), and try again.",
            )
    progress(total, total)


def lay(wheel: Path, tree: ImageTree) -> None:
    """Install a wheel into the tree. Blocking. Raises ``ImageError`` for one that makes no sense."""
    try:
        with WheelFile.open(wheel) as source:
            install(source, _IntoTree(tree), additional_metadata={"INSTALLER": b"pip\n"})
    except (OSError, KeyError, ValueError, AssertionError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # the disk's, and not the wheel's
            raise
        raise ImageError(f"{wheel.name} can't be installed: {clean_line(str(error))}.") from error


class _IntoTree(SchemeDictionaryDestination):
    """Where ``installer`` puts the files of a wheel: it does all but the writing."""

    def __init__(self, tree: ImageTree) -> None:
        super().__init__(_PLACES, interpreter=_INTERPRETER, script_kind="posix")
        self._tree = tree

    def write_to_fs(self, scheme: Scheme, path: str, stream: IO[bytes], is_executable: bool) -> RecordEntry:  # noqa: FBT001 - installer's
        """A file as it comes."""
        content = stream.read()
        self._tree.write(f"{_PLACES[scheme]}/{path}", content, 0o755 if is_executable else 0o644)
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
        return RecordEntry(path, Hash("sha256", digest), len(content))

    def write_script(self, name: str, module: str, attr: str, section: ScriptSection) -> RecordEntry:
        """A command that an entry point makes."""
        filename, content = Script(name, module, attr, section).generate(_INTERPRETER, "posix")
        return self.write_to_fs(Scheme("scripts"), filename, io.BytesIO(content), is_executable=True)


def main() -> None:
    """``python -m golem_launcher.image.wheels PINS``: print their lock, one file of each, by hash."""
    argv = own_modules.command("pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--report=-")
    done = subprocess.run([*argv, *platform_arguments(), "-r", sys.argv[1]], check=True, stdout=subprocess.PIPE)
    sys.stdout.write(
        "# What pip takes, of each package the one file for the image's Python. Made by scripts/image-locks.\n"
    )
    found = [(one["metadata"], one["download_info"]["archive_info"]) for one in json.loads(done.stdout)["install"]]
    for package, archive in sorted(found, key=lambda item: str(item[0]["name"]).lower()):
        sys.stdout.write(f"{package['name']}=={package['version']} --hash=sha256:{archive['hashes']['sha256']}\n")


if __name__ == "__main__":
    main()
