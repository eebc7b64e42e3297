"""What the parts of one session share, as values: each is made when all that is in it exists, and stays as it is.

Nothing in them belongs to one machine: a session may have several, one after the other or side by side.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from golem_launcher.networks import NETWORKS
from golem_launcher.outbound import OutboundRules
from golem_launcher.rental.choice import Choice
from golem_launcher.rental.payment.journal import Journal
from golem_launcher.rental.payment.money import Money
from golem_launcher.session.cluster.cluster import Cluster
from golem_launcher.session.endpoints.endpoint import SessionEndpoint
from golem_launcher.session.endpoints.machine_slot import HEAD, MachineRecorder, MachineSlot
from golem_launcher.session.lifetime.deadline import Deadline
from golem_launcher.session.lifetime.extending import Extension
from golem_launcher.session.lifetime.idle import Idleness
from golem_launcher.session.preparation import network_nodes
from golem_launcher.session.saving.pool_files import PoolFiles
from golem_launcher.session.saving.saves import Saves
from golem_launcher.workload import registry
from golem_launcher.workload.dask_worker import DASK_WORKER

if TYPE_CHECKING:
    from golem_launcher.networks import Network
    from golem_launcher.node.node import Node
    from golem_launcher.node.requestor_api import YagnaRest
    from golem_launcher.rental.image import SessionImage
    from golem_launcher.rental.image_faults import ImageFaults
    from golem_launcher.rental.network_connection import NetworkConnection
    from golem_launcher.rental.payment.terminations import Terminations
    from golem_launcher.rental.session_engine import SessionEngine
    from golem_launcher.request import LaunchRequest
    from golem_launcher.session.endpoints.machine_endpoint import MachineEndpoint
    from golem_launcher.session.endpoints.machine_slot import MachineFiles
    from golem_launcher.session.on_disk.directory import SessionDirectory
    from golem_launcher.session.reporting.recorder import Recorder
    from golem_launcher.workload.base import Workload


@dataclass(frozen=True)
class Context:
    """A session from its first moment on."""

    directory: SessionDirectory
    request: LaunchRequest
    workload: Workload
    """What its head runs, and its other machines where they are no workers of a cluster."""
    network: Network
    outbound: OutboundRules
    """What it may reach."""
    recorder: Recorder
    journal: Journal
    money: Money
    choice: Choice
    deadline: Deadline
    extension: Extension
    endpoint: SessionEndpoint
    saves: Saves
    idle: Idleness
    slots: tuple[MachineSlot, ...]
    """Of all machines that it may have at a time, by number: the head's comes first."""
    cluster: Cluster | None
    """The Dask cluster beside its notebooks."""

    @classmethod
    def of(cls, directory: SessionDirectory, recorder: Recorder) -> Context:
        """The session that ``directory`` asks for; its journal begins here. Raises ``SessionDamaged``."""
        request = directory.request()
        workload = registry.find(request.workload)
        network = NETWORKS[request.network]
        mirror = network.has_package_mirror
        journal = Journal.create(directory.path)
        money = Money(request.budget, journal, recorder)
        deadline = Deadline.of(request.hours)
        of_others = DASK_WORKER if request.has_cluster else workload
        endpoint = SessionEndpoint(
            directory,
            request,
            recorder,
            token=directory.token() or secrets.token_hex(24),  # of the session whose place it takes, where there is one
            workload=workload,
            of_others=of_others,
        )
        saves = Saves(directory, request, endpoint, recorder)
        places: list[tuple[Workload, MachineEndpoint, MachineFiles]] = [(workload, endpoint.head, saves)]
        places += [(of_others, one, PoolFiles(request, one, saves)) for one in endpoint.others]
        return cls(
            directory=directory,
            request=request,
            workload=workload,
            network=network,
            outbound=OutboundRules.of(request.outbound, request.outbound_urls, mirror=mirror),
            recorder=recorder,
            journal=journal,
            money=money,
            choice=Choice(request),
            deadline=deadline,
            extension=Extension(request, workload, deadline=deadline, money=money, recorder=recorder),
            endpoint=endpoint,
            saves=saves,
            idle=Idleness(request, endpoint, saves, recorder),
            slots=tuple(
                MachineSlot(runs, one, MachineRecorder(recorder, number), files, directory.machine_log(number))
                for number, (runs, one, files) in enumerate(places, HEAD)
            ),
            cluster=Cluster(request, recorder) if request.has_cluster else None,
        )


@dataclass(frozen=True)
class Entered(Context):
    """A session that has reached its network: what it leaves at the node must be closed down."""

    connection: NetworkConnection
    rest: YagnaRest
    identity: str
    """The node's."""

    def find_node(self) -> Node | None:
        """The session's node where it answers now, if that is another address; else ``None``. Blocking."""
        return network_nodes.elsewhere(self.network, self.connection.node, self.identity)


@dataclass(frozen=True)
class Prepared(Entered):
    """A session that has its money set aside and something to run: it can rent machines."""

    image: SessionImage
    engine: SessionEngine
    image_faults: ImageFaults
    terminations: Terminations
