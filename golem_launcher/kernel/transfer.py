"""Files between the notebook's folder and the provider, by the Jupyter over there: whole or absent, on either side.

What comes from over there is named by a stranger: each name is one plain part of a path, nothing is written through a
link, nothing hidden, nothing as a program, and nothing over another file unless it was named or that is wanted. It may
not fill the disk. Files that some program runs by itself (``conftest.py``, ``jupyter_server_config.py``) are told.
"""

from __future__ import annotations

import asyncio
import contextlib
import filecmp
import fnmatch
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import aiohttp

from golem_launcher import files
from golem_launcher.connection_errors import silence_reason
from golem_launcher.errors import AccessError, RequestError
from golem_launcher.kernel import contents
from golem_launcher.kernel.remote_kernel import KernelGone
from golem_launcher.partial_files import partial_file_of
from golem_launcher.units import counted, data_size
from golem_launcher.untrusted_text import clean_line
from golem_launcher.waiting import begun_in_thread
from golem_launcher.workspace.repository.autorun_files import could_run
from golem_launcher.workspace.repository.entry import LARGEST_FILE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from golem_launcher.kernel.remote_kernel import LabClient

_PIECE_SECONDS = 120.0
_LARGEST_LISTING = 4 * 1024 * 1024
_MOST_FILES = 20_000
_DEEPEST = 40
_MOST_BYTES = 64 * 1024**3
_GROWTH = 64 * 1024 * 1024
"""By so much all files together may have grown since they were listed."""
_LEFT_FREE = 1024**3
"""So much of the disk here stays free."""
_OK = 200
_CONFLICT = 409


@dataclass(frozen=True)
class Planned:
    """A file that is to be brought, from one side to the other."""

    here: Path
    there: str
    """Below the workspace, with slashes."""
    size: int
    named: bool
    """Whether the user named this very file: then it replaces one that is there."""


@dataclass
class Brought:
    """What was brought, and what not."""

    files: int = 0
    bytes: int = 0
    left_out: list[str] = field(default_factory=list)
    """With the reason of each."""
    listed: int = 0
    """Folders over there that were looked into."""
    could_run: list[str] = field(default_factory=list)
    """Those that some program runs by itself in the folder where they are now."""

    def sentence(self, verb: str) -> str:
        """What happened, in words."""
        return f"{verb}: {counted(self.files, 'file')}, {data_size(self.bytes)}."


def plan_upload(words: Sequence[str], folder: str, brought: Brought) -> list[Planned]:
    """The files that these words name: files, folders, patterns. Blocking. Raises ``RequestError`` for what is none."""
    if ".." in PurePosixPath(folder).parts:
        raise RequestError(f"'{folder}' leads out of the workspace.", "Name a folder in it, like to=data.")
    planned: list[Planned] = []
    for word in words:
        path = Path(word).expanduser()
        found = [path] if path.exists() else sorted(path.parent.glob(path.name))
        if not found:
            raise RequestError(f"There is no '{word}' in {Path.cwd()}.", "Name files, folders, or patterns like *.csv.")
        for one in found:
            target = f"{folder}/{one.absolute().name}".strip("/")
            if one.is_dir():
                planned += _below(one, target, brought)
            else:
                planned.append(Planned(one, target, one.stat().st_size, named=True))
    return planned


async def upload(
    lab: LabClient, planned: Sequence[Planned], brought: Brought, told: Callable[[Planned, int, int], Awaitable[None]]
) -> None:
    """Send them. ``told`` is awaited with the file, and the bytes that are over of all. Raises ``AccessError``."""
    total, made = sum(one.size for one in planned), {""}
    for one in planned:
        if any(part.startswith(".") for part in PurePosixPath(one.there).parts):
            brought.left_out.append(f"{one.there}: Jupyter takes no hidden files")
            continue
        for parent in [str(each) for each in reversed(PurePosixPath(one.there).parents) if str(each) != "."]:
            if parent not in made:
                await contents.make_folder(lab, parent)
                made.add(parent)
        await _send(lab, one, brought, lambda one=one: told(one, brought.bytes, total))  # type: ignore[misc]
        brought.files += 1


async def _send(lab: LabClient, one: Planned, brought: Brought, told: Callable[[], Awaitable[None]]) -> None:
    partial = contents.partial_name(one.there)
    file = await asyncio.to_thread(one.here.open, "rb")

    async def sent(size: int) -> None:
        brought.bytes += size
        await told()

    try:
        await contents.write(lab, partial, file.fileno(), sent)
        await contents.put(lab, partial, one.there)
    except BaseException:
        with contextlib.suppress(AccessError, KernelGone):
            await asyncio.shield(contents.remove(lab, partial))
        raise
    finally:
        file.close()


