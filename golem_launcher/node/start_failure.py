"""Explains why a yagna daemon does not run, and what to do about it."""

from __future__ import annotations

import errno
import os
import re
import signal
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from golem_launcher import files
from golem_launcher.errors import NodeStartError
from golem_launcher.untrusted_text import clean_line

if TYPE_CHECKING:
    from pathlib import Path

LAST_LINES = 6
_TAIL_BYTES = 16384
_LONGEST_SHOWN = 300


class PortTaken(NodeStartError):  # noqa: N818 - reads as what it says
    """Another program serves the port that the daemon was given."""


class Offline(NodeStartError):  # noqa: N818
    """The daemon waits for the address of the Golem network, which can't be looked up."""


def no_program(system: str, machine: str) -> NodeStartError:
    """What to raise where this environment has no yagna program, or none for this ``system`` and ``machine``."""
    if (system, machine) in {("Linux", "x86_64"), ("Linux", "amd64")}:
        return NodeStartError(
            "The yagna program is missing from this Python environment.",
            "Install it with: pip install --force-reinstall golem-node",
        )
    return NodeStartError(
        f"There is no yagna program for {system} on {machine} in the golem-node package.",
        "Use Linux on x86_64 (or WSL 2), or set YAGNA_API_URL and YAGNA_APPKEY to a node on another machine.",
    )


def port_taken(port: int) -> PortTaken:
    """What to raise when another program has the ``port``."""
    return PortTaken(
        f"Port {port} on 127.0.0.1 is taken by another program.",
        f"Find it with: ss -ltnp 'sport = :{port}', and end it, or choose another port.",
    )


def data_dir_in_use(data_dir: Path) -> NodeStartError:
    """What to raise when a yagna that was not started from here runs in the data directory. Blocking."""
    try:
        holder = f" (process {int((data_dir / 'yagna.pid').read_text()[:20])})"
    except (OSError, ValueError):
        holder = ""
    return NodeStartError(
        f"Another yagna{holder} uses the data directory {data_dir}.",
        "Stop it, or use it by setting YAGNA_API_URL and YAGNA_APPKEY.",
    )


def cannot_use(error: OSError, place: Path) -> NodeStartError:
    """What to raise when the system refused, with this ``error``, to read or write in ``place``."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return NodeStartError(f"The disk of {place} is full.", "Free some space (100 MiB will do), then try again.")
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return NodeStartError(
            f"{place} can't be written: {reason}.",
            "Look at its owner and mode, or set GOLEM_LAUNCHER_HOME to a directory of yours.",
        )
    return NodeStartError(f"The node's directory {place} can't be used: {reason}.")


def cannot_run(error: OSError, program: Path, data_dir: Path) -> NodeStartError:
    """What to raise when the system refused, with this ``error``, to start the program."""
    if error.errno == errno.ENOEXEC:
        system = os.uname()
        return NodeStartError(
            f"{program} can't run on this machine ({system.sysname}, {system.machine}): it is no program for it.",
            "Use Linux on x86_64, or set YAGNA_API_URL and YAGNA_APPKEY to a node on another machine.",
        )
    if error.errno == errno.ENOENT:
        return NodeStartError(
            f"{program} is not there, or what loads it is not.",
            "Reinstall it: pip install --force-reinstall golem-node",
        )
    if error.errno in {errno.EACCES, errno.EPERM} and not os.access(program, os.X_OK):
        return NodeStartError(
            f"{program} may not be run.",
            "Make it executable (chmod +x), and see that its file system is not mounted with noexec.",
        )
    if error.errno in {errno.EAGAIN, errno.ENOMEM}:
        return NodeStartError(
            "The system has no room for another process.", "Close some programs, or raise the limit (ulimit -u)."
        )
    return cannot_use(error, data_dir)


def died(log: Path, log_start: int, status: int | None, api_url: str) -> NodeStartError:
    """The daemon ended before it answered. ``status``: its exit code, minus a signal's number, or unknown."""
    text = _tail(log, log_start)
    if status == -signal.SIGILL:
        return NodeStartError(
            "yagna ended with an illegal instruction: this processor is too old for it.",
            "Set YAGNA_API_URL and YAGNA_APPKEY to a node on another machine.",
        )
    if "Failed to bind http server" in text:
        return port_taken(urlsplit(api_url).port or 0)
    for pattern, what, remedy in _KNOWN:
        if re.search(pattern, text):
            return NodeStartError(f"yagna ended at its start: {what}", f"{remedy} Its log is {log}.")
    if status == -signal.SIGXFSZ:
        return cannot_use(OSError(errno.EFBIG, ""), log.parent)
    return NodeStartError(
        f"yagna ended at its start{_status(status)}. Its last words:\n{_quoted(text)}", f"Its log is {log}."
    )


