"""Packs and unpacks directories as zip, zip.0 (stored), tar, tar.gz, tar.bz2 and tar.xz.

Regular files and directories only: links and devices are left out on the way in and out. Names that lead out of the
directory are refused. All functions block.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, cast

from golem_launcher.errors import LocalNetError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from golem_launcher.localnet.exeunit.script import FileSet

TAR_MODES = {"tar": "w:", "tar.gz": "w:gz", "tar.bz2": "w:bz2", "tar.xz": "w:xz"}
ZIP_METHODS = {"zip": zipfile.ZIP_DEFLATED, "zip.0": zipfile.ZIP_STORED}

_CHUNK = 1 << 20
_PERMISSIONS = 0o777
_LONGEST_PATTERN = 512
_EARLIEST_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Selection:
    """Which files belong into an archive: ``depth`` 0 is the directory's own children."""

    depth: int | None = None
    filesets: tuple[FileSet, ...] = ()

    def matcher(self) -> Matcher:
        """The selection, compiled; :class:`LocalNetError` for an invalid glob."""
        includes = [glob for each in self.filesets for glob in each.includes]
        excludes = [glob for each in self.filesets for glob in each.excludes]
        return Matcher(self.depth, [*map(glob_pattern, includes or ["**/*"])], [*map(glob_pattern, excludes)])


@dataclass(frozen=True)
class Matcher:
    """Compiled selection."""

    depth: int | None
    includes: list[re.Pattern[str]]
    excludes: list[re.Pattern[str]]

    def takes(self, name: PurePosixPath) -> bool:
        """Whether the file ``name``, relative to the directory, belongs into the archive."""
        text = str(name)
        return (
            not self.too_deep(name)
            and any(pattern.fullmatch(text) for pattern in self.includes)
            and not any(pattern.fullmatch(text) for pattern in self.excludes)
        )

    def too_deep(self, name: PurePosixPath) -> bool:
        """Whether it lies deeper than the selection allows."""
        return self.depth is not None and len(name.parts) > self.depth + 1


def glob_pattern(glob: str) -> re.Pattern[str]:
    """A glob as a regular expression: ``*`` and ``?`` stop at ``/``, ``**`` does not, ``[…]`` and ``{a,b}`` work."""
    if len(glob) > _LONGEST_PATTERN:
        raise LocalNetError(f"A glob is longer than {_LONGEST_PATTERN} characters.")
    tokens = re.findall(r"\*\*/|/\*\*$|\*+|\?|\[[!^]?\]?[^\]]*\]|\{[^{}]*\}|.", glob, re.DOTALL)
    try:
        return re.compile("".join(map(_token, tokens)), re.DOTALL)
    except re.error:
        raise LocalNetError(f"{glob!r} is no glob.") from None


def _token(token: str) -> str:
    fixed = {"**/": "(?:.*/)?", "/**": "/.*", "*": "[^/]*", "?": "[^/]"}
    if token in fixed:
        return fixed[token]
    if set(token) == {"*"}:
        return ".*"
    if len(token) > 1 and token[0] == "[":
        inner = token[1:-1]
        negated = inner[:1] in {"!", "^"}
        inner = (inner[1:] if negated else inner).replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
        return f"(?!/)[{'^' if negated else ''}{inner}]"
    if len(token) > 1 and token[0] == "{":
        return "(?:" + "|".join(glob_pattern(part).pattern for part in token[1:-1].split(",")) + ")"
    return re.escape(token)


def pack(directory: int, target: Path, kind: str, selection: Selection) -> None:
    """Write the new archive ``target`` from the open directory. :class:`LocalNetError` for an unknown format."""
    if not stat.S_ISDIR(os.fstat(directory).st_mode):
        raise LocalNetError("An archive is made from a directory, and this is a file.")
    matcher = selection.matcher()
    if kind in TAR_MODES:
        with tarfile.open(target, cast("Any", TAR_MODES[kind])) as tar:
            for name, found, file in _walk(directory, matcher):
                _add_to_tar(tar, name, found, file)
    elif kind in ZIP_METHODS:
        with zipfile.ZipFile(target, "x", ZIP_METHODS[kind]) as archive:
            for name, found, file in _walk(directory, matcher):
                _add_to_zip(archive, name, found, file)
    else:
        raise _unknown(kind)


