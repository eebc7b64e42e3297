"""``python3 agent.pyz CONFIG.json``: start JupyterLab in the background and return at once.

``python3 agent.pyz --last-words CONFIG.json`` tells instead whether it has ended, and why; ``--benchmark
DIRECTORY`` how fast the machine is.

The configuration, described in config.py, is deleted once it is read. Both commands say what they say as exit_report.py
has it.

Exit codes: 0 it is starting; 2 the configuration is wrong; 3 there is no JupyterLab here, and none can be had;
4 the port is taken.
"""

from __future__ import annotations

import os
import socket
import sys

from . import compiling, exit_report, file_placement, image_setup, lab_build_check, log, process_manager, reserved_port
from .config import Config, ConfigRefused, log_of, parse
from .tcp_carrier_protocol import BACKLOG

_OLDEST_PYTHON = (3, 9)
_INSTALL_SECONDS = 600.0
_SPARE_PIP = "golem-launcher-pip.zip"
"""Sent along with us."""
_LARGEST_CONFIG = 65536
_LARGEST_DESCRIPTOR = 4096


def main() -> None:
    """Check everything that can be checked at once, then go to the background."""
    if sys.argv[1:2] == ["--last-words"]:
        sys.stdout.write(log.last_words(log_of("".join(sys.argv[2:3]))).line)
        return
    if sys.argv[1:2] == ["--benchmark"]:
        from . import benchmark  # noqa: PLC0415 - not needed to start

        benchmark.main("".join(sys.argv[2:3]))
        return
    try:
        config = _prepare(sys.argv[1:])
        carriers = _listen(config.address, config.carrier_port)
    except ConfigRefused as refused:
        sys.stderr.write(exit_report.Report(refused.kind, str(refused)).line)
        sys.exit(refused.code)
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    _leave_streams(carriers)
    process_manager.manage(config, carriers)


def _prepare(arguments: list[str]) -> Config:
    if len(arguments) != 1:
        raise ConfigRefused(exit_report.CONFIGURATION, "usage: python3 agent.pyz CONFIG.json")
    config = parse(_take(arguments[0]), os.path.abspath(arguments[0]))  # links stay as they are
    if sys.version_info < _OLDEST_PYTHON:
        raise ConfigRefused(exit_report.IMAGE, f"Its Python is {sys.version.split()[0]}; 3.9 or newer is needed.")
    if config.index_url:
        os.environ["PIP_INDEX_URL"] = config.index_url
    volume = os.path.dirname(config.log)
    _make_directories(config)
    image_setup.prepare()
    file_placement.prepare(config.root, volume)
    spare_pip = os.path.join(volume, _SPARE_PIP)
    missing = ""
    if not config.workload.argv:
        lab_build_check.prepare(config.jupyter)
        compiling.prepare(config.root)
        missing = image_setup.bring_lab(
            _INSTALL_SECONDS, spare_pip, file_placement.for_large_files(config.root, volume)
        )
    if missing:
        raise ConfigRefused(exit_report.IMAGE, missing)
    for port in (config.port, *((config.ssh_port,) if config.ssh else ()), config.server_port):
        _check_port(config.address, port)
    return config


def _make_directories(config: Config) -> None:
    try:
        os.makedirs(config.root, exist_ok=True)
        os.makedirs(config.log, mode=0o700, exist_ok=True)
    except OSError as error:
        raise ConfigRefused(exit_report.CONFIGURATION, f"can't make a directory: {error}") from None


def _take(path: str) -> bytes:
    """The configuration's bytes; nobody else may read the file meanwhile, and it is gone afterwards."""
    try:
        with open(path, "rb") as file:
            os.fchmod(file.fileno(), 0o600)
            data = file.read(_LARGEST_CONFIG)
        os.unlink(path)
    except OSError as error:
        raise ConfigRefused(exit_report.CONFIGURATION, f"can't take the configuration: {error}") from None
    return data


def _listen(address: str, port: int) -> socket.socket:
    """Take connections from now on: who comes before there is a process that answers waits, and is not refused."""
    try:
        return reserved_port.listen((address, port), backlog=BACKLOG)
    except OSError as error:
        raise _taken(address, port, error) from None


def _check_port(address: str, port: int) -> None:
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, port))
    except OSError as error:
        raise _taken(address, port, error) from None


def _taken(address: str, port: int, error: OSError) -> ConfigRefused:
    return ConfigRefused(exit_report.PORT, f"can't listen on {address}:{port}: {error}")


def _leave_streams(kept: socket.socket) -> None:
    """Let go of everything that the command's caller may wait for."""
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    os.closerange(3, kept.fileno())
    os.closerange(kept.fileno() + 1, _LARGEST_DESCRIPTOR)
