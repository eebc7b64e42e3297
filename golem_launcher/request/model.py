"""All that a user can ask for, field by field: the one definition of each."""

from __future__ import annotations

import secrets
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from golem_launcher.networks import DEFAULT, NETWORKS
from golem_launcher.request import field_types
from golem_launcher.request.field_metadata import About
from golem_launcher.software import SOFTWARE

MOST_WORKERS = 15
"""Of one cluster."""


def _new_name() -> str:
    return f"lab-{secrets.token_hex(3)}"


class RequestFields(BaseModel):
    """The fields of a :class:`~golem_launcher.request.launch_request.LaunchRequest`, which has all else about it.

    What a field's ``Field`` can't say, its :class:`About` does.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: Annotated[
        field_types.Name,
        Field(
            default_factory=_new_name,
            title="Name",
            description="What it is called, here and in commands.",
        ),
        About("main", words=("name",)),
    ]
    network: Annotated[
        field_types.NetworkName,
        Field(
            default=DEFAULT,
            title="Network",
            description="Where to look for a provider.",
        ),
        About("main", words=("network",), kind="tiles", choices={one.name: one.title for one in NETWORKS.values()}),
    ]
    budget: Annotated[
        field_types.Glm,
        Field(
            default=Decimal(1),
            title="Budget",
            description="The most this session may ever cost.",
        ),
        About("main", unit="GLM", bound="most", words=("budget",)),
    ]
    price_per_hour: Annotated[
        field_types.Glm | None,
        Field(
            default=None,
            title="Highest price",
            description="Providers that ask more for an hour are not taken. Empty: the budget alone decides.",
        ),
        About("main", unit="GLM per hour", option="--price", bound="most", words=("price",)),
    ]
    hours: Annotated[
        field_types.Hours,
        Field(
            default=Decimal(1),
            title="Time",
            description="The session ends by itself after this time.",
        ),
        About("main", unit="hours"),
    ]
    machines: Annotated[
        int,
        Field(
            default=1,
            ge=1,
            le=50,
            title="Machines",
            description="Each at another provider, in one private network; the first has your files.",
        ),
        About("machines", unit="machines", words=("machines",)),
    ]
    workers: Annotated[
        int,
        Field(
            default=0,
            ge=0,
            le=MOST_WORKERS,
            title="Dask workers",
            description="A Dask cluster beside the notebook, each worker on a machine of its own. Any machine of a "
            "cluster can read and change all of it, your files included.",
        ),
        About("machines", unit="workers", words=("workers",)),
    ]
    max_workers: Annotated[
        int,
        Field(
            default=0,
            ge=0,
            le=MOST_WORKERS,
            title="Workers at most",
            description="So many a notebook may ask for, within the budget. 0: no more than it begins with.",
        ),
        About("machines", unit="workers", words=("max_workers",)),
    ]
    cpus: Annotated[
        int,
        Field(default=1, ge=1, le=256, title="Cores"),
        About(
            "machine",
            unit="cores",
            bound="least",
            offered="golem.inf.cpu.threads",
            words=("cores", "cpus", "threads"),
        ),
    ]
    memory_gib: Annotated[
        float,
        Field(default=1.0, ge=0.1, le=4096, title="Memory"),
        About(
            "machine",
            unit="GiB",
            option="--mem",
            bound="least",
            offered="golem.inf.mem.gib",
            words=("mem", "memory"),
        ),
    ]
    disk_gib: Annotated[
        float,
        Field(default=2.0, ge=0.1, le=65536, title="Disk"),
        About(
            "machine",
            unit="GiB",
            option="--disk",
            bound="least",
            offered="golem.inf.storage.gib",
            words=("disk", "storage"),
        ),
    ]
    gpus: Annotated[
        int,
        Field(
            default=0,
            ge=0,
            le=16,
            title="GPUs",
            description="0 takes machines with and without one.",
        ),
        About("machine", bound="least", words=("gpus", "gpu")),
    ]
    gpu_model: Annotated[
        field_types.Text | None,
        Field(
            default=None,
            title="GPU model",
            description="A part of its name, like 'RTX 3090'. Empty: any.",
        ),
        About("machine", words=("gpu_model",), when={"field": "gpus", "not": ["", "0"]}),
    ]
    gpu_memory_gib: Annotated[
        float | None,
        Field(
            default=None,
            gt=0,
            le=1024,
            title="GPU memory",
            description="Of each GPU, at least. Empty: any.",
        ),
        About(
            "machine",
            unit="GiB",
            option="--gpu-memory",
            bound="least",
            words=("gpu_memory",),
            when={"field": "gpus", "not": ["", "0"]},
        ),
    ]
    software: Annotated[
        field_types.Software | None,
        Field(
            default=None,
            title="Software",
            description="What is there beside JupyterLab. Empty: data science (sklearn); base on this computer's own "
            "network, where packages are installed at each start.",
        ),
        About(
            "software",
            words=("software",),
            kind="tiles",
            choices={one.name: one.title for one in SOFTWARE.values()},
            when={"field": "image", "is": [""], "instead": "Your own image is used; see Advanced."},
        ),
    ]
    image: Annotated[
        field_types.Image | None,
        Field(
            default=None,
            title="Image",
            description="An image of your own instead: its tag (user/name:tag), its hash, or its name in "
            "'golem-launcher image list'. It needs Python 3.9 or newer.",
        ),
        About("advanced", words=("image", "image_hash"), example="you/image:tag"),
    ]
    packages: Annotated[
        field_types.Packages,
        Field(
            default=(),
            title="Packages",
            description="Python packages to install, as in a requirements file.",
        ),
        About("software", option="--package", kind="packages", example="numpy\npandas>=2"),
    ]
    inputs: Annotated[
        field_types.Paths,
        Field(
            default=(),
            max_length=1000,
            title="Files to bring",
            description="Files or folders of this computer, or addresses of git repositories.",
        ),
        About("files", option="--input", kind="inputs", example="~/project\nhttps://github.com/you/repository"),
    ]
    resume: Annotated[
        field_types.SavedWorkspace | None,
        Field(
            default=None,
            title="Resume",
            description="A saved workspace to go on with: its name, or name@generation.",
        ),
        About("files", kind="resume"),
    ]
    ssh_key: Annotated[
        field_types.SshKey | None,
        Field(
            default=None,
            title="Public SSH key",
            description="Lets you in by ssh: the one line of a file like ~/.ssh/id_ed25519.pub.",
        ),
        About("advanced", example="ssh-ed25519 AAAA… you@home"),
    ]
    choose: Annotated[
        field_types.Choose,
        Field(
            default="price",
            title="Provider",
            description="Which of the machines that fit is taken.",
        ),
        About(
            "advanced",
            words=("choose", "strategy"),
            choices={
                "price": "Best price",
                "random": "Any, at random",
                "reputation": "Best reputation",
                "speed": "Fastest, as measured",
            },
        ),
    ]
    allow: Annotated[
        field_types.Lines,
        Field(
            default=(),
            title="Only these providers",
            description="Ids, or names, which any provider may take. Empty: all.",
        ),
        About("advanced", words=("provider",)),
    ]
    deny: Annotated[
        field_types.Lines,
        Field(
            default=(),
            title="Never these providers",
            description="Ids, names or operators' wallets.",
        ),
        About("advanced"),
    ]
    workload: Annotated[
        field_types.Workload,
        Field(
            default="lab",
            title="Workload",
            description="What runs there: JupyterLab (lab), or what an installed package brings.",
        ),
        About("advanced", kind="choice"),
    ]
    outbound: Annotated[
        field_types.Outbound,
        Field(
            default="packages",
            title="Internet for the session",
            description="What the notebook may reach from the provider.",
        ),
        About(
            "advanced",
            choices={
                "packages": "Package servers only",
                "off": "Nothing",
                "listed": "Only what I list",
                "unrestricted": "Everything the provider allows",
            },
        ),
    ]
    outbound_urls: Annotated[
        field_types.Addresses,
        Field(
            default=(),
            title="Addresses it may reach",
            validate_default=True,
            description="Like https://data.example.org. Used with 'listed'.",
        ),
        About("advanced", option="--outbound-url", when={"field": "outbound", "is": ["listed"]}),
    ]
    outbound_permit: Annotated[
        field_types.Paths,
        Field(
            default=(),
            max_length=4,
            title="Permit files",
            description="For what providers don't allow everybody: a node descriptor, or a certificate and its key.",
        ),
        About(
            "advanced",
            when={"field": "outbound", "is": ["listed", "unrestricted"]},
            example="~/golem/certificate.pem\n~/golem/key.pem",
        ),
    ]
    save: Annotated[
        bool,
        Field(
            default=True,
            title="Save my work",
            description="Keeps a copy of the workspace on your side, every few seconds.",
        ),
        About("advanced"),
    ]
    save_seconds: Annotated[
        float,
        Field(
            default=5.0,
            ge=1,
            le=3600,
            title="Save every",
            description="While something changes.",
        ),
        About("advanced", unit="seconds", when={"field": "save", "is": [True]}),
    ]
    save_space_gib: Annotated[
        float,
        Field(
            default=20.0,
            ge=1,
            le=1_000_000,
            title="Saves may take",
            description="Beyond that, older ones go. At least four times the disk counts.",
        ),
        About("advanced", unit="GiB", option="--save-space", when={"field": "save", "is": [True]}),
    ]
    store: Annotated[
        field_types.Text | None,
        Field(
            default=None,
            title="Where saves are kept",
            description="A folder or an address (s3://, gs://, sftp://, hdfs://, redis://). Empty: this computer.",
        ),
        About("advanced", when={"field": "save", "is": [True]}, example="this computer"),
    ]
    kernel_state: Annotated[
        bool,
        Field(
            default=True,
            title="Keep notebooks' variables",
            description="They are saved with your files, and come back when the session goes on at another machine.",
        ),
        About("advanced", option="--no-state", when={"field": "save", "is": [True]}),
    ]
    encrypt: Annotated[
        bool,
        Field(
            default=False,
            title="Encrypt saves",
            description="The key stays on this computer; without it nobody can read them, you included.",
        ),
        About("advanced", when={"field": "save", "is": [True]}),
    ]
    recover: Annotated[
        bool,
        Field(
            default=True,
            title="Go on elsewhere",
            description="When the provider is lost, take another one within budget and time, with the last save.",
        ),
        About("advanced"),
    ]
    standby: Annotated[
        int,
        Field(
            default=0,
            ge=0,
            le=1,
            title="Standby machines",
            description="1: a second machine, another owner's, is kept ready with all that is saved, and takes over "
            "within seconds when the first is lost. It is paid as well.",
        ),
        About("machines", unit="machines", when={"field": "recover", "is": [True]}),
    ]
    idle: Annotated[
        field_types.IdleTime | None,
        Field(
            default=None,
            title="Counts as unused after",
            description="A time in which nothing happened, like 30m or 3h; none: never. Then it is saved, and what is "
            "chosen for 'When it is unused' is done. Empty: 60m, but never on this computer's own network.",
        ),
        About("advanced", example="60m"),
    ]
    when_idle: Annotated[
        field_types.WhenIdle,
        Field(
            default="stop",
            title="When it is unused",
            description="Suspended, it costs nothing, and its link wakes it up with what is left of budget and time. "
            "Without its GPU it goes on at a cheaper machine, and is stopped there when nobody uses that either.",
        ),
        About(
            "advanced",
            choices={
                "stop": "Save and stop it",
                "suspend": "Save and suspend it: its link wakes it up",
                "release-gpu": "Hand its GPU back, and go on without",
            },
            when={"field": "idle", "not": ["none"]},
        ),
    ]
    lab_extensions: Annotated[
        bool,
        Field(
            default=True,
            title="JupyterLab's extensions",
            description="Front-end extensions installed in the session run in your browser, on its page alone.",
        ),
        About("advanced"),
    ]
