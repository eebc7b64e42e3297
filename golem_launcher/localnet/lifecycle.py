"""Starts, repairs and stops the local network, and cleans up after it.

Apart from ``network.py`` because it takes time to import, and most callers find the network up already.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from typing import TYPE_CHECKING

from pydantic import ValidationError

from golem_launcher import files, own_modules, paths, processes
from golem_launcher.errors import LocalNetError
from golem_launcher.localnet import daemons, spec, state
from golem_launcher.localnet.chain import running_chain
from golem_launcher.localnet.runtime.escaped_processes import kill_escaped
from golem_launcher.localnet.runtime.runtime_interface import family_of
from golem_launcher.untrusted_text import sentence

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from golem_launcher.localnet.state import LocalNetwork
    from golem_launcher.processes import ProcessRecord

_LOCK = "up.lock"
_LOG = "server.log"
_SPEC = "spec.json"
_POLL_SECONDS = 0.03
_STOP_SECONDS = 20.0
_LOG_TAIL = 2000
_MORE_SECONDS = 3.0
"""For each provider, beyond the time that is given for a start."""
_MIB = 1 << 20
_LEAST_ROOM = 64 * _MIB
"""Bytes that must be free: databases of two daemons, logs, the base of the private environments."""


def up(directory: Path, wanted: spec.NetworkSpec | None, deadline: float) -> LocalNetwork:
    """The network of ``directory`` as ``wanted`` describes it, or as it is when that is ``None``.

    Raises ``LocalNetError`` when it is up with another description, or can't be started within ``deadline`` seconds (a
    few more for each provider). A description that failed is tried again until another is given, or ``down`` is.
    """
    running = _running(directory, wanted)
    if running:
        return running
    with _alone(directory, deadline):
        running = _running(directory, wanted)  # somebody may have started it while we waited for the lock
        if running:
            return running
        record = state.server_record(state.read(directory))
        if record is None or not record.alive() or not _fits(directory, wanted):
            wanted = wanted or _kept(directory) or spec.default_spec()
            _stop(directory)
            record = _start(directory, wanted)
        known = wanted or _kept(directory)
        patience = deadline + _MORE_SECONDS * (len(known.provider) if known is not None else 0)
        try:
            return _wait(directory, record, time.monotonic() + patience)
        except LocalNetError as error:
            if known is not None and known != spec.default_spec():  # the next `up` is to try this one again
                failed = {"stage": "failed", "what": error.what, "remedy": error.remedy, "providers": []}
                files.write_json(directory / state.STATE_FILE, failed)
            raise


def down(directory: Path, deadline: float) -> bool:
    """End every process of the network of ``directory``; whether there was anything to end."""
    with _alone(directory, deadline):
        return _stop(directory)


@contextlib.contextmanager
def _alone(directory: Path, deadline: float) -> Iterator[None]:
    try:
        with files.locked(directory / _LOCK, deadline=deadline):
            yield
    except TimeoutError:
        raise LocalNetError(
            f"Another program has been starting or stopping the local network for {deadline:.0f} s.",
            "Wait for it, or end it, then try again.",
        ) from None
    except OSError as error:
        raise LocalNetError(
            f"The local network can't use {directory}: {error.strerror or error}.",
            f"Make room or repair it, or choose another directory with {paths.HOME_VARIABLE}.",
        ) from error


def _running(directory: Path, wanted: spec.NetworkSpec | None) -> LocalNetwork | None:
    found = state.healthy(directory, state.read(directory))
    if found and not _fits(directory, wanted):
        raise LocalNetError(
            "The local network is up with another description.", "End it first: golem-launcher localnet down"
        )
    return found


def _fits(directory: Path, wanted: spec.NetworkSpec | None) -> bool:
    return wanted is None or files.read_json(directory / _SPEC) == wanted.model_dump(mode="json")


def _kept(directory: Path) -> spec.NetworkSpec | None:
    """The description of a network that broke down: it was not taken down, so it keeps it."""
    if state.read(directory) is None:
        return None
    try:
        return spec.NetworkSpec.model_validate(files.read_json(directory / _SPEC))
    except ValidationError:  # an older installation's
        return None


def _start(directory: Path, wanted: spec.NetworkSpec) -> ProcessRecord:
    _check_room(directory, _LEAST_ROOM)
    files.write_json(directory / _SPEC, wanted.model_dump(mode="json"))
    return processes.spawn_detached(
        own_modules.command("golem_launcher.localnet.network_process", str(directory)),
        env=os.environ,
        log=directory / _LOG,
        cwd=directory,
    )


def _wait(directory: Path, record: ProcessRecord, end: float) -> LocalNetwork:
    while time.monotonic() < end:
        known = state.read(directory)
        if state.server_record(known) == record:
            found = state.healthy(directory, known)
            if found:
                return found
            if known and known.get("stage") == "failed":
                _stop(directory)
                raise LocalNetError(str(known.get("what")), str(known.get("remedy", "")))
        if not record.alive():
            _stop(directory)
            _check_room(directory, _MIB)  # a full disk has no place for the process's last words either
            raise LocalNetError(
                sentence(f"The local network's process ended: {_last_line(directory / _LOG)}"),
                f"Its log: {directory / _LOG}",
            )
        time.sleep(_POLL_SECONDS)
    _stop(directory)
    raise LocalNetError("The local network did not come up in time.", f"Its log: {directory / _LOG}")


def _stop(directory: Path) -> bool:
    record = state.server_record(state.read(directory))
    alive = record is not None and record.alive()
    if record is not None:
        record.stop(grace=_STOP_SECONDS)
    daemons.stop_all(directory)
    running_chain.stop(directory)
    # Each activity's first process ends with the server, and its descendants with it; but who kills the one may have
    # killed the other too.
    escaped = kill_escaped(family_of(directory))
    paths.forget_plain_path(directory / "activities")
    with contextlib.suppress(FileNotFoundError):
        (directory / state.STATE_FILE).unlink()
    return alive or escaped > 0


def _check_room(directory: Path, least: int) -> None:
    free = shutil.disk_usage(directory).free
    if free < least:
        raise LocalNetError(
            f"The disk is full: {free // _MIB} MiB are free where {directory} is, and the local network needs "
            f"{_LEAST_ROOM // _MIB}.",
            f"Make room there, or choose another directory with {paths.HOME_VARIABLE}.",
        )


def _last_line(log: Path) -> str:
    lines = [line for line in files.last_lines(log, most=_LOG_TAIL) if line.strip()]
    return lines[-1].strip() if lines else "it left no log."
