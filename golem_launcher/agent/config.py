"""The agent's configuration: a JSON object in a file, validated.

token     what every request to the agent's server must show; letters, digits, - and _, at least 16
endpoint_token what every request to the workload's endpoint must show (JupyterLab's token); by default the token
port      where the workload listens, on ``$GOLEM_BIND_ADDRESS`` or every address; the three ports after it are the
          agent's: there the launcher's tunnel comes in, see tcp_carrier.py, ssh, and its own server, see server.py
root      the workspace, seen from the configuration's directory; made when it is not there
deadline  Unix time at which everything ends
now       Unix time of whoever wrote this; without it the clock here is trusted to agree with theirs
base_url  the path below which the workload answers, / by default
hold      true: the workload starts only when the agent's server is told so; false by default
stands_by true: this machine stands by until the agent's server is told that it leads, see control.py; false by default
ssh       {"authorized_key": a public key's line, "host_key": a private key in OpenSSH's form}; then an ssh server
          is started, see ways_in.py
workload  {"name": what it is called, "argv": the program and its arguments, "unsaved": patterns of what is not saved,
          "stays": whether the agent goes on when it has ended in order, "port": where it listens first, 0 if nowhere,
          "probe": the path there that answers 200 while it is well; empty where taking connections is all}, see
          program_workload.py and health.py; JupyterLab by default, and where argv is empty
notebook_cluster  whether notebooks here may ask for Dask workers, see cluster_control.py; false by default
kernel_state  whether notebooks' variables are kept and come back, see notebook_states.py; true by default
index_url where pip looks for packages, where it always does by default
"""

from __future__ import annotations

import json
import os
import re
import time
from typing import Any, NamedTuple

from . import exit_report, process_tree

CARRIER_OFFSET, SERVER_OFFSET = 1, 3
"""Of the agent's ports, from the workload's first: that of the carriers, and its own server's."""
_CODES = {exit_report.CONFIGURATION: 2, exit_report.IMAGE: 3, exit_report.PORT: 4}
TOKEN = re.compile(r"[A-Za-z0-9_-]{16,256}")
_BASE_URL = re.compile(r"/((?!\.{1,2}/)[A-Za-z0-9._~@-]+/)*")
_PUBLIC_KEY = re.compile(r"[a-z0-9@.-]+ [A-Za-z0-9+/=]+( [\w@.+-]*)?")
_PRIVATE_KEY = re.compile(r"-----BEGIN OPENSSH PRIVATE KEY-----[A-Za-z0-9+/=\s]+-----END OPENSSH PRIVATE KEY-----\n")
_INDEX_URL = re.compile(r"(https?://[A-Za-z0-9._~:/@-]{1,500})?")
_NAME = re.compile(r"[ -~]{1,40}")
_PATH = re.compile(r"(/[!-~]*)?")
_LARGEST_PORT = 65532
_LAST_PORT = 65535
_LATEST = 1e11
_ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - inside the provider's own network; the token guards it


class Ssh(NamedTuple):
    """Who may come in by ssh, and what the server shows."""

    authorized_key: str
    host_key: str


class WorkloadConfig(NamedTuple):
    """What the machine was rented for."""

    name: str = "JupyterLab"
    argv: tuple[str, ...] = ()
    """Empty: the image's JupyterLab."""
    unsaved: tuple[str, ...] = ()
    """What is not saved beside the defaults, patterns as in ignore.py."""
    stays: bool = False
    """Whether the agent goes on when it has ended in order."""
    port: int = 0
    """Where it listens first; 0: nowhere, or it is a JupyterLab, which the launcher asks itself."""
    probe: str = ""
    """The path there that answers 200 while it is well; empty where it is enough that it takes connections."""


class Config(NamedTuple):
    """What the launcher asks for, checked."""

    token: str
    endpoint_token: str
    port: int
    address: str
    root: str
    deadline: float
    """By the clock of ``proc.clock``."""
    base_url: str
    index_url: str
    """Where pip must look for packages, empty for where it always does."""
    log: str
    """The directory of the log, beside the configuration."""
    ssh: Ssh | None = None
    hold: bool = False
    """The workload waits until the agent's server is told that it may start."""
    stands_by: bool = False
    """Nobody uses this machine yet: JupyterLab runs, with a token of its own, and no variables come back in it."""
    workload: WorkloadConfig = WorkloadConfig()
    notebook_cluster: bool = False
    """Whether notebooks here may ask for a Dask cluster's workers."""
    kernel_state: bool = True
    """Whether variables of notebooks are kept in the workspace, and come back with it."""

    @property
    def waits_for_lead(self) -> bool:
        """Whether the workload must not run here yet: a program does its work once it runs, wherever that is."""
        return self.stands_by and bool(self.workload.argv)

    @property
    def carrier_port(self) -> int:
        """Where the launcher's carriers come in, see tcp_carrier_server.py."""
        return self.port + CARRIER_OFFSET

    @property
    def ssh_port(self) -> int:
        """Where the ssh server listens, if there is one."""
        return self.port + 2

    @property
    def server_port(self) -> int:
        """Where the agent's own server listens, see server.py."""
        return self.port + SERVER_OFFSET

    @property
    def hosts(self) -> tuple[str, ...]:
        """Where servers of this session listen: the workload at the first one, others at any."""
        first = () if self.address == _ANY_ADDRESS else (self.address,)
        return (*first, "127.0.0.1", "::1")

    @property
    def cluster(self) -> str:
        """The directory of what Dask is told here, beside the log."""
        return os.path.join(os.path.dirname(self.log), "cluster")

    @property
    def jupyter(self) -> str:
        """The directory of our configurations for Jupyter's programs, beside the log."""
        return os.path.join(os.path.dirname(self.log), "jupyter")


