"""Types and words of ``import golem_launcher`` for editors. Made from the code: make generated."""

from collections.abc import Sequence
from decimal import Decimal
from os import PathLike
from typing import Literal

from golem_launcher import errors as errors
from golem_launcher.api.market import Offers as Offers
from golem_launcher.api.market import wallet as wallet
from golem_launcher.api.session import Session as _Session
from golem_launcher.tasks.executor import Executor as Executor
from golem_launcher.tasks.mapping import map as map
from golem_launcher.tasks.mapping import map_async as map_async
from golem_launcher.errors import AccessError as AccessError
from golem_launcher.errors import BudgetError as BudgetError
from golem_launcher.errors import BusCallError as BusCallError
from golem_launcher.errors import BusClosed as BusClosed
from golem_launcher.errors import BusError as BusError
from golem_launcher.errors import BusProtocolError as BusProtocolError
from golem_launcher.errors import ImageBlamed as ImageBlamed
from golem_launcher.errors import ImageError as ImageError
from golem_launcher.errors import LauncherError as LauncherError
from golem_launcher.errors import LocalNetError as LocalNetError
from golem_launcher.errors import MarketError as MarketError
from golem_launcher.errors import NodeError as NodeError
from golem_launcher.errors import NodeRefused as NodeRefused
from golem_launcher.errors import NodeStartError as NodeStartError
from golem_launcher.errors import NodeUnreachable as NodeUnreachable
from golem_launcher.errors import NothingToSave as NothingToSave
from golem_launcher.errors import ProviderError as ProviderError
from golem_launcher.errors import ProviderGone as ProviderGone
from golem_launcher.errors import ProviderSilent as ProviderSilent
from golem_launcher.errors import RequestError as RequestError
from golem_launcher.errors import ServiceError as ServiceError
from golem_launcher.errors import SessionDamaged as SessionDamaged
from golem_launcher.errors import SessionError as SessionError
from golem_launcher.errors import SessionNameTaken as SessionNameTaken
from golem_launcher.errors import SessionNotEnded as SessionNotEnded
from golem_launcher.errors import SessionNotFound as SessionNotFound
from golem_launcher.errors import SupervisorSilent as SupervisorSilent
from golem_launcher.errors import TaskError as TaskError
from golem_launcher.errors import UsedUp as UsedUp
from golem_launcher.errors import WorkspaceError as WorkspaceError
from golem_launcher.market.quote import Quote

__all__ = [
    "errors",
    "Executor",
    "Offers",
    "Session",
    "attach",
    "launch",
    "map",
    "map_async",
    "offers",
    "quote",
    "sessions",
    "wallet",
    "AccessError",
    "BudgetError",
    "BusCallError",
    "BusClosed",
    "BusError",
    "BusProtocolError",
    "ImageBlamed",
    "ImageError",
    "LauncherError",
    "LocalNetError",
    "MarketError",
    "NodeError",
    "NodeRefused",
    "NodeStartError",
    "NodeUnreachable",
    "NothingToSave",
    "ProviderError",
    "ProviderGone",
    "ProviderSilent",
    "RequestError",
    "ServiceError",
    "SessionDamaged",
    "SessionError",
    "SessionNameTaken",
    "SessionNotEnded",
    "SessionNotFound",
    "SupervisorSilent",
    "TaskError",
    "UsedUp",
    "WorkspaceError",
]

__version__: str

