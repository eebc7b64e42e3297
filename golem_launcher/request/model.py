"""``LaunchRequest``: every field with its limits, its words and what a form needs to know about it."""

from __future__ import annotations

import secrets
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from golem_launcher.request import kinds


def _new_name() -> str:
    return f"lab-{secrets.token_hex(3)}"


def _form(group: Literal["main", "machine", "software", "files", "advanced"], **more: str) -> dict[str, Any]:
    """What a form needs beside a field's limits: the group it stands in, and its ``unit`` and ``step``."""
    return {"group": group, **more}


class LaunchRequest(BaseModel):
    """One JupyterLab on one provider. Frozen; every limit and message about it lives here.

    ``json_schema_extra`` of a field holds what a form needs beside its limits: ``group``, ``unit`` and ``step``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: Annotated[
        kinds.Name,
        Field(
            default_factory=_new_name,
            title="Name",
            description="Small letters, digits and dashes, at most 40 characters.",
            json_schema_extra=_form("main"),
        ),
    ]
    network: Annotated[
        kinds.NetworkName,
        Field(
            default="local",
            title="Network",
            description="Where to look for a provider.",
            json_schema_extra=_form("main"),
        ),
    ]
    budget: Annotated[
        kinds.Glm,
        Field(
            default=Decimal(1),
            title="Budget",
            description="The most this session may ever cost.",
            json_schema_extra=_form("main", unit="GLM", step="0.1"),
        ),
    ]
    price_per_hour: Annotated[
        kinds.Glm | None,
        Field(
            default=None,
            title="Highest price",
            description="Providers that ask more for an hour are not taken. Empty: the budget alone decides.",
            json_schema_extra=_form("main", unit="GLM per hour", step="0.01"),
        ),
    ]
    hours: Annotated[
        kinds.Hours,
        Field(
            default=Decimal(1),
            title="Time",
            description="The session ends by itself after this time.",
            json_schema_extra=_form("main", unit="hours", step="0.5"),
        ),
    ]
    cpus: Annotated[
        int,
        Field(default=1, ge=1, le=256, title="Cores", json_schema_extra=_form("machine", unit="cores", step="1")),
    ]
    memory_gib: Annotated[
        float,
        Field(default=1.0, ge=0.1, le=4096, title="Memory", json_schema_extra=_form("machine", unit="GiB", step="0.5")),
    ]
    disk_gib: Annotated[
        float,
        Field(default=2.0, ge=0.1, le=65536, title="Disk", json_schema_extra=_form("machine", unit="GiB", step="1")),
    ]
    gpus: Annotated[
        int,
        Field(
            default=0,
            ge=0,
            le=16,
            title="GPUs",
            description="0 takes machines with and without one.",
            json_schema_extra=_form("machine", step="1"),
        ),
    ]
    gpu_model: Annotated[
        kinds.Text | None,
        Field(
            default=None,
            title="GPU model",
            description="A part of its name, like 'RTX 3090'. Empty: any.",
            json_schema_extra=_form("machine"),
        ),
    ]
    gpu_memory_gib: Annotated[
        float | None,
        Field(
            default=None,
            gt=0,
            le=1024,
            title="GPU memory",
            description="Of each GPU, at least. Empty: any.",
            json_schema_extra=_form("machine", unit="GiB", step="1"),
        ),
    ]
    software: Annotated[
        kinds.Software,
        Field(
            default="base",
            title="Software",
            description="What is there beside JupyterLab.",
            json_schema_extra=_form("software"),
        ),
    ]
    image: Annotated[
        kinds.Image | None,
        Field(
            default=None,
            title="Image",
            description="An image of your own instead: its tag (user/name:tag), its hash, or its name in "
            "'golem-launcher image list'. It needs Python 3.9 or newer.",
            json_schema_extra=_form("advanced"),
        ),
    ]
    packages: Annotated[
        kinds.Packages,
        Field(
            default=(),
            title="Packages",
            description="Python packages to install, one a line, as in a requirements file.",
            json_schema_extra=_form("software"),
        ),
    ]
    inputs: Annotated[
        tuple[kinds.Text, ...],
        Field(
            default=(),
            max_length=1000,
            title="Files to bring",
            description="Files or folders of this computer, or addresses of git repositories.",
            json_schema_extra=_form("files"),
        ),
    ]
    resume: Annotated[
        kinds.SavedWorkspace | None,
        Field(
            default=None,
            title="Resume",
            description="A saved workspace to go on with: its name, or name@generation.",
            json_schema_extra=_form("files"),
        ),
    ]
    ssh_key: Annotated[
        kinds.SshKey | None,
        Field(
            default=None,
            title="Public SSH key",
            description="Lets you in by ssh: the one line of a file like ~/.ssh/id_ed25519.pub.",
            json_schema_extra=_form("advanced"),
        ),
    ]
    choose: Annotated[
        kinds.Choose,
        Field(
            default="price",
            title="Provider",
            description="Which of the machines that fit is taken.",
            json_schema_extra=_form("advanced"),
        ),
    ]
    allow: Annotated[
        kinds.Lines,
        Field(
            default=(),
            title="Only these providers",
            description="Ids, names or operators' wallets, one a line. Empty: all.",
            json_schema_extra=_form("advanced"),
        ),
    ]
    deny: Annotated[
        kinds.Lines,
        Field(
            default=(),
            title="Never these providers",
            description="Ids, names or operators' wallets, one a line.",
            json_schema_extra=_form("advanced"),
        ),
    ]
    outbound: Annotated[
        kinds.Outbound,
        Field(
            default="packages",
            title="Internet for the session",
            description="What the notebook may reach from the provider.",
            json_schema_extra=_form("advanced"),
        ),
    ]
    outbound_urls: Annotated[
        kinds.Addresses,
        Field(
            default=(),
            title="Addresses it may reach",
            validate_default=True,
            description="One a line, like https://data.example.org. Used with 'listed'.",
            json_schema_extra=_form("advanced"),
        ),
    ]
    outbound_permit: Annotated[
        tuple[kinds.Text, ...],
        Field(
            default=(),
            max_length=4,
            title="Permit files",
            description="For what providers don't allow everybody: a node descriptor, or a certificate and its key.",
            json_schema_extra=_form("advanced"),
        ),
    ]
    save: Annotated[
        bool,
        Field(
            default=True,
            title="Save my work",
            description="Keeps a copy of the workspace on your side, every few seconds.",
            json_schema_extra=_form("advanced"),
        ),
    ]
    save_seconds: Annotated[
        float,
        Field(
            default=5.0,
            ge=1,
            le=3600,
            title="Save every",
            description="While something changes.",
            json_schema_extra=_form("advanced", unit="seconds", step="1"),
        ),
    ]
    keep_gib: Annotated[
        float,
        Field(
            default=20.0,
            ge=1,
            le=1_000_000,
            title="Saves may take",
            description="Beyond that, older ones go. At least four times the disk counts.",
            json_schema_extra=_form("advanced", unit="GiB", step="1"),
        ),
    ]
    store: Annotated[
        kinds.Text | None,
        Field(
            default=None,
            title="Where saves are kept",
            description="A folder or an address (s3://, gs://, sftp://, hdfs://, redis://). Empty: this computer.",
            json_schema_extra=_form("advanced"),
        ),
    ]
    encrypt: Annotated[
        bool,
        Field(
            default=False,
            title="Encrypt saves",
            description="The key stays on this computer; without it nobody can read them, you included.",
            json_schema_extra=_form("advanced"),
        ),
    ]
    recover: Annotated[
        bool,
        Field(
            default=True,
            title="Go on elsewhere",
            description="When the provider is lost, take another one within budget and time, with the last save.",
            json_schema_extra=_form("advanced"),
        ),
    ]

    lab_extensions: Annotated[
        bool,
        Field(
            default=True,
            title="JupyterLab's extensions",
            description="Front-end extensions installed in the session run in your browser, on its page alone.",
            json_schema_extra=_form("advanced"),
        ),
    ]

    @field_validator("outbound_urls")
    @classmethod
    def _listed_are_named(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if info.data.get("outbound") == "listed" and not value:
            raise ValueError("'listed' needs at least one address it may reach")
        return value

    @property
    def workspace(self) -> str:
        """The name of the workspace that this session saves into: the resumed one's, else its own."""
        return self.resume.partition("@")[0] if self.resume else self.name
