"""The files that a session brings along: found on this computer, git repositories cloned before anything is paid."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

from golem_launcher.errors import RequestError
from golem_launcher.request.launch_request import LaunchRequest
from golem_launcher.untrusted_text import clean_line
from golem_launcher.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterable

_URL = re.compile(r"(https?|ssh|git)://\S+", re.IGNORECASE)
_SCP = re.compile(r"[\w.-]+@[\w.-]+:[^\s:]\S*")
_CLONE_SECONDS = 900.0
_LONGEST_REASON = 200
_PLAIN = re.compile(r"[^\w.+ -]")
_SAFE = ("-c", "protocol.ext.allow=never", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false")
"""Nothing that a repository names is run here."""
_USER, _PASSWORD = "GOLEM_LAUNCHER_GIT_USER", "GOLEM_LAUNCHER_GIT_PASSWORD"
_TELLS_LOGIN = (
    f'!tell() {{ test "$1" != get || printf "username=%s\\npassword=%s\\n" "${_USER}" "${_PASSWORD}"; }}; tell'
)
"""A credential helper that has them from its environment: what a program is told in words is seen by everybody here."""


def is_repository(text: str) -> bool:
    """Whether an input is the address of a git repository, rather than a path."""
    return bool(_URL.fullmatch(text) or _SCP.fullmatch(text))


def absolute(inputs: Iterable[str], field: str = "inputs") -> tuple[str, ...]:
    """The inputs with their paths absolute. Raises ``RequestError`` for a path with nothing there."""
    found = []
    for text in inputs:
        if is_repository(text):
            found.append(text)
            continue
        plain = unquote(urlsplit(text).path) if text.lower().startswith("file://") else text
        path = Path(os.path.abspath(Path(plain).expanduser()))  # noqa: PTH100 - a link stays a link
        if not path.exists():
            title = LaunchRequest.model_fields[field].title
            raise RequestError(f"{title}: there is nothing at {clean_line(str(path))}.", field=field)
        found.append(str(path))
    return tuple(found)


async def collect(inputs: Iterable[str], scratch: Path) -> list[tuple[Path, str]]:
    """Each input as a path on this computer and its name in the workspace. Repositories are cloned into ``scratch``.

    Raises ``RequestError`` when one can't be had.
    """
    found: list[tuple[Path, str]] = []
    taken: set[str] = set()
    for text in inputs:
        name = _free(_name(text), taken)
        taken.add(name.casefold())
        if is_repository(text):
            found.append((await _clone(text, scratch / name), name))
        else:
            absolute([text])  # it was there when the session was asked for
            found.append((Path(text), name))
    return found


async def _clone(address: str, target: Path) -> Path:
    await asyncio.to_thread(shutil.rmtree, target, ignore_errors=True)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    plain, login = _login_of(address)
    settings = (*_SAFE, *_asks_for(plain)) if login else _SAFE
    cloning = ("clone", "--quiet", "--no-recurse-submodules", "--template=", "--", plain, str(target))
    await _git(address, *settings, *cloning, login=login)
    # Where it came from goes along to the provider; a password in it must not.
    await _git(address, *_SAFE, "-C", str(target), "remote", "set-url", "origin", _without_secret(address))
    return target


def _login_of(address: str) -> tuple[str, dict[str, str]]:
    """The address as git may be given it, and the user and password in it as variables; none where it has none."""
    parts = urlsplit(address) if _URL.fullmatch(address) else None
    if parts is None or (parts.password is None and parts.scheme == "ssh") or "@" not in parts.netloc:
        return address, {}
    login, _, host = parts.netloc.rpartition("@")
    if parts.scheme == "ssh":  # which takes no password from an address
        return urlunsplit(parts._replace(netloc=f"{login.partition(':')[0]}@{host}")), {}
    user, _, password = map(unquote, login.partition(":"))
    told = {_USER: user, _PASSWORD: password} if (user + password).isprintable() else {}
    return urlunsplit(parts._replace(netloc=host)), told


def _asks_for(address: str) -> tuple[str, ...]:
    """The settings by which git asks for the login at this address's host from its environment, and nobody else."""
    parts = urlsplit(address)
    setting = f"credential.{parts.scheme}://{parts.netloc}.helper="
    return ("-c", setting, "-c", setting + _TELLS_LOGIN)


async def _git(address: str, *arguments: str, login: dict[str, str] | None = None) -> None:
    environment = {
        **os.environ,
        **(login or {}),
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "http:https:ssh:git",
        "LC_ALL": "C",
    }
    environment.setdefault("GIT_SSH_COMMAND", "ssh -o BatchMode=yes")
    shown = _without_secret(address)
    try:
        process = await asyncio.create_subprocess_exec(
            "git",
            *arguments,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    except OSError:
        raise RequestError("Files to bring: git is not installed.", "Install git.", field="inputs") from None
    try:
        _, said = await wait_for(process.communicate(), _CLONE_SECONDS)
    except TimeoutError:
        raise RequestError(f"Files to bring: cloning {shown} takes too long.", field="inputs") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if process.returncode:
        words = said.decode(errors="replace").replace(address, shown).strip().splitlines()
        why = clean_line(words[-1] if words else "no reason given", longest=_LONGEST_REASON)
        raise RequestError(f"Files to bring: {shown} could not be cloned ({why}).", field="inputs")


def _without_secret(address: str) -> str:
    """The address without a user's part and query, which may hold a password; ``git@host:…`` has none."""
    if not _URL.fullmatch(address):
        return address
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    user = "git@" if parts.scheme == "ssh" and parts.username == "git" else ""
    return urlunsplit((parts.scheme, user + host, parts.path, "", ""))


def _name(text: str) -> str:
    text = text.rstrip("/").removesuffix("/.git") if is_repository(text) else text
    tail = (urlsplit(text).path if _URL.fullmatch(text) else text).rstrip("/").rpartition("/")[2].rpartition(":")[2]
    name = tail.removesuffix(".git") if is_repository(text) else Path(text).name
    name = _PLAIN.sub("_", name) if is_repository(text) else name
    return name if name not in {"", ".", ".."} else "input"


def _free(name: str, taken: set[str]) -> str:
    """A name that no other input has, told apart also where upper and lower case are the same."""
    stem, dot, suffix = name.rpartition(".")
    number = 1
    free = name
    while free.casefold() in taken:
        number += 1
        free = f"{stem}-{number}.{suffix}" if dot and stem else f"{name}-{number}"
    return free