class Session(_Session):
    """A session: JupyterLab, or another program, at a provider.

    As a context it is started and waited for, and saved and ended when the block is left, whatever happened in it::

        with golem_launcher.Session(hours=2) as lab:
            print(lab.state.head.provider_name)

    ``async with`` does the same without blocking the loop. Methods that begin with an ``a`` are to be awaited, and do
    what the same one without it does. Outside of ``with``, :func:`launch` starts one, and :func:`attach` finds one.
    """
    def __init__(
        self,
        *,
        name: str | None = None,
        network: str = "local",
        budget: float | str | Decimal = 1,
        price_per_hour: float | str | Decimal | None = None,
        hours: float | str | Decimal = 1,
        machines: int = 1,
        workers: int = 0,
        max_workers: int = 0,
        cpus: int = 1,
        memory_gib: float = 1,
        disk_gib: float = 2,
        gpus: int = 0,
        gpu_model: str | None = None,
        gpu_memory_gib: float | None = None,
        software: str | None = None,
        image: str | None = None,
        packages: str | Sequence[str] = (),
        inputs: str | PathLike[str] | Sequence[str | PathLike[str]] = (),
        resume: str | None = None,
        ssh_key: str | None = None,
        choose: Literal["price", "random", "reputation", "speed"] = "price",
        allow: str | Sequence[str] = (),
        deny: str | Sequence[str] = (),
        workload: str = "lab",
        outbound: Literal["off", "packages", "listed", "unrestricted"] = "packages",
        outbound_urls: str | Sequence[str] = (),
        outbound_permit: str | PathLike[str] | Sequence[str | PathLike[str]] = (),
        save: bool = True,
        save_seconds: float = 5,
        save_space_gib: float = 20,
        store: str | None = None,
        kernel_state: bool = True,
        encrypt: bool = False,
        recover: bool = True,
        standby: int = 0,
        idle: str | None = None,
        when_idle: Literal["stop", "suspend", "release-gpu"] = "stop",
        lab_extensions: bool = True,
    ) -> None:
        """Ask for a session; nothing is started yet. Raises ``RequestError`` for what can't be.

        Args:
            name: Name. What it is called, here and in commands.
            network: Network. Where to look for a provider. One of local, hoodi, polygon, mainnet, amoy,
                sepolia.
            budget: Budget. The most this session may ever cost. At most 100000 GLM.
            price_per_hour: Highest price. Providers that ask more for an hour are not taken. Empty: the
                budget alone decides. At most 100000 GLM per hour.
            hours: Time. The session ends by itself after this time. 0.01 to 720 hours.
            machines: Machines. Each at another provider, in one private network; the first has your files.
                1 to 50 machines.
            workers: Dask workers. A Dask cluster beside the notebook, each worker on a machine of its own.
                Any machine of a cluster can read and change all of it, your files included. 0 to 15
                workers.
            max_workers: Workers at most. So many a notebook may ask for, within the budget. 0: no more than
                it begins with. 0 to 15 workers.
            cpus: Cores, at least. 1 to 256 cores.
            memory_gib: Memory, at least. 0.1 to 4096 GiB.
            disk_gib: Disk, at least. 0.1 to 65536 GiB.
            gpus: GPUs, at least. 0 takes machines with and without one. 0 to 16.
            gpu_model: GPU model. A part of its name, like 'RTX 3090'. Empty: any.
            gpu_memory_gib: GPU memory, at least. Of each GPU, at least. Empty: any. At most 1024 GiB.
            software: Software. What is there beside JupyterLab. Empty: data science (sklearn); base on this
                computer's own network, where packages are installed at each start. One of sklearn, base,
                tensorflow, pytorch, gpu.
            image: Image. An image of your own instead: its tag (user/name:tag), its hash, or its name in
                'golem-launcher image list'. It needs Python 3.9 or newer.
            packages: Packages. Python packages to install, as in a requirements file. Like pandas>=2.
            inputs: Files to bring. Files or folders of this computer, or addresses of git repositories.
                Like https://github.com/you/repository.
            resume: Resume. A saved workspace to go on with: its name, or name@generation.
            ssh_key: Public SSH key. Lets you in by ssh: the one line of a file like ~/.ssh/id_ed25519.pub.
            choose: Provider. Which of the machines that fit is taken. One of price, random, reputation,
                speed.
            allow: Only these providers. Ids, or names, which any provider may take. Empty: all.
            deny: Never these providers. Ids, names or operators' wallets.
            workload: Workload. What runs there: JupyterLab (lab), or what an installed package brings.
            outbound: Internet for the session. What the notebook may reach from the provider. One of
                packages, off, listed, unrestricted.
            outbound_urls: Addresses it may reach. Like https://data.example.org. Used with 'listed'.
            outbound_permit: Permit files. For what providers don't allow everybody: a node descriptor, or a
                certificate and its key. Like ~/golem/key.pem.
            save: Save my work. Keeps a copy of the workspace on your side, every few seconds.
            save_seconds: Save every. While something changes. 1 to 3600 seconds.
            save_space_gib: Saves may take. Beyond that, older ones go. At least four times the disk counts.
                1 to 1000000 GiB.
            store: Where saves are kept. A folder or an address (s3://, gs://, sftp://, hdfs://, redis://).
                Empty: this computer.
            kernel_state: Keep notebooks' variables. They are saved with your files, and come back when the
                session goes on at another machine.
            encrypt: Encrypt saves. The key stays on this computer; without it nobody can read them, you
                included.
            recover: Go on elsewhere. When the provider is lost, take another one within budget and time,
                with the last save.
            standby: Standby machines. 1: a second machine, another owner's, is kept ready with all that is
                saved, and takes over within seconds when the first is lost. It is paid as well. 0 to 1
                machines.
            idle: Counts as unused after. A time in which nothing happened, like 30m or 3h; none: never.
                Then it is saved, and what is chosen for 'When it is unused' is done. Empty: 60m, but never
                on this computer's own network.
            when_idle: When it is unused. Suspended, it costs nothing, and its link wakes it up with what is
                left of budget and time. Without its GPU it goes on at a cheaper machine, and is stopped
                there when nobody uses that either. One of stop, suspend, release-gpu.
            lab_extensions: JupyterLab's extensions. Front-end extensions installed in the session run in
                your browser, on its page alone.
        """

