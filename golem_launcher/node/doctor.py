"""The checks of ``doctor`` for this machine and installation. Changes nothing."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from golem_launcher import paths
from golem_launcher.errors import LauncherError
from golem_launcher.node import clock_check, health, manager, probe, yagna_start
from golem_launcher.node.doctor_check import Check, Verdict
from golem_launcher.units import data_size
from golem_launcher.untrusted_text import clean_line, sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DISTRIBUTION = "golem-launcher"

_OLDEST_PYTHON = (3, 11)
_PROGRAM_SECONDS = 10.0
_LITTLE_SPACE = 1024**3
_NO_SPACE = 100 * 1024**2


def examine() -> Iterator[Check]:
    """Every check, in the order in which things must be mended. Blocking, a second or two."""
    for name, look in _CHECKS:
        yield guarded(name, look)
    yield from _node_health()
    yield from _node_clock()


def guarded(name: str, look: Callable[[], Check]) -> Check:
    """Run one check; an error of ours becomes its failure."""
    try:
        return look()
    except LauncherError as error:
        return Check(name, Verdict.FAIL, error.what, error.remedy)


def versions() -> dict[str, str | None]:
    """The versions of what matters: launcher, yagna (``None`` when it does not run), yapapi, python."""
    try:
        daemon: str | None = _yagna_version()
    except LauncherError:
        daemon = None
    return {
        "launcher": _installed(DISTRIBUTION),
        "yagna": daemon,
        "yapapi": _installed("yapapi"),
        "python": platform.python_version(),
    }


def _python() -> Check:
    shown = f"Python {platform.python_version()} at {sys.executable}."
    if sys.version_info < _OLDEST_PYTHON:
        return Check("python", Verdict.FAIL, shown, "Use Python 3.11 or newer: make run PYTHON=python3.12")
    return Check("python", Verdict.OK, shown)


def _packages() -> Check:
    try:
        named = [Requirement(line) for line in importlib.metadata.requires(DISTRIBUTION) or ()]
    except importlib.metadata.PackageNotFoundError:
        return Check("packages", Verdict.FAIL, f"{DISTRIBUTION} is not installed in this Python.", "Run: make run")
    needed = [one for one in named if one.marker is None or one.marker.evaluate({"extra": ""})]
    wrong = [f"{one} (there is {_installed(one.name) or 'none'})" for one in needed if not _fits(one)]
    if wrong:
        quoted = " ".join(f"'{one.name}{one.specifier}'" for one in needed if not _fits(one))
        return Check(
            "packages",
            Verdict.FAIL,
            f"Packages that do not fit: {', '.join(wrong)}.",
            f"Run: pip install {quoted}",
        )
    missing = [module for module in ("pkg_resources", "yapapi") if importlib.util.find_spec(module) is None]
    if missing:
        return Check(
            "packages",
            Verdict.FAIL,
            f"Modules that can't be found: {', '.join(missing)}.",
            "Run: pip install --force-reinstall 'setuptools<81' yapapi",
        )
    return Check("packages", Verdict.OK, f"All {len(needed)} packages fit.")


def _yagna() -> Check:
    return Check("yagna", Verdict.OK, f"yagna {_yagna_version()} runs ({yagna_start.find_program()}).")


def _gftp() -> Check:
    ours = Path(sys.executable).parent / "gftp"
    if not os.access(ours, os.X_OK):
        return Check(
            "gftp",
            Verdict.FAIL,
            f"The gftp program is not beside {sys.executable}.",
            "Reinstall the launcher: pip install --force-reinstall --no-deps golem-launcher",
        )
    return Check("gftp", Verdict.OK, f"gftp is there ({ours}).")


def _node() -> Check:
    named = manager.named_node()
    if named is not None:
        return Check("node", Verdict.OK, f"Your node {probe.identity(named)} answers at {named.api_url}.")
    own = manager.own_node()
    if own is None:
        return Check("node", Verdict.OK, "Our own node is not running; it starts when it is needed.")
    identity = probe.identity(own.node)
    shown = f"Our own node {identity} answers at {own.api_url} (process {own.record.pid})."
    if own.alone:
        return Check(
            "node",
            Verdict.WARN,
            f"{shown} It runs without the Golem network, which could not be looked up when it started.",
            "Look at the internet connection. With the next session, or golem-launcher node start, it is started anew.",
        )
    return Check("node", Verdict.OK, shown)


def _node_health() -> list[Check]:
    """What the node in use says of itself, when it runs; that it does not answer was said before."""
    try:
        own = manager.own_node()
        node = manager.named_node() or (own.node if own is not None else None)
        found = health.troubles(node) if node is not None else []
    except LauncherError:
        return []
    return [Check(one.name, Verdict.WARN, one.message, one.remedy) for one in found]


def _node_clock() -> Iterator[Check]:
    """Whether a node on another computer has the same time as this one."""
    try:
        node = manager.named_node()
        ahead = None if node is None or manager.is_here(node.api_url) else probe.clock_ahead(node)
    except LauncherError:
        return
    if ahead is not None:
        yield clock_check.compared(ahead, "the node's")


def _disk() -> Check:
    home = paths.home()
    try:
        free = shutil.disk_usage(home).free
    except OSError as error:
        return Check("disk", Verdict.FAIL, f"{home} can't be looked at: {error.strerror}.", "Look at its file system.")
    shown = f"{data_size(free)} free in {home}."
    if free < _LITTLE_SPACE:
        return Check("disk", Verdict.FAIL if free < _NO_SPACE else Verdict.WARN, shown, "Free some space there.")
    return Check("disk", Verdict.OK, shown)


def _sockets() -> Check:
    path = paths.socket_path(manager.data_dir(), f"doctor-{os.getpid()}.sock")
    try:
        with socket.socket(socket.AF_UNIX) as probing:
            probing.bind(str(path))
    except OSError as error:
        return Check(
            "sockets",
            Verdict.FAIL,
            f"A unix socket can't be made in {path.parent}: {error.strerror or error}.",
            f"Set {paths.HOME_VARIABLE} to a directory on a local disk.",
        )
    finally:
        with contextlib.suppress(OSError):
            path.unlink()
    return Check("sockets", Verdict.OK, f"Unix sockets work in {path.parent}.")


def _sandbox() -> Check:
    """Bubblewrap only adds isolation on the local network: without it sessions there run all the same."""
    program = shutil.which("bwrap")
    if program is None:
        return Check(
            "sandbox",
            Verdict.WARN,
            "bubblewrap is not installed: providers of the local network are less isolated.",
            "On Debian and Ubuntu: sudo apt install bubblewrap",
        )
    try:
        _run([program, "--ro-bind", "/", "/", "--unshare-pid", "--unshare-net", "true"])
    except LauncherError as error:
        return Check(
            "sandbox",
            Verdict.WARN,
            f"bubblewrap can't make a sandbox here: {error.what}",
            "Allow user namespaces, or go on: providers of the local network are less isolated.",
        )
    return Check("sandbox", Verdict.OK, f"bubblewrap works ({program}).")


_CHECKS: tuple[tuple[str, Callable[[], Check]], ...] = (
    ("python", _python),
    ("packages", _packages),
    ("disk", _disk),
    ("yagna", _yagna),
    ("gftp", _gftp),
    ("sockets", _sockets),
    ("node", _node),
    ("sandbox", _sandbox),
    (clock_check.NAME, clock_check.offline),
)


def _fits(requirement: Requirement) -> bool:
    version = _installed(requirement.name)
    return version is not None and requirement.specifier.contains(version, prereleases=True)


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _yagna_version() -> str:
    words = _run([str(yagna_start.find_program()), "--version"]).split()
    return words[1] if len(words) > 1 else "(unknown version)"


def _run(argv: list[str]) -> str:
    """The output of a short program; ``LauncherError`` when it does not run, fails or hangs."""
    try:
        done = subprocess.run(
            argv, capture_output=True, timeout=_PROGRAM_SECONDS, check=False, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise LauncherError(f"{argv[0]} did not end within {_PROGRAM_SECONDS:.0f} s.") from None
    except OSError as error:
        raise LauncherError(f"{argv[0]} can't be run: {error.strerror}.") from None
    if done.returncode:
        said = clean_line(done.stderr.decode(errors="replace").strip(), longest=300)
        raise LauncherError(sentence(f"{Path(argv[0]).name} failed: {said or f'exit code {done.returncode}'}"))
    return done.stdout.decode(errors="replace")