def looks_up(log: Path, log_start: int) -> bool:
    """Whether the daemon waits for the address of the Golem network. It asks up to six times, for 100 s in all."""
    lines = [line for line in _tail(log, log_start).splitlines() if "_net_relay" in line]
    return bool(lines) and "resolved to" not in lines[-1]


def offline(log: Path) -> Offline:
    """The address of the Golem network was not to be had in time."""
    return Offline(f"yagna does not start: {_NO_NETWORK}", f"{_NO_INTERNET} Its log is {log}.")


def silent(log: Path, log_start: int) -> NodeStartError:
    """The daemon runs and does not answer in time."""
    text = _tail(log, log_start)
    for pattern, what, remedy in _WAITING:
        if re.search(pattern, text):
            return NodeStartError(f"yagna did not answer in time: {what}", f"{remedy} Its log is {log}.")
    return NodeStartError(
        f"yagna did not answer in time. Its last words:\n{_quoted(text)}",
        f"Try again when the machine is less busy. Its log is {log}.",
    )


def _tail(log: Path, start: int) -> str:
    """The end of a log from byte ``start`` on, as it may be shown."""
    return "\n".join(map(clean_line, files.last_lines(log, most=_TAIL_BYTES, since=start)))


_NO_SPACE = "Free some space (100 MiB will do), then try again."
_NO_NETWORK = "the Golem network could not be looked up."
_NO_INTERNET = (
    "Look at the connection and the name server; the local network (golem-launcher localnet up) works without."
)
_KNOWN = (
    (r"already running", "another yagna uses its data directory.", "Stop that one."),
    (r"No space left on device|disk is full|File too large|os error 28", "the disk is full.", _NO_SPACE),
    (r"relay server failed|Failed to resolve _net_relay", _NO_NETWORK, _NO_INTERNET),
    (
        r"GLIBC_|cannot open shared object|required file not found",
        "this system's libraries are too old for it.",
        "Use a newer Linux (glibc 2.31 or later), or set YAGNA_API_URL and YAGNA_APPKEY to a node elsewhere.",
    ),
    (
        r"database disk image is malformed|file is not a database",
        "its data base is damaged.",
        "Move the node's directory away (it holds the node's wallet: keep it), then try again.",
    ),
    (
        r"Permission denied|[Rr]ead-only file system|readonly database",
        "it may not write where it must.",
        "Look at the owner and mode of its data directory.",
    ),
    (r"Address already in use", "an address of its is taken by another program.", "End that program."),
)
_WAITING = (
    (r"CENTRAL_NET|central NET|Connecting to Central", "its router does not answer.", "Start the router first."),
)


def _status(status: int | None) -> str:
    if status is None:
        return ""
    return f" (signal {-status})" if status < 0 else f" (exit code {status})"


def _quoted(text: str) -> str:
    lines = [clean_line(line, longest=_LONGEST_SHOWN) for line in text.splitlines() if line.strip()]
    return "\n".join(f"    {line.strip()}" for line in lines[-LAST_LINES:]) or "    (nothing)"
