"""What is sent into a machine for a workload: the agent, what it is told, and the commands that start it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from golem_launcher.workload import shell_launch
from golem_launcher.workload.archive import agent_archive, compiled_agent_archive, spare_pip

if TYPE_CHECKING:
    from collections.abc import Mapping

    from golem_launcher.workload.base import Workload

_AGENT_PATH = "/golem/run/golem-launcher-agent.pyz"
_CONFIG_PATH = "/golem/run/golem-launcher-agent.json"
_PIP_PATH = "/golem/run/golem-launcher-pip.zip"
_ROOT = "../work"
"""As seen from the configuration: a runtime without mounts keeps the container's paths somewhere else."""


@dataclass(frozen=True)
class Shipment:
    """What is put into a machine for a workload, and the commands that start it there and ask after it."""

    files: tuple[tuple[str, bytes], ...]
    """Path in the container, content."""
    argv: tuple[str, ...]
    last_words: tuple[str, ...]
    """Tells whether the agent has ended, and why, as :mod:`golem_launcher.agent.exit_report` has it."""
    workspace: str = "/golem/work"
    """A volume for the user's files: all of it is saved, and comes back elsewhere."""
    run: str = "/golem/run"
    """A volume for ours, a directory of the provider's disk: what is transferred goes there."""


def shipment(workload: Workload, settings: Mapping[str, Any], *, familiar: bool) -> Shipment:
    """What is sent for ``workload``, with the agent's ``settings`` (see ``agent/config.py``). Called once per machine.

    ``familiar``: the image is the local network's, which has this Python, and pip. Blocking: half a second the first
    time.
    """
    first = workload.first
    about = {
        "name": workload.title,
        "argv": workload.argv,
        "unsaved": workload.unsaved,
        "stays": workload.ends_session,  # to be saved once it is over
        "port": 0 if first is None or first.is_lab else first.port,
        "probe": workload.probe if first is not None and first.protocol == "http" else "",
    }
    config = {**settings, "root": _ROOT, "workload": about}
    agent = compiled_agent_archive() if familiar else agent_archive()
    files = [(_AGENT_PATH, agent), (_CONFIG_PATH, json.dumps(config).encode())]
    if not familiar:
        files.append((_PIP_PATH, spare_pip()))
    return Shipment(
        files=tuple(files),
        argv=shell_launch.python(_AGENT_PATH, _CONFIG_PATH),
        last_words=shell_launch.python(_AGENT_PATH, "--last-words", _CONFIG_PATH),
    )
