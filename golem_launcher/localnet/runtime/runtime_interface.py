"""The interface of a runtime, and the values that one is made from."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from golem_launcher.localnet.runtime.volumes import COMMON

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping, Sequence
    from ipaddress import IPv4Interface
    from pathlib import Path

    from golem_launcher.localnet.runtime.base_layer import BaseEnvironment
    from golem_launcher.localnet.runtime.internet import Destinations, Internet
    from golem_launcher.localnet.runtime.nvidia_smi import PretendedGpu
    from golem_launcher.localnet.runtime.usage import ActivityUsage
    from golem_launcher.localnet.runtime.volumes import Volume, Volumes

MARK = "GOLEM_ACTIVITY"
"""An environment variable of every process of an activity, its value :attr:`ActivityPlace.mark`."""


def family_of(directory: Path) -> str:
    """What the marks of a network's activities begin with; ``directory`` is the network's."""
    return f"{hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]}-"


@dataclass(frozen=True)
class ActivityPlace:
    """Where one activity lives: a private directory, the base layer of Python, and an id of its own."""

    directory: Path
    base: BaseEnvironment
    activity_id: str
    family: str = ""
    """What the marks of all activities of one network begin with."""
    memory_bytes: int = 1 << 30
    """The memory of the machine that was agreed on."""
    like_9p: bool = False
    """Whether host volumes refuse what they refuse in Golem's VM, which they come into by 9p."""
    passes_environment: bool = False
    """Whether commands get the variables of their image, as from runtimes before 0.5."""
    internet: Internet | None = None
    """Where a runtime has a network of its own: what programs reach outside, ``None`` for nothing."""
    destinations: Destinations = None
    """The names, with ports, that they may reach of it and nothing else; ``None`` for everything."""
    gpus: tuple[PretendedGpu, ...] | None = None
    """What the ``nvidia-smi`` of the base image tells of; ``None`` where there is no such program."""

    @property
    def mark(self) -> str:
        """What tells this activity's processes from all others, also those of another network on this machine."""
        return self.family + hashlib.sha256(f"{self.activity_id} {self.directory}".encode()).hexdigest()[:24]

    @property
    def bind_address(self) -> str:
        """A loopback address of this activity's own."""
        digest = hashlib.sha256(self.mark.encode()).digest()
        return f"127.{64 + digest[0] % 64}.{digest[1]}.{1 + digest[2] % 254}"


@dataclass(frozen=True)
class Deployment:
    """What a requestor's ``deploy`` asks for."""

    image_directory: Path | None = None
    """The unpacked image to boot, or ``None`` for the host's base environment."""
    volumes: tuple[Volume, ...] = COMMON
    """All of them: the image's, and those that are asked for."""
    hosts: Mapping[str, str] = field(default_factory=dict)
    hostname: str = "golem"
    workdir: str = "/golem/work"
    """Where commands start, where an image is booted or a sandbox is; else it is the first volume."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """The image's own, which only older runtimes pass on."""

    def memory(self) -> list[Volume]:
        """The volumes that are memory; the root, where its size was asked for, among them."""
        return [volume for volume in self.volumes if volume.kind == "ram"]


class Runtime(Protocol):
    """Runs the commands of one activity. Methods raise :class:`LocalNetError` or ``OSError``."""

    name: str

    @property
    def volumes(self) -> Volumes:
        """The volumes, from :meth:`deploy` on."""

    async def deploy(self, deployment: Deployment) -> None:
        """Make the private directory, the Python environment and what else commands need."""

    async def start(self, args: Sequence[str]) -> None:
        """Begin: from here on commands run."""

    async def run(
        self, argv: Sequence[str], *, on_stdout: Callable[[bytes], None], on_stderr: Callable[[bytes], None]
    ) -> int:
        """Run a command, named by its path, to its end: its exit code, or minus a signal. Cancelling kills it.

        One that can't be started seems to be killed without a word, as in Golem's VM.
        """

    async def interface(self, name: str, address: IPv4Interface, mac: bytes) -> socket.socket | None:
        """A network interface inside, by the raw socket at its other end; ``None`` where there can be none."""

    async def dial(self, port: int) -> socket.socket:
        """A connected, non-blocking socket to a TCP port inside; ``OSError`` when nobody listens."""

    async def usage(self) -> ActivityUsage:
        """What it consumed, cheap enough for every few seconds."""

    async def until_gone(self) -> None:
        """Wait, once it is deployed, until it has ended by itself: killed from outside, say."""

    async def stop(self) -> None:
        """Kill every process of it. Safe to call twice; the files stay."""
