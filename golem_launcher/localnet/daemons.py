"""The two yagna daemons of a local network, the requestor's and the providers'."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
from typing import TYPE_CHECKING

from golem_launcher import files, paths
from golem_launcher.errors import LocalNetError, NodeStartError
from golem_launcher.localnet.chain import driver
from golem_launcher.node import yagna_process, yagna_start

if TYPE_CHECKING:
    from pathlib import Path

    from golem_launcher.localnet.chain.token import Chain
    from golem_launcher.processes import ProcessRecord

REQUESTOR = "requestor"
PROVIDER = "provider"

_CHAINS = "chains"
_POLL_SECONDS = 1.0
# A demand finds the offers within a second instead of minutes.
_FAST_MARKET = {
    "OFFER_BROADCAST_DELAY": "100ms",
    "UNSUB_BROADCAST_DELAY": "100ms",
    "MEAN_CYCLIC_BCAST_INTERVAL": "2s",
    "MEAN_CYCLIC_UNSUBSCRIBES_INTERVAL": "2s",
}


def data_dir(directory: Path, role: str, chain: Chain | None = None) -> Path:
    """Where the daemon of a role keeps its data: for each chain another place, as a wallet's history is a chain's."""
    return directory / role if chain is None else directory / _CHAINS / chain.key / role


def config(
    directory: Path, role: str, *, router_port: int, api_port: int = 0, chain: Chain | None = None
) -> yagna_start.YagnaConfig:
    """How to run the daemon of a role in the network of ``directory``; its key is made once and kept."""
    home = paths.private_directory(data_dir(directory, role, chain))
    environment = {
        **_FAST_MARKET,
        "YA_NET_TYPE": "central",
        "CENTRAL_NET_HOST": f"{yagna_start.HOST}:{router_port}",
    }
    if chain is not None:
        driver.write_config(home, chain)
        environment |= driver.ENVIRONMENT
    elif role == REQUESTOR:
        environment["YAGNA_DEV_SKIP_ALLOCATION_VALIDATION"] = "1"  # there is no chain to ask
    return yagna_start.YagnaConfig(
        data_dir=home,
        api_port=api_port,
        gsb_url=f"unix:{paths.socket_path(home, 'bus.sock')}",
        app_key=_app_key(home / "app-key"),
        environment=environment,
    )


async def start(wanted: yagna_start.YagnaConfig, *, deadline: float) -> yagna_process.YagnaProcess:
    """Start a daemon (ending one that an earlier network left behind); ``LocalNetError`` when it does not start."""

    def blocking() -> yagna_process.YagnaProcess:
        left = yagna_process.find_running(wanted.data_dir)
        if left is not None:
            left.stop()
        return yagna_start.start(wanted, deadline=deadline)

    try:
        return await asyncio.to_thread(blocking)
    except NodeStartError as error:
        raise LocalNetError(f"The {wanted.data_dir.name}'s node did not start: {error.what}", error.remedy) from error


def stop_all(directory: Path) -> None:
    """Stop both daemons, also one that is just starting. Blocking."""
    places = [directory, *(directory / _CHAINS).glob("*")]
    left = [yagna_process.find_running(place / role) for place in places for role in (REQUESTOR, PROVIDER)]
    running = [daemon for daemon in left if daemon is not None]
    for daemon in running:  # both at once, and without the lock that whoever starts one holds
        daemon.record.signal(signal.SIGTERM)
    for daemon in running:
        daemon.record.stop(grace=yagna_process.GRACE)
        daemon.stop()


async def gone(record: ProcessRecord) -> None:
    """Wait until a process has ended, without polling where the kernel can tell."""
    try:
        descriptor = os.pidfd_open(record.pid)
    except (AttributeError, OSError):
        while record.alive():  # noqa: ASYNC110 - this kernel can't tell
            await asyncio.sleep(_POLL_SECONDS)
        return
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    try:
        if record.alive():
            loop.add_reader(descriptor, ended.set)
            await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
    record.alive()  # a child of ours is reaped by this


def _app_key(path: Path) -> str:
    with contextlib.suppress(FileNotFoundError):
        key = path.read_text().strip()
        if key:
            return key
    key = secrets.token_hex(16)
    files.write_atomic(path, key.encode())
    return key