def unpack(source: Path, target: Path, kind: str, selection: Selection) -> None:
    """Unpack into the new directory ``target``. :class:`LocalNetError` for a broken or hostile archive."""
    target.mkdir()
    matcher = selection.matcher()
    try:
        if kind in TAR_MODES:
            with tarfile.open(source, cast("Any", TAR_MODES[kind].replace("w", "r"))) as tar:
                for member in tar:
                    content = tar.extractfile(member) if member.isreg() else None
                    if member.isdir() or content:
                        _write(target, member.name, content, member.mode, matcher)
        elif kind in ZIP_METHODS:
            with zipfile.ZipFile(source) as archive:
                for entry in archive.infolist():
                    mode = entry.external_attr >> 16
                    if entry.is_dir():
                        _write(target, entry.filename, None, mode, matcher)
                    elif stat.S_IFMT(mode) in {0, stat.S_IFREG}:
                        with archive.open(entry) as opened:
                            _write(target, entry.filename, opened, mode or 0o644, matcher)
        else:
            raise _unknown(kind)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError, ValueError) as error:
        raise LocalNetError(f"The archive can't be read as {kind}: {str(error)[:200]}.") from error


def _unknown(kind: str) -> LocalNetError:
    return LocalNetError(f"{kind[:40]!r} is no archive format.", f"There are {', '.join([*TAR_MODES, *ZIP_METHODS])}.")


def _walk(directory: int, matcher: Matcher) -> Iterator[tuple[PurePosixPath, os.stat_result, IO[bytes] | None]]:
    """Directories (without a file) and regular files that belong in; links are never followed."""
    for folder, directories, files, descriptor in os.fwalk(".", dir_fd=directory, follow_symlinks=False):
        here = PurePosixPath(folder)
        directories[:] = [name for name in sorted(directories) if not matcher.too_deep(here / name)]
        for name in directories:
            found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            if stat.S_ISDIR(found.st_mode) and matcher.takes(here / name):
                yield here / name, found, None
        for name in sorted(files):
            if not matcher.takes(here / name):
                continue
            try:
                opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=descriptor)
            except OSError:
                continue  # a link, a socket, or gone meanwhile
            with os.fdopen(opened, "rb") as file:
                found = os.fstat(opened)
                if stat.S_ISREG(found.st_mode):
                    yield here / name, found, file


def _add_to_tar(tar: tarfile.TarFile, name: PurePosixPath, found: os.stat_result, file: IO[bytes] | None) -> None:
    info = tarfile.TarInfo(str(name))
    info.mode = found.st_mode & _PERMISSIONS
    info.mtime = int(found.st_mtime)
    if file is None:
        info.type = tarfile.DIRTYPE
    else:
        info.size = found.st_size
    tar.addfile(info, file)


def _add_to_zip(archive: zipfile.ZipFile, name: PurePosixPath, found: os.stat_result, file: IO[bytes] | None) -> None:
    info = zipfile.ZipInfo(f"{name}/" if file is None else str(name), _EARLIEST_ZIP_TIME)
    info.external_attr = (found.st_mode & 0xFFFF) << 16
    info.compress_type = archive.compression
    info.file_size = found.st_size  # more than 4 GiB need another header, written first
    if file is None:
        archive.writestr(info, b"")
    else:
        with archive.open(info, "w") as entry:
            shutil.copyfileobj(file, entry, _CHUNK)


def _write(target: Path, name: str, content: IO[bytes] | None, mode: int, matcher: Matcher) -> None:
    inside = PurePosixPath(name)
    if inside.is_absolute() or ".." in inside.parts or "\0" in name:
        raise LocalNetError(f"The archive names {name[:200]!r}, which leads out of its directory.")
    path = target / inside
    if content is None:
        path.mkdir(parents=True, exist_ok=True)
    elif matcher.takes(inside):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, (mode & _PERMISSIONS) | 0o600)
        with os.fdopen(descriptor, "wb") as file:
            shutil.copyfileobj(content, file, _CHUNK)