def launch(
    *,
    name: str | None = None,
    network: str = "local",
    budget: float | str | Decimal = 1,
    price_per_hour: float | str | Decimal | None = None,
    hours: float | str | Decimal = 1,
    machines: int = 1,
    workers: int = 0,
    max_workers: int = 0,
    cpus: int = 1,
    memory_gib: float = 1,
    disk_gib: float = 2,
    gpus: int = 0,
    gpu_model: str | None = None,
    gpu_memory_gib: float | None = None,
    software: str | None = None,
    image: str | None = None,
    packages: str | Sequence[str] = (),
    inputs: str | PathLike[str] | Sequence[str | PathLike[str]] = (),
    resume: str | None = None,
    ssh_key: str | None = None,
    choose: Literal["price", "random", "reputation", "speed"] = "price",
    allow: str | Sequence[str] = (),
    deny: str | Sequence[str] = (),
    workload: str = "lab",
    outbound: Literal["off", "packages", "listed", "unrestricted"] = "packages",
    outbound_urls: str | Sequence[str] = (),
    outbound_permit: str | PathLike[str] | Sequence[str | PathLike[str]] = (),
    save: bool = True,
    save_seconds: float = 5,
    save_space_gib: float = 20,
    store: str | None = None,
    kernel_state: bool = True,
    encrypt: bool = False,
    recover: bool = True,
    standby: int = 0,
    idle: str | None = None,
    when_idle: Literal["stop", "suspend", "release-gpu"] = "stop",
    lab_extensions: bool = True,
) -> Session:
    """Start a session and wait until its JupyterLab, or other workload, answers: ``launch(hours=2).url``.

    What happens meanwhile is shown: in a notebook by a display that changes, in a terminal by lines. An interrupt while
    it waits ends what was begun.

    Args:
        name: Name. What it is called, here and in commands.
        network: Network. Where to look for a provider. One of local, hoodi, polygon, mainnet, amoy,
            sepolia.
        budget: Budget. The most this session may ever cost. At most 100000 GLM.
        price_per_hour: Highest price. Providers that ask more for an hour are not taken. Empty: the
            budget alone decides. At most 100000 GLM per hour.
        hours: Time. The session ends by itself after this time. 0.01 to 720 hours.
        machines: Machines. Each at another provider, in one private network; the first has your files.
            1 to 50 machines.
        workers: Dask workers. A Dask cluster beside the notebook, each worker on a machine of its own.
            Any machine of a cluster can read and change all of it, your files included. 0 to 15
            workers.
        max_workers: Workers at most. So many a notebook may ask for, within the budget. 0: no more than
            it begins with. 0 to 15 workers.
        cpus: Cores, at least. 1 to 256 cores.
        memory_gib: Memory, at least. 0.1 to 4096 GiB.
        disk_gib: Disk, at least. 0.1 to 65536 GiB.
        gpus: GPUs, at least. 0 takes machines with and without one. 0 to 16.
        gpu_model: GPU model. A part of its name, like 'RTX 3090'. Empty: any.
        gpu_memory_gib: GPU memory, at least. Of each GPU, at least. Empty: any. At most 1024 GiB.
        software: Software. What is there beside JupyterLab. Empty: data science (sklearn); base on this
            computer's own network, where packages are installed at each start. One of sklearn, base,
            tensorflow, pytorch, gpu.
        image: Image. An image of your own instead: its tag (user/name:tag), its hash, or its name in
            'golem-launcher image list'. It needs Python 3.9 or newer.
        packages: Packages. Python packages to install, as in a requirements file. Like pandas>=2.
        inputs: Files to bring. Files or folders of this computer, or addresses of git repositories.
            Like https://github.com/you/repository.
        resume: Resume. A saved workspace to go on with: its name, or name@generation.
        ssh_key: Public SSH key. Lets you in by ssh: the one line of a file like ~/.ssh/id_ed25519.pub.
        choose: Provider. Which of the machines that fit is taken. One of price, random, reputation,
            speed.
        allow: Only these providers. Ids, or names, which any provider may take. Empty: all.
        deny: Never these providers. Ids, names or operators' wallets.
        workload: Workload. What runs there: JupyterLab (lab), or what an installed package brings.
        outbound: Internet for the session. What the notebook may reach from the provider. One of
            packages, off, listed, unrestricted.
        outbound_urls: Addresses it may reach. Like https://data.example.org. Used with 'listed'.
        outbound_permit: Permit files. For what providers don't allow everybody: a node descriptor, or a
            certificate and its key. Like ~/golem/key.pem.
        save: Save my work. Keeps a copy of the workspace on your side, every few seconds.
        save_seconds: Save every. While something changes. 1 to 3600 seconds.
        save_space_gib: Saves may take. Beyond that, older ones go. At least four times the disk counts.
            1 to 1000000 GiB.
        store: Where saves are kept. A folder or an address (s3://, gs://, sftp://, hdfs://, redis://).
            Empty: this computer.
        kernel_state: Keep notebooks' variables. They are saved with your files, and come back when the
            session goes on at another machine.
        encrypt: Encrypt saves. The key stays on this computer; without it nobody can read them, you
            included.
        recover: Go on elsewhere. When the provider is lost, take another one within budget and time,
            with the last save.
        standby: Standby machines. 1: a second machine, another owner's, is kept ready with all that is
            saved, and takes over within seconds when the first is lost. It is paid as well. 0 to 1
            machines.
        idle: Counts as unused after. A time in which nothing happened, like 30m or 3h; none: never.
            Then it is saved, and what is chosen for 'When it is unused' is done. Empty: 60m, but never
            on this computer's own network.
        when_idle: When it is unused. Suspended, it costs nothing, and its link wakes it up with what is
            left of budget and time. Without its GPU it goes on at a cheaper machine, and is stopped
            there when nobody uses that either. One of stop, suspend, release-gpu.
        lab_extensions: JupyterLab's extensions. Front-end extensions installed in the session run in
            your browser, on its page alone.

    Returns:
        The session. It ends by itself after ``hours``, or by its ``stop()``.

    Raises:
        RequestError: what is asked for can't be; nothing was started.
        SessionError: the session failed; the reason is in its words.
    """