class ConfigRefused(Exception):  # noqa: N818 - it is an answer
    """The agent does not start. ``kind`` is one of exit_report.py's, ``code`` the command's exit code."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.code = _CODES[kind]


def parse(data: bytes, path: str) -> Config:
    """The configuration in ``data``, read from ``path``. Raises ``ConfigRefused``, never with the token in it."""
    try:
        raw = json.loads(data)
    except ValueError:
        raise ConfigRefused(exit_report.CONFIGURATION, "the configuration is not JSON.") from None
    if not isinstance(raw, dict):
        raise ConfigRefused(exit_report.CONFIGURATION, "the configuration is not an object.")
    return Config(
        token=(token := _text(raw, "token", TOKEN, None)),
        endpoint_token=_text(raw, "endpoint_token", TOKEN, token),
        port=int(_number(raw, "port", 1, _LARGEST_PORT)),
        address=os.environ.get("GOLEM_BIND_ADDRESS") or _ANY_ADDRESS,
        root=os.path.normpath(os.path.join(os.path.dirname(path), _text(raw, "root", None, None))),
        deadline=process_tree.clock() + _seconds(raw),
        base_url=_text(raw, "base_url", _BASE_URL, "/"),
        index_url=_text(raw, "index_url", _INDEX_URL, ""),
        log=log_of(path),
        ssh=_ssh(raw),
        hold=_flag(raw, "hold"),
        stands_by=_flag(raw, "stands_by"),
        workload=_workload(raw),
        notebook_cluster=_flag(raw, "notebook_cluster"),
        kernel_state=_flag({"kernel_state": True, **raw}, "kernel_state"),
    )


def _ssh(raw: dict[str, Any]) -> Ssh | None:
    value = raw.get("ssh")
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ConfigRefused(exit_report.CONFIGURATION, "the configuration's ssh is malformed.")
    return Ssh(_text(value, "authorized_key", _PUBLIC_KEY, None), _text(value, "host_key", _PRIVATE_KEY, None))


def _workload(raw: dict[str, Any]) -> WorkloadConfig:
    value = raw.get("workload")
    if value is None:
        return WorkloadConfig()
    if not isinstance(value, dict):
        raise ConfigRefused(exit_report.CONFIGURATION, "the configuration's workload is malformed.")
    name = _text(value, "name", _NAME, None)
    return WorkloadConfig(
        name,
        _texts(value, "argv"),
        _texts(value, "unsaved"),
        _flag(value, "stays"),
        port=int(_number(value, "port", 0, _LAST_PORT)),
        probe=_text(value, "probe", _PATH, None),
    )


def log_of(path: str) -> str:
    """The directory of the log that belongs to a configuration."""
    return os.path.splitext(path)[0] + ".log"


def _seconds(raw: dict[str, Any]) -> float:
    now = _number(raw, "now", 0, _LATEST) if "now" in raw else time.time()
    return _number(raw, "deadline", now, _LATEST) - now


def _text(raw: dict[str, Any], name: str, pattern: re.Pattern[str] | None, default: str | None) -> str:
    value = raw.get(name, default)
    if not isinstance(value, str) or "\0" in value or (pattern is not None and not pattern.fullmatch(value)):
        raise ConfigRefused(exit_report.CONFIGURATION, f"the configuration's {name} is missing or malformed.")
    return value


def _texts(raw: dict[str, Any], name: str) -> tuple[str, ...]:
    value = raw.get(name)
    if not isinstance(value, list) or not all(isinstance(part, str) and "\0" not in part for part in value):
        raise ConfigRefused(exit_report.CONFIGURATION, f"the configuration's {name} is missing or malformed.")
    return tuple(value)


def _number(raw: dict[str, Any], name: str, least: float, most: float) -> float:
    value = raw.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        raise ConfigRefused(exit_report.CONFIGURATION, f"the configuration's {name} is missing or out of range.")
    return float(value)


def _flag(raw: dict[str, Any], name: str) -> bool:
    value = raw.get(name, False)
    if not isinstance(value, bool):
        raise ConfigRefused(exit_report.CONFIGURATION, f"the configuration's {name} is not true or false.")
    return value
