"""Runs our own anvil on loopback; its chain is kept in a file and survives restarts. Blocking.

It makes a block when there is a transaction, and rests otherwise. The chain is written down every few seconds and at
the end; a chain whose file can't be read begins anew.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from golem_launcher import files, paths
from golem_launcher.errors import LocalNetError
from golem_launcher.localnet.chain import rpc
from golem_launcher.localnet.chain.token import CHAIN_ID
from golem_launcher.node import yagna_start
from golem_launcher.processes import ProcessRecord, spawn_detached

if TYPE_CHECKING:
    from pathlib import Path

_STATE = "chain.json"
_RECORD = "process.json"
_LOG = "anvil.log"
_SAVE_SECONDS = 5
_START_SECONDS = 15.0
_GRACE = 5.0
_POLL_SECONDS = 0.03
_TRIES = 3
"""A port may be taken between its choice and its use."""
_BAD_OPTION = 2
"""Its exit code when an option's value won't do, the file of its chain for one."""

_log = logging.getLogger(__name__)


class _Ended(LocalNetError):  # noqa: N818 - reads as what it says
    """It ended before it answered; ``status`` is how."""

    status: int | None = None


@dataclass(frozen=True)
class Anvil:
    """An anvil that runs."""

    record: ProcessRecord
    port: int

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{yagna_start.HOST}:{self.port}"


def start(directory: Path, program: Path, *, port: int = 0) -> Anvil:
    """Start it (ending one that was left behind), at ``port`` or a free one. Raises ``LocalNetError``."""
    paths.private_directory(directory)
    stop(directory)
    for _ in range(_TRIES):
        try:
            return _start(directory, program, port or yagna_start.free_port())
        except _Ended as error:
            state, ended = directory / _STATE, error
            if error.status == _BAD_OPTION and state.exists():
                _log.warning("the chain's file can't be read; it is put aside, and the chain begins anew")
                state.replace(state.with_suffix(".unreadable"))
    raise ended


def stop(directory: Path) -> None:
    """End it, also after its starter's death; its chain is written down first."""
    record = ProcessRecord.from_json(files.read_json(directory / _RECORD))
    if record is not None:
        record.stop(grace=_GRACE)
        with contextlib.suppress(FileNotFoundError):
            (directory / _RECORD).unlink()


def _start(directory: Path, program: Path, port: int) -> Anvil:
    options = {
        "--host": yagna_start.HOST,
        "--port": port,
        "--chain-id": CHAIN_ID,
        "--accounts": 1,
        "--balance": 1_000_000,
        "--state": directory / _STATE,
        "--state-interval": _SAVE_SECONDS,
        "--threads": 1,
    }
    words = [str(word) for option in options.items() for word in option]
    log = directory / _LOG
    log.unlink(missing_ok=True)
    try:
        record = spawn_detached([str(program), "--quiet", *words], env=os.environ, log=log, cwd=directory)
    except OSError as error:
        raise LocalNetError(f"The chain's node can't be started: {program}: {error.strerror}.") from None
    files.write_json(directory / _RECORD, record.to_json())
    running = Anvil(record, port)
    end = time.monotonic() + _START_SECONDS
    while True:
        with contextlib.suppress(LocalNetError):
            rpc.call(running.url, "eth_chainId")
            if record.alive():  # else it was somebody else who answered there
                return running
        if not record.alive() or time.monotonic() > end:
            ended = _Ended("The chain's node, anvil, did not start.", f"Its log: {log}")
            ended.status = record.exit_status()
            record.stop(grace=0)
            raise ended
        time.sleep(_POLL_SECONDS)
