"""Parses and validates the commands of a script from the bus.

Names and shapes are those of the Activity API (https://golemfactory.github.io/ya-client/, ``ExeScriptCommand``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

from golem_launcher.errors import LocalNetError
from golem_launcher.localnet.runtime.volumes import Volume

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_COMMANDS = 1000
_VOLUME_OPTIONS = {"host": set[str](), "ram": {"size"}, "storage": {"size", "preallocate", "errors"}}

_SIZE = re.compile(r"\s*([\d.]+)\s*([kmgtp]?)(i?)b?\s*", re.IGNORECASE)
_DURATION = re.compile(r"([\d.]+)\s*(ms|us|ns|s|sec|m|min|h|hr)\b", re.IGNORECASE)
_UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "hr": 3600.0}
_DEFAULT_INTERVAL = 1.0
_HOSTNAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?")


class ScriptError(LocalNetError):
    """A script that can't be understood."""


@dataclass(frozen=True)
class Capture:
    """What to keep of one output stream. ``head`` and ``tail`` in bytes; ``None`` for no limit of its own."""

    stream: bool = False
    head: int | None = 0
    tail: int = 0
    binary: bool = False


@dataclass(frozen=True)
class DeployedNetwork:
    """One VPN of a deployment: the activity is ``node_ip`` in ``network``; ``nodes`` are node ids by address."""

    id: str
    network: IPv4Network
    node_ip: IPv4Address
    nodes: Mapping[str, str]


