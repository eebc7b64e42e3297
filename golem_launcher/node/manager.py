"""Finds the user's node (the one that the environment names, else our own), and starts our own when needed.

Our own lives in ``node/`` of the launcher's directory. It is detached: pages, commands and sessions of this user share
it, and it stays until :func:`stop_node`. Everything here blocks: call it from a thread where an event loop runs.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import secrets
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from golem_launcher import files, paths
from golem_launcher.errors import NodeUnreachable, RequestError
from golem_launcher.node import probe, start_failure, yagna_process, yagna_start
from golem_launcher.node.node import Node
from golem_launcher.node.rest_client import split_url

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_API_URL = "http://127.0.0.1:7465"
"""Where yagna serves unless told otherwise; what yapapi assumes as well."""

_NAMED = "named-node.json"
_KEY = re.compile(r"[0-9a-f]{32}")
_POLL_SECONDS = 0.1
_WAKE_SECONDS = 15.0
_STOP_SECONDS = 30.0
_BRIEF_LOOK_UP_SECONDS = 3.0
"""For who only wants to see the wallet."""
# What a user sets to tune a node of theirs; all else that steers a daemon is ours to choose.
_TUNING = re.compile(r"YA_NET_|YAGNA_AUTOCONF_ID_SECRET$|CENTRAL_NET_|PAYMENT_|ERC20_|RUST_LOG$|[A-Z]+_GETH_ADDR$")


def data_dir() -> Path:
    """The data directory of the node that the launcher starts; made, with mode 0700, if it is not there."""
    return paths.private_directory(paths.shared_home() / "node")


def named_node() -> Node | None:
    """The node that ``YAGNA_APPKEY`` and ``YAGNA_API_URL`` name, else the one remembered, unchecked; or ``None``.

    Raises ``NodeUnreachable`` when there is an address without a key.
    """
    key, api_url = os.environ.get("YAGNA_APPKEY", ""), os.environ.get("YAGNA_API_URL", "")
    if key:
        return Node(api_url.rstrip("/") or DEFAULT_API_URL, key, os.environ.get("GSB_URL") or None)
    if api_url:
        raise NodeUnreachable(
            f"YAGNA_API_URL names a node ({api_url}), and YAGNA_APPKEY, its key, is not set.",
            "Set both, or unset YAGNA_API_URL so that the launcher starts a node of its own.",
        )
    return _remembered()


def known_nodes() -> list[Node]:
    """All that we know of, unchecked: the one that the environment names, the one remembered, our own if it runs.

    Raises as :func:`named_node` does.
    """
    own = own_node()
    return list(filter(None, (named_node(), _remembered(), own.node if own is not None else None)))


def remember_node(api_url: str, app_key: str) -> str:
    """Use the node at an address from now on, whoever asks; its identity. The key is kept for its owner's eyes only.

    Raises ``RequestError`` for an address over which the key would travel in the clear, and ``NodeUnreachable``.
    """
    address = split_url(api_url)
    if address.scheme != "https" and not is_here(api_url):
        raise RequestError(
            "Over http anybody on the way could read the node's key.",
            "Give an https:// address, or one of this machine (through an ssh tunnel, say).",
        )
    node = Node(api_url.rstrip("/"), app_key)
    identity = probe.identity(node)
    files.write_json(paths.shared_home() / _NAMED, {"api_url": node.api_url, "app_key": app_key})
    return identity


def forget_node() -> bool:
    """Use a node of our own again; whether another one was remembered."""
    known = _remembered() is not None
    (paths.shared_home() / _NAMED).unlink(missing_ok=True)
    return known


def _remembered() -> Node | None:
    value = files.read_json(paths.shared_home() / _NAMED)
    try:
        return Node(str(value["api_url"]), str(value["app_key"])) if isinstance(value, dict) else None
    except KeyError:
        return None


def is_here(api_url: str) -> bool:
    """Whether an address is one of this computer's own. Raises ``NodeUnreachable`` when it is no http address."""
    host = split_url(api_url).hostname or ""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def own_node() -> yagna_process.YagnaProcess | None:
    """Our own node, when its process runs."""
    return yagna_process.find_running(data_dir())


