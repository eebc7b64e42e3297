"""A local network's ``state.json``: what other processes know of it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from golem_launcher import files
from golem_launcher.localnet import daemons
from golem_launcher.localnet.chain.token import Chain
from golem_launcher.node import yagna_process
from golem_launcher.processes import ProcessRecord

if TYPE_CHECKING:
    from golem_launcher.node.node import Node

STATE_FILE = "state.json"

_SITE = Path(__file__).parent / "site"


@dataclass(frozen=True)
class LocalNetwork:
    """A local network that is up."""

    directory: Path
    node: Node
    """The requestor's daemon."""
    registry_url: str
    """Where the registry of images answers."""
    state: dict[str, Any]
    """The whole of ``state.json``; for ``status``."""

    @property
    def providers(self) -> list[dict[str, Any]]:
        """The providers: name, node_id, state, sizes, prices."""
        return list(self.state.get("providers", []))

    @property
    def chain(self) -> Chain | None:
        """The chain that bills are paid on; ``None`` when nothing is paid."""
        return Chain.from_json(self.state.get("chain"))

    def environment(self) -> dict[str, str]:
        """Variables that make an unmodified program of yapapi or golem-js use this network; to add to a child's own."""
        python_path = [str(_SITE), *filter(None, [os.environ.get("PYTHONPATH")])]
        node = self.node.environment()
        return {
            **node,
            "PATH": os.pathsep.join([str(_SITE / "bin"), node["PATH"]]),
            "YAGNA_SUBNET": str(self.state["subnet"]),
            "YAGNA_PAYMENT_DRIVER": "erc20",
            "YAGNA_PAYMENT_NETWORK": str(self.state["payment_network"]),
            "PAYMENT_NETWORK": str(self.state["payment_network"]),
            "PAYMENT_DRIVER": "erc20",
            "GOLEM_REGISTRY_URL": self.registry_url,
            "PYTHONPATH": os.pathsep.join(python_path),
        }


def read(directory: Path) -> dict[str, Any] | None:
    """What the network's process last said; ``None`` when it said nothing."""
    state = files.read_json(directory / STATE_FILE)
    return state if isinstance(state, dict) else None


def server_record(state: dict[str, Any] | None) -> ProcessRecord | None:
    """The process of a network's router and providers."""
    return ProcessRecord.from_json((state or {}).get("server"))


def healthy(directory: Path, state: dict[str, Any] | None) -> LocalNetwork | None:
    """The network of a state, when it is ready and its three processes are alive."""
    record = server_record(state)
    if state is None or state.get("stage") != "ready" or record is None or not record.alive():
        return None
    requestor = _daemon(directory, state, daemons.REQUESTOR)
    provider = _daemon(directory, state, daemons.PROVIDER)
    if requestor is None or provider is None:
        return None
    return LocalNetwork(directory, requestor.node, str(state.get("registry_url", "")), state)


def _daemon(directory: Path, state: dict[str, Any], role: str) -> yagna_process.YagnaProcess | None:
    """The daemon of a role, when it runs and the network's process knows it (it may be just starting another one)."""
    running = yagna_process.find_running(daemons.data_dir(directory, role, Chain.from_json(state.get("chain"))))
    known = ProcessRecord.from_json(state.get("daemons", {}).get(role))
    return running if running is not None and running.record == known else None
