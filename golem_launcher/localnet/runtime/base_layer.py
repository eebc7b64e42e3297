"""The base layer of Python that activities share: JupyterLab and its dependencies, nothing of the launcher.

The launcher's environment holds JupyterLab already, beside yapapi, yagna and the launcher. A session must have the
first and not the others, and must be there in a blink. So the dependency closure of a few distributions is computed
from their metadata, and a directory of symbolic links to just those packages is built once; private environments
put it at the end of their ``sys.path``. pip takes a package that lies outside of its environment's prefix for
somebody else's and does not remove it.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from golem_launcher.errors import LocalNetError
from golem_launcher.files import locked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

ROOTS = ("jupyterlab", "ipykernel", "ipywidgets", "pip", "asyncssh")
"""The distributions that a session's environment starts with, beside what they need."""
EXTRAS = ("distributed", "bokeh", "pandas", "pyarrow", "joblib")
"""Likewise, where they are installed beside the launcher; sessions of a cluster would have to download them."""

_FORMAT = 3
"""Part of the digest: a directory built by an older layout of this module is not taken for a current one."""
_BUILD_SECONDS = 60.0
_SHARED = (PurePosixPath("share/jupyter"), PurePosixPath("etc/jupyter"))


@dataclass(frozen=True)
class ConsoleScript:
    """A console script: ``name`` runs ``function`` of ``module``."""

    name: str
    module: str
    function: str


@dataclass(frozen=True)
class BaseEnvironment:
    """A finished base layer in ``directory``: ``site-packages``, ``share/jupyter`` and ``etc/jupyter`` of links."""

    directory: Path
    scripts: tuple[ConsoleScript, ...]
    sources: tuple[Path, ...]
    """The directories that the links lead to (a sandbox must mount them)."""

    @property
    def site_packages(self) -> Path:
        """The directory of the installed packages, as ``sys.path`` of a session has it."""
        return self.directory / "site-packages"


def closure(roots: Iterable[str] = ROOTS) -> dict[str, importlib.metadata.Distribution]:
    """The installed distributions that ``roots`` need, themselves included, by canonical name.

    Raises :class:`LocalNetError` when one of the roots is not installed; a requirement further down that isn't
    installed is left out, as it is out of the launcher's own environment.
    """
    found: dict[str, importlib.metadata.Distribution] = {}
    names = set(roots)
    waiting: list[tuple[str, frozenset[str]]] = [(name, frozenset()) for name in (*roots, *EXTRAS)]
    seen = set(waiting)
    while waiting:
        name, extras = waiting.pop()
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            if name in names:
                raise LocalNetError(
                    f"{name} is not installed beside the launcher.", "Install the launcher anew: make run does."
                ) from None
            continue
        found[canonicalize_name(name)] = distribution
        for requirement in _requirements(distribution, extras):
            step = (canonicalize_name(requirement.name), frozenset(requirement.extras))
            if step not in seen:
                seen.add(step)
                waiting.append(step)
    return found


def _requirements(distribution: importlib.metadata.Distribution, extras: frozenset[str]) -> Iterator[Requirement]:
    for line in distribution.requires or ():
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue  # metadata of old packages; pip skips them as well
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in (*extras, "")):
            yield requirement


def build(parent: Path, roots: Iterable[str] = ROOTS) -> BaseEnvironment:
    """The base layer below ``parent``, built when it isn't there yet. Blocking (about 0.3 s, later 0.1 s).

    Safe for several callers at once: built beside and renamed under a lock. Raises :class:`LocalNetError` or
    ``OSError``.
    """
    distributions = closure(roots)
    directory = parent / f"base-{_digest(distributions)}"
    if not directory.is_dir():
        parent.mkdir(parents=True, exist_ok=True)
        with locked(parent / ".base.lock", deadline=_BUILD_SECONDS):
            if not directory.is_dir():
                _link_all(parent, directory, distributions)
    scripts = sorted(
        {
            ConsoleScript(point.name, point.module, point.attr)
            for distribution in distributions.values()
            for point in distribution.entry_points
            if point.group == "console_scripts"
        },
        key=lambda script: script.name,
    )
    sources = {_location(distribution) for distribution in distributions.values()}
    sources |= {Path(sys.prefix) / shared for shared in _SHARED}
    return BaseEnvironment(directory, tuple(scripts), tuple(sorted(path for path in sources if path.is_dir())))


def _digest(distributions: Mapping[str, importlib.metadata.Distribution]) -> str:
    lines = [f"{name} {found.version} {_location(found)}" for name, found in sorted(distributions.items())]
    text = "\n".join([str(_FORMAT), sys.prefix, sys.version, *lines])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _location(distribution: importlib.metadata.Distribution) -> Path:
    return Path(str(distribution.locate_file("")))


def _link_all(parent: Path, directory: Path, distributions: Mapping[str, importlib.metadata.Distribution]) -> None:
    partial = Path(tempfile.mkdtemp(prefix=".base-", dir=parent))
    try:
        packages = partial / "site-packages"
        packages.mkdir()
        for distribution in distributions.values():
            location = _location(distribution)
            for file in distribution.files or ():
                _link_one(partial, packages, location, PurePosixPath(file))
        partial.chmod(0o755)
        partial.rename(directory)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _link_one(partial: Path, packages: Path, location: Path, file: PurePosixPath) -> None:
    if file.is_absolute():
        return
    if file.parts[0] != "..":
        top = file.parts[0]
        if top != "__pycache__" and not top.endswith(".pth"):
            _link(packages / top, location / top)
        return
    source = Path(os.path.normpath(location / file))
    try:
        inside = PurePosixPath(source.relative_to(sys.prefix))
    except ValueError:
        return
    if any(shared in inside.parents for shared in _SHARED):
        target = partial / inside
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_file():  # a copy: tornado serves no file that is a link to outside of the directory it serves
            shutil.copy2(source, target)


def _link(link: Path, target: Path) -> None:
    if not link.is_symlink() and target.exists():
        link.symlink_to(target)