def is_starting() -> bool:
    """Whether somebody on this computer starts our own node, which does not answer yet. Raises ``NodeUnreachable``."""
    if named_node() is not None or not files.is_locked(_lock()):
        return False
    running = own_node()
    return running is None or not _answers(running.node)


def ensure_node(*, deadline: float = 90.0) -> Node:
    """A node that answers and accepts our key: the named one, else our own, started if need be.

    Many threads and processes may ask at the same moment: one starts it, all get the same. Raises ``NodeUnreachable``
    for a named node that can't be used, or an own one that hangs, and ``NodeStartError``; offline that takes 12 s.
    """
    named = named_node()
    if named is not None:
        probe.identity(named)
        return named
    end = time.monotonic() + deadline
    with yagna_process.exclusively(_lock(), deadline=deadline):
        running = own_node()
        if running is not None and running.alone:  # it never looks again whether the Golem network is there
            running.stop()
            running = None
        if running is not None:
            return _answering(running, min(end, time.monotonic() + _WAKE_SECONDS))
        return yagna_start.start(_config(), deadline=end - time.monotonic()).node


def ensure_wallet_node(*, deadline: float = 90.0) -> Node:
    """A node for what needs no Golem network: wallet and identity. As :func:`ensure_node`, and offline as well.

    A node that had to be started without the Golem network is started anew when that is needed.
    """
    if named_node() is not None:
        return ensure_node()
    end = time.monotonic() + deadline
    with yagna_process.exclusively(_lock(), deadline=deadline):
        running = own_node()
        if running is not None:
            return _answering(running, min(end, time.monotonic() + _WAKE_SECONDS))
        config = replace(_config(), look_up_seconds=_BRIEF_LOOK_UP_SECONDS)
        try:
            return yagna_start.start(config, deadline=end - time.monotonic()).node
        except start_failure.Offline:
            return yagna_start.start(replace(config, alone=True), deadline=end - time.monotonic()).node


def stop_node(*, grace: float = yagna_process.GRACE) -> yagna_process.YagnaProcess | None:
    """Stop our own node and say which it was; ``None`` when it did not run. A named node is never stopped."""
    with yagna_process.exclusively(_lock(), deadline=_STOP_SECONDS):
        running = own_node()
        if running is not None:
            running.stop(grace)
        return running


def _answering(running: yagna_process.YagnaProcess, end: float) -> Node:
    """Wait for a daemon whose starter died, or that is busy, to answer."""
    while not _answers(running.node):
        if time.monotonic() > end or not running.alive():
            raise NodeUnreachable(
                f"Our own node (process {running.record.pid}) runs and does not answer at {running.api_url}.",
                f"Stop it with: golem-launcher node stop. Its log is {running.log}.",
            )
        time.sleep(_POLL_SECONDS)
    return running.node


def _answers(node: Node) -> bool:
    try:
        probe.identity(node)
    except NodeUnreachable:
        return False
    return True


def _config() -> yagna_start.YagnaConfig:
    """How our own node runs."""
    directory = data_dir()
    return yagna_start.YagnaConfig(
        directory,
        api_port=0,
        gsb_url=f"unix:{paths.socket_path(directory, 'gsb.sock')}",
        app_key=_app_key(directory),
        environment={"YA_NET_BIND_URL": "udp://0.0.0.0:0", **_tuning()},
    )


def _app_key(directory: Path) -> str:
    """The key of our own node: made once, for its owner's eyes only."""
    path = directory / "app-key"
    try:
        with contextlib.suppress(FileNotFoundError):
            key = path.read_text(errors="replace").strip()
            if _KEY.fullmatch(key):
                return key
        key = secrets.token_hex(16)
        files.write_atomic(path, key.encode() + b"\n")
    except OSError as error:
        raise start_failure.cannot_use(error, directory) from error
    return key


def _tuning() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if _TUNING.match(name)}


def _lock() -> Path:
    """Held from the question whether our node runs until it does, or no longer does."""
    return paths.shared_home() / "node.lock"