def offers(
    *,
    name: str | None = None,
    network: str = "local",
    budget: float | str | Decimal = 1,
    price_per_hour: float | str | Decimal | None = None,
    hours: float | str | Decimal = 1,
    machines: int = 1,
    workers: int = 0,
    max_workers: int = 0,
    cpus: int = 1,
    memory_gib: float = 1,
    disk_gib: float = 2,
    gpus: int = 0,
    gpu_model: str | None = None,
    gpu_memory_gib: float | None = None,
    software: str | None = None,
    image: str | None = None,
    packages: str | Sequence[str] = (),
    inputs: str | PathLike[str] | Sequence[str | PathLike[str]] = (),
    resume: str | None = None,
    ssh_key: str | None = None,
    choose: Literal["price", "random", "reputation", "speed"] = "price",
    allow: str | Sequence[str] = (),
    deny: str | Sequence[str] = (),
    workload: str = "lab",
    outbound: Literal["off", "packages", "listed", "unrestricted"] = "packages",
    outbound_urls: str | Sequence[str] = (),
    outbound_permit: str | PathLike[str] | Sequence[str | PathLike[str]] = (),
    save: bool = True,
    save_seconds: float = 5,
    save_space_gib: float = 20,
    store: str | None = None,
    kernel_state: bool = True,
    encrypt: bool = False,
    recover: bool = True,
    standby: int = 0,
    idle: str | None = None,
    when_idle: Literal["stop", "suspend", "release-gpu"] = "stop",
    lab_extensions: bool = True,
) -> Offers:
    """What is on offer now for a request: two seconds on this computer's network, eight on Golem's. Nothing is paid.

    Args:
        name: Name. What it is called, here and in commands.
        network: Network. Where to look for a provider. One of local, hoodi, polygon, mainnet, amoy,
            sepolia.
        budget: Budget. The most this session may ever cost. At most 100000 GLM.
        price_per_hour: Highest price. Providers that ask more for an hour are not taken. Empty: the
            budget alone decides. At most 100000 GLM per hour.
        hours: Time. The session ends by itself after this time. 0.01 to 720 hours.
        machines: Machines. Each at another provider, in one private network; the first has your files.
            1 to 50 machines.
        workers: Dask workers. A Dask cluster beside the notebook, each worker on a machine of its own.
            Any machine of a cluster can read and change all of it, your files included. 0 to 15
            workers.
        max_workers: Workers at most. So many a notebook may ask for, within the budget. 0: no more than
            it begins with. 0 to 15 workers.
        cpus: Cores, at least. 1 to 256 cores.
        memory_gib: Memory, at least. 0.1 to 4096 GiB.
        disk_gib: Disk, at least. 0.1 to 65536 GiB.
        gpus: GPUs, at least. 0 takes machines with and without one. 0 to 16.
        gpu_model: GPU model. A part of its name, like 'RTX 3090'. Empty: any.
        gpu_memory_gib: GPU memory, at least. Of each GPU, at least. Empty: any. At most 1024 GiB.
        software: Software. What is there beside JupyterLab. Empty: data science (sklearn); base on this
            computer's own network, where packages are installed at each start. One of sklearn, base,
            tensorflow, pytorch, gpu.
        image: Image. An image of your own instead: its tag (user/name:tag), its hash, or its name in
            'golem-launcher image list'. It needs Python 3.9 or newer.
        packages: Packages. Python packages to install, as in a requirements file. Like pandas>=2.
        inputs: Files to bring. Files or folders of this computer, or addresses of git repositories.
            Like https://github.com/you/repository.
        resume: Resume. A saved workspace to go on with: its name, or name@generation.
        ssh_key: Public SSH key. Lets you in by ssh: the one line of a file like ~/.ssh/id_ed25519.pub.
        choose: Provider. Which of the machines that fit is taken. One of price, random, reputation,
            speed.
        allow: Only these providers. Ids, or names, which any provider may take. Empty: all.
        deny: Never these providers. Ids, names or operators' wallets.
        workload: Workload. What runs there: JupyterLab (lab), or what an installed package brings.
        outbound: Internet for the session. What the notebook may reach from the provider. One of
            packages, off, listed, unrestricted.
        outbound_urls: Addresses it may reach. Like https://data.example.org. Used with 'listed'.
        outbound_permit: Permit files. For what providers don't allow everybody: a node descriptor, or a
            certificate and its key. Like ~/golem/key.pem.
        save: Save my work. Keeps a copy of the workspace on your side, every few seconds.
        save_seconds: Save every. While something changes. 1 to 3600 seconds.
        save_space_gib: Saves may take. Beyond that, older ones go. At least four times the disk counts.
            1 to 1000000 GiB.
        store: Where saves are kept. A folder or an address (s3://, gs://, sftp://, hdfs://, redis://).
            Empty: this computer.
        kernel_state: Keep notebooks' variables. They are saved with your files, and come back when the
            session goes on at another machine.
        encrypt: Encrypt saves. The key stays on this computer; without it nobody can read them, you
            included.
        recover: Go on elsewhere. When the provider is lost, take another one within budget and time,
            with the last save.
        standby: Standby machines. 1: a second machine, another owner's, is kept ready with all that is
            saved, and takes over within seconds when the first is lost. It is paid as well. 0 to 1
            machines.
        idle: Counts as unused after. A time in which nothing happened, like 30m or 3h; none: never.
            Then it is saved, and what is chosen for 'When it is unused' is done. Empty: 60m, but never
            on this computer's own network.
        when_idle: When it is unused. Suspended, it costs nothing, and its link wakes it up with what is
            left of budget and time. Without its GPU it goes on at a cheaper machine, and is stopped
            there when nobody uses that either. One of stop, suspend, release-gpu.
        lab_extensions: JupyterLab's extensions. Front-end extensions installed in the session run in
            your browser, on its page alone.

    Raises:
        RequestError: what is asked for can't be.
        LauncherError: the node can't be started, or does not answer.
    """