@dataclass(frozen=True)
class Deploy:
    """Prepare the runtime."""

    networks: tuple[DeployedNetwork, ...] = ()
    hosts: Mapping[str, str] = field(default_factory=dict)
    hostname: str = "golem"
    volumes: tuple[Volume, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    progress: float | None = None
    """Seconds between progress events, ``None`` for no such events."""
    name: Literal["deploy"] = "deploy"


@dataclass(frozen=True)
class Start:
    """Start the runtime."""

    args: tuple[str, ...] = ()
    name: Literal["start"] = "start"


@dataclass(frozen=True)
class RunProgram:
    """Run a program."""

    entry_point: str
    args: tuple[str, ...] = ()
    stdout: Capture = field(default_factory=Capture)
    stderr: Capture = field(default_factory=Capture)
    name: Literal["run"] = "run"


@dataclass(frozen=True)
class FileSet:
    """Globs of what to transfer and what not."""

    includes: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Transfer:
    """Copy between the runtime and the world. ``format`` says that one side is an archive of the other's directory."""

    source: str
    target: str
    format: str | None = None
    depth: int | None = None
    filesets: tuple[FileSet, ...] = ()
    progress: float | None = None
    name: Literal["transfer"] = "transfer"


@dataclass(frozen=True)
class Terminate:
    """Stop the runtime and all other scripts."""

    name: Literal["terminate"] = "terminate"


@dataclass(frozen=True)
class Sign:
    """Sign the script's results: needs hardware that we do not have."""

    name: Literal["sign"] = "sign"


Command = Deploy | Start | RunProgram | Transfer | Terminate | Sign


def read_script(value: Any) -> list[Command]:
    """The commands of a script; :class:`ScriptError` says which one is wrong and how."""
    if not isinstance(value, list) or len(value) > MOST_COMMANDS:
        raise ScriptError(f"A script is a list of at most {MOST_COMMANDS} commands.")
    return [_checked(index, item) for index, item in enumerate(value)]


def _checked(index: int, item: Any) -> Command:
    try:
        return _command(item)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise ScriptError(f"Command {index} makes no sense: {str(error)[:300]}.") from error


def _command(item: Any) -> Command:
    if isinstance(item, str):  # how an enum without fields may be written
        item = {item: {}}
    ((name, fields),) = item.items()
    fields = fields or {}
    if name == "deploy":
        return _deploy(fields)
    if name == "start":
        return Start(_texts(fields.get("args")))
    if name == "run":
        capture = fields.get("capture") or {}
        return RunProgram(
            _text(fields["entry_point"]),
            _texts(fields.get("args")),
            _capture(capture.get("stdout")),
            _capture(capture.get("stderr")),
        )
    if name == "transfer":
        return _transfer(fields)
    if name == "terminate":
        return Terminate()
    if name == "sign":
        return Sign()
    raise ValueError(f"there is no command {name!r}")


def _deploy(fields: Mapping[str, Any]) -> Deploy:
    hostname = _text(fields.get("hostname") or "golem")
    if not _HOSTNAME.fullmatch(hostname):
        raise ValueError("the host name is none")
    env = _mapping(fields.get("env"))
    if any("=" in name or not name or "\0" in name + value for name, value in env.items()):
        raise ValueError("a variable of env has an impossible name or value")
    return Deploy(
        networks=tuple(map(_network, fields.get("net") or ())),
        hosts=_mapping(fields.get("hosts")),
        hostname=hostname,
        volumes=_volumes(fields.get("volumes")),
        env=env,
        progress=_interval(fields.get("progress")),
    )


def _network(fields: Mapping[str, Any]) -> DeployedNetwork:
    mask = fields.get("mask")
    ip = _text(fields["ip"])
    network = IPv4Network(f"{ip}/{mask}" if mask and "/" not in ip else ip, strict=False)
    identifier = _text(fields["id"])
    if not re.fullmatch(r"[A-Za-z0-9-]{1,64}", identifier):
        raise ValueError("a network has an impossible id")
    nodes = {str(IPv4Address(address)): node for address, node in _mapping(fields.get("nodes")).items()}
    return DeployedNetwork(identifier, network, IPv4Address(_text(fields["nodeIp"])), nodes)


def _volumes(value: Any) -> tuple[Volume, ...]:
    """A list of paths, or an object like ``{"/path": {"storage": {"size": "10GiB"}}}``."""
    if not value:
        return ()
    if isinstance(value, list):
        return tuple(Volume(PurePosixPath(path)) for path in _texts(value))
    return tuple(_volume(_text(path), mount) for path, mount in value.items())


def _volume(path: str, mount: Any) -> Volume:
    ((kind, options),) = mount.items()
    options = options or {}
    known = _VOLUME_OPTIONS.get(kind)
    if known is None or not set(options) <= known:
        raise ValueError(f"the volume {path[:200]!r} is none of host, ram and storage, or has an option of another")
    sizes = {name: read_size(options[name]) for name in ("size", "preallocate") if options.get(name) is not None}
    if kind != "host" and "size" not in sizes:
        raise ValueError(f"the volume {path[:200]!r} needs a size")
    return Volume(PurePosixPath(path), kind, sizes.get("size"))


def read_size(value: Any) -> int:
    """Bytes: a number, or a text like ``10GiB`` or ``2 MB``; ``ValueError`` otherwise."""
    if isinstance(value, int):
        return value
    match = _SIZE.fullmatch(_text(value))
    if match is None:
        raise ValueError(f"{value!r} is no size")
    step = 1024 if match[3] else 1000
    return int(float(match[1]) * step ** " kmgtp".index(match[2].lower() or " "))


def _transfer(fields: Mapping[str, Any]) -> Transfer:
    depth = fields.get("depth")
    kind = fields.get("format")
    return Transfer(
        source=_text(fields["from"]).strip(),
        target=_text(fields["to"]).strip(),
        format=None if kind is None else _text(kind).lower(),
        depth=None if depth is None else int(depth),
        filesets=_filesets(fields.get("fileset")),
        progress=_interval(fields.get("progress")),
    )


def _filesets(value: Any) -> tuple[FileSet, ...]:
    if value is None:
        return ()
    return tuple(
        FileSet((entry,)) if isinstance(entry, str) else
        FileSet(_one_or_more(entry.get("includes")), _one_or_more(entry.get("excludes")))
        for entry in (value if isinstance(value, list) else [value])
    )  # fmt: skip


def _one_or_more(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else _texts(value)


def _capture(value: Any) -> Capture:
    if not value:
        return Capture()
    ((mode, options),) = value.items()
    options = options or {}
    binary = options.get("format") in {"bin", "binary"}
    if mode == "stream":
        limit = options.get("limit", options.get("stream"))  # yapapi names the limit after the mode
        return Capture(stream=True, head=None if limit is None else _count(limit), binary=binary)
    if mode != "atEnd":
        raise ValueError(f"there is no capture mode {mode!r}")
    if "tail" in options:
        return Capture(tail=_count(options["tail"]), binary=binary)
    if "headTail" in options:
        limit = _count(options["headTail"])
        return Capture(head=limit - limit // 2, tail=limit // 2, binary=binary)
    head = options.get("head")
    return Capture(head=None if head is None else _count(head), binary=binary)


def _interval(value: Any) -> float | None:
    """Seconds between progress events. A duration is ``{"secs", "nanos"}`` or text like ``1min 2s``."""
    if value is None:
        return None
    interval = value.get("updateInterval")
    if interval is None:
        return _DEFAULT_INTERVAL
    if isinstance(interval, dict):
        return float(interval.get("secs", 0)) + float(interval.get("nanos", 0)) / 1e9
    return sum(float(amount) * _UNITS[unit.lower()] for amount, unit in _DURATION.findall(_text(interval)))


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is no number of bytes")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise TypeError(f"{value!r} is no text")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(map(_text, value or ()))


def _mapping(value: Any) -> dict[str, str]:
    return {_text(key): _text(item) for key, item in (value or {}).items()}