async def plan_download(lab: LabClient, words: Sequence[str], folder: Path, brought: Brought) -> list[Planned]:
    """The files over there that these words name.

    Raises ``RequestError`` for what is none, ``AccessError`` also where these are more than one wants here.
    """
    planned: list[Planned] = []
    for word in words:
        path = PurePosixPath(word.strip("/"))
        if ".." in path.parts or not path.name:
            raise RequestError(f"'{word}' is not a path in the session's folder.", "Like: %download results/*.csv")
        parent = str(path.parent) if str(path.parent) != "." else ""
        named = not any(sign in path.name for sign in "*?[")
        if named:
            entries = [await _entry(lab, str(path))]
        else:
            entries = [one for one in await _list(lab, parent, brought) if fnmatch.fnmatch(one["name"], path.name)]
        if not entries:
            raise RequestError(f"There is no '{word}' over there.")
        for entry in entries:
            there = f"{parent}/{entry['name']}".strip("/")
            if entry["type"] != "directory":
                planned.append(Planned(folder / entry["name"], there, entry["size"], named=named))
                continue
            async for one in _all_below(lab, there, folder / entry["name"], brought):
                planned.append(one)
                _check_amount(planned)
    _check_amount(planned)
    return planned


def _check_amount(planned: Sequence[Planned]) -> None:
    """Raise ``AccessError`` for more than is brought at once."""
    if len(planned) > _MOST_FILES:
        raise _too_many("files")


def _too_many(what: str) -> AccessError:
    return AccessError(f"These are more than {_MOST_FILES:,} {what}.", "Pack them there first: !tar …")


def _check_size(planned: Sequence[Planned]) -> None:
    """Raise ``AccessError`` for more bytes than are brought at once, or than the disk has room for. Blocking."""
    total = sum(one.size for one in planned)
    if total > _MOST_BYTES:
        raise AccessError(
            f"These are {data_size(total)}, and at most {data_size(_MOST_BYTES)} come at once.", "Name some of them."
        )
    folder = next((each for one in planned for each in one.here.absolute().parents if each.is_dir()), Path())
    free = shutil.disk_usage(folder).free
    if total > free - _LEFT_FREE:
        raise AccessError(
            f"These are {data_size(total)}, and {data_size(free)} are free on the disk here.",
            f"{data_size(_LEFT_FREE)} of it is to stay free: name some of them, or make room.",
        )


async def download(
    lab: LabClient,
    planned: Sequence[Planned],
    brought: Brought,
    told: Callable[[Planned, int, int], Awaitable[None]],
    *,
    force: bool,
) -> None:
    """Fetch them. Raises ``AccessError``, and ``OSError`` when the disk does not take them.

    One that has no place here, as a file lies where its folder would, is left out.
    """
    await asyncio.to_thread(_check_size, planned)
    total, most = sum(one.size for one in planned), _GROWTH
    for one in planned:
        most += one.size

        async def tell(one: Planned = one) -> None:
            await told(one, brought.bytes, total)

        try:
            fault = await _bring(lab, one, brought, tell, most=most, replace=force or one.named)
        except OSError as error:
            if error.errno in files.DISK_FAULTS:
                raise
            fault = error.strerror or str(error)
        if fault:
            brought.left_out.append(f"{one.here}: {fault}")
            continue
        brought.files += 1
        if could_run(one.here.as_posix()):
            brought.could_run.append(str(one.here))


async def _bring(
    lab: LabClient, one: Planned, brought: Brought, told: Callable[[], Awaitable[None]], *, most: int, replace: bool
) -> str:
    """Fetch one, and give it its name; why that can't be, or nothing. Raises ``AccessError`` and ``OSError``."""
    if not await asyncio.to_thread(_has_folder, one.here):
        return "a link leads away from there"
    async with _partial_file(one.here) as partial:
        await _fetch(lab, one, partial, brought, told, most=most)
        placed = await asyncio.to_thread(_put, partial, one.here, replace=replace)
    return "" if placed else "another file is there (force replaces it)"


async def _fetch(
    lab: LabClient, one: Planned, partial: Path, brought: Brought, told: Callable[[], Awaitable[None]], *, most: int
) -> None:
    """``most``: bytes of all files up to this one."""
    path = f"{lab.base}/files/{quote(one.there)}"
    try:
        timeout = aiohttp.ClientTimeout(total=None, sock_read=_PIECE_SECONDS)
        async with await lab.http.request("GET", path, timeout=timeout, host=lab.host) as response:
            if response.status != _OK:
                raise AccessError(f"'{clean_line(one.there)}' can't be read over there ({response.status}).")
            with partial.open("wb") as file:
                async for data in response.content.iter_chunked(1024 * 1024):
                    if brought.bytes + len(data) > most:
                        raise AccessError(f"'{clean_line(one.there)}' is larger than it was said to be.")
                    await asyncio.to_thread(file.write, data)
                    brought.bytes += len(data)
                    await told()
    except (TimeoutError, aiohttp.ClientError) as error:
        raise AccessError(f"'{clean_line(one.there)}' did not come: {silence_reason(error)}.", "Try again.") from error