def quote(
    *,
    name: str | None = None,
    network: str = "local",
    budget: float | str | Decimal = 1,
    price_per_hour: float | str | Decimal | None = None,
    hours: float | str | Decimal = 1,
    machines: int = 1,
    workers: int = 0,
    max_workers: int = 0,
    cpus: int = 1,
    memory_gib: float = 1,
    disk_gib: float = 2,
    gpus: int = 0,
    gpu_model: str | None = None,
    gpu_memory_gib: float | None = None,
    software: str | None = None,
    image: str | None = None,
    packages: str | Sequence[str] = (),
    inputs: str | PathLike[str] | Sequence[str | PathLike[str]] = (),
    resume: str | None = None,
    ssh_key: str | None = None,
    choose: Literal["price", "random", "reputation", "speed"] = "price",
    allow: str | Sequence[str] = (),
    deny: str | Sequence[str] = (),
    workload: str = "lab",
    outbound: Literal["off", "packages", "listed", "unrestricted"] = "packages",
    outbound_urls: str | Sequence[str] = (),
    outbound_permit: str | PathLike[str] | Sequence[str | PathLike[str]] = (),
    save: bool = True,
    save_seconds: float = 5,
    save_space_gib: float = 20,
    store: str | None = None,
    kernel_state: bool = True,
    encrypt: bool = False,
    recover: bool = True,
    standby: int = 0,
    idle: str | None = None,
    when_idle: Literal["stop", "suspend", "release-gpu"] = "stop",
    lab_extensions: bool = True,
) -> Quote:
    """What a request would cost by the offers of now, and how long its budget lasts. Nothing is paid.

    Args:
        name: Name. What it is called, here and in commands.
        network: Network. Where to look for a provider. One of local, hoodi, polygon, mainnet, amoy,
            sepolia.
        budget: Budget. The most this session may ever cost. At most 100000 GLM.
        price_per_hour: Highest price. Providers that ask more for an hour are not taken. Empty: the
            budget alone decides. At most 100000 GLM per hour.
        hours: Time. The session ends by itself after this time. 0.01 to 720 hours.
        machines: Machines. Each at another provider, in one private network; the first has your files.
            1 to 50 machines.
        workers: Dask workers. A Dask cluster beside the notebook, each worker on a machine of its own.
            Any machine of a cluster can read and change all of it, your files included. 0 to 15
            workers.
        max_workers: Workers at most. So many a notebook may ask for, within the budget. 0: no more than
            it begins with. 0 to 15 workers.
        cpus: Cores, at least. 1 to 256 cores.
        memory_gib: Memory, at least. 0.1 to 4096 GiB.
        disk_gib: Disk, at least. 0.1 to 65536 GiB.
        gpus: GPUs, at least. 0 takes machines with and without one. 0 to 16.
        gpu_model: GPU model. A part of its name, like 'RTX 3090'. Empty: any.
        gpu_memory_gib: GPU memory, at least. Of each GPU, at least. Empty: any. At most 1024 GiB.
        software: Software. What is there beside JupyterLab. Empty: data science (sklearn); base on this
            computer's own network, where packages are installed at each start. One of sklearn, base,
            tensorflow, pytorch, gpu.
        image: Image. An image of your own instead: its tag (user/name:tag), its hash, or its name in
            'golem-launcher image list'. It needs Python 3.9 or newer.
        packages: Packages. Python packages to install, as in a requirements file. Like pandas>=2.
        inputs: Files to bring. Files or folders of this computer, or addresses of git repositories.
            Like https://github.com/you/repository.
        resume: Resume. A saved workspace to go on with: its name, or name@generation.
        ssh_key: Public SSH key. Lets you in by ssh: the one line of a file like ~/.ssh/id_ed25519.pub.
        choose: Provider. Which of the machines that fit is taken. One of price, random, reputation,
            speed.
        allow: Only these providers. Ids, or names, which any provider may take. Empty: all.
        deny: Never these providers. Ids, names or operators' wallets.
        workload: Workload. What runs there: JupyterLab (lab), or what an installed package brings.
        outbound: Internet for the session. What the notebook may reach from the provider. One of
            packages, off, listed, unrestricted.
        outbound_urls: Addresses it may reach. Like https://data.example.org. Used with 'listed'.
        outbound_permit: Permit files. For what providers don't allow everybody: a node descriptor, or a
            certificate and its key. Like ~/golem/key.pem.
        save: Save my work. Keeps a copy of the workspace on your side, every few seconds.
        save_seconds: Save every. While something changes. 1 to 3600 seconds.
        save_space_gib: Saves may take. Beyond that, older ones go. At least four times the disk counts.
            1 to 1000000 GiB.
        store: Where saves are kept. A folder or an address (s3://, gs://, sftp://, hdfs://, redis://).
            Empty: this computer.
        kernel_state: Keep notebooks' variables. They are saved with your files, and come back when the
            session goes on at another machine.
        encrypt: Encrypt saves. The key stays on this computer; without it nobody can read them, you
            included.
        recover: Go on elsewhere. When the provider is lost, take another one within budget and time,
            with the last save.
        standby: Standby machines. 1: a second machine, another owner's, is kept ready with all that is
            saved, and takes over within seconds when the first is lost. It is paid as well. 0 to 1
            machines.
        idle: Counts as unused after. A time in which nothing happened, like 30m or 3h; none: never.
            Then it is saved, and what is chosen for 'When it is unused' is done. Empty: 60m, but never
            on this computer's own network.
        when_idle: When it is unused. Suspended, it costs nothing, and its link wakes it up with what is
            left of budget and time. Without its GPU it goes on at a cheaper machine, and is stopped
            there when nobody uses that either. One of stop, suspend, release-gpu.
        lab_extensions: JupyterLab's extensions. Front-end extensions installed in the session run in
            your browser, on its page alone.

    Raises:
        RequestError: what is asked for can't be.
        LauncherError: the node can't be started, or does not answer.
    """

def attach(name: str) -> Session:
    """The session ``name``, whoever started it: the page, a command, another program. Raises ``SessionNotFound``."""

def sessions() -> list[Session]:
    """All sessions that there are, those that have ended too, the newest first."""