@contextlib.asynccontextmanager
async def _partial_file(target: Path) -> AsyncIterator[Path]:
    with contextlib.ExitStack() as stack:
        yield await begun_in_thread(
            lambda: stack.enter_context(partial_file_of(target, mode=0o644)), lambda _: stack.close()
        )


def _has_folder(target: Path) -> bool:
    """Make the folders of a target; whether they are there, and none of them is a link. Raises ``OSError``."""
    folder = Path()
    for part in target.parent.parts:
        folder /= part
        if folder.is_symlink():  # before anything is made beyond it
            return False
        folder.mkdir(exist_ok=True)
    return True


def _put(partial: Path, target: Path, *, replace: bool) -> bool:
    """Give the partial file its name; whether that could be done. What is equal is left as it is."""
    if target.is_symlink() or target.is_dir():
        return False
    files.sync_file(partial)
    if replace:
        partial.replace(target)
        return True
    if target.exists():
        return filecmp.cmp(partial, target, shallow=False)
    return files.name_new(partial, target)


def _below(top: Path, target: str, brought: Brought) -> list[Planned]:
    found = []
    for parent, folders, names in os.walk(top):
        for name in [*folders, *names]:
            if Path(parent, name).is_symlink():
                brought.left_out.append(f"{Path(parent, name)}: links are not followed")
        folders[:] = sorted(name for name in folders if not Path(parent, name).is_symlink())
        for name in sorted(names):
            path = Path(parent, name)
            if path.is_file() and not path.is_symlink():
                there = f"{target}/{path.relative_to(top).as_posix()}"
                found.append(Planned(path, there, path.stat().st_size, named=False))
    return found


async def _all_below(
    lab: LabClient, folder: str, here: Path, brought: Brought, depth: int = 0
) -> AsyncIterator[Planned]:
    """The files of a folder over there, and of those in it."""
    for entry in await _list(lab, folder, brought):
        there = f"{folder}/{entry['name']}"
        if entry["type"] != "directory":
            yield Planned(here / entry["name"], there, entry["size"], named=False)
        elif depth < _DEEPEST:
            async for one in _all_below(lab, there, here / entry["name"], brought, depth + 1):
                yield one


async def _asked(lab: LabClient, path: str, query: str, **limits: int) -> Any:
    """What the Jupyter over there says of a path. Raises ``RequestError`` where it has none."""
    try:
        return await lab.ask("GET", f"{contents.address(path)}?{query}", **limits)
    except KernelGone:
        raise RequestError(f"There is no '{path}' over there.") from None


async def _entry(lab: LabClient, path: str) -> dict[str, Any]:
    entry = _checked(await _asked(lab, path, "content=0"))
    if entry is None or entry["name"] != PurePosixPath(path).name:
        raise RequestError(f"'{path}' can't be downloaded.")
    return entry


async def _list(lab: LabClient, path: str, brought: Brought) -> list[dict[str, Any]]:
    """What is in a folder over there. Raises ``AccessError`` for more than anybody has: a stranger's have no end."""
    brought.listed += 1
    if brought.listed > _MOST_FILES:
        raise _too_many("folders")
    found = await _asked(lab, path, "type=directory", most=_LARGEST_LISTING)
    content = found.get("content") if isinstance(found, dict) else None
    entries = []
    for one in content if isinstance(content, list) else []:
        entry = _checked(one)
        if entry is None:
            name = one.get("name") if isinstance(one, dict) else one
            brought.left_out.append(f"{clean_line(str(name), longest=80)}: no name for a file here")
            if len(brought.left_out) > _MOST_FILES:
                raise _too_many("files")
        else:
            entries.append(entry)
    return sorted(entries, key=lambda entry: str(entry["name"]))


def _checked(value: Any) -> dict[str, Any] | None:
    """An entry of a stranger's listing: a plain name, its type and size; ``None`` for what is none."""
    if not isinstance(value, dict):
        return None
    name, size = value.get("name"), value.get("size")
    if not isinstance(name, str) or not 0 < len(name.encode(errors="replace")) <= 255:  # noqa: PLR2004
        return None
    if name.startswith(".") or "/" in name or "\\" in name or not name.isprintable():
        return None
    size = min(max(size, 0), LARGEST_FILE) if isinstance(size, int) else 0  # a number without end is told to nobody
    return {"name": name, "type": str(value.get("type")), "size": size}
