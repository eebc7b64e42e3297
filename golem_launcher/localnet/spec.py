"""The description of a local network, read from TOML (``docs/localnet.md`` is its reference)."""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import psutil
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from golem_launcher.errors import LocalNetError
from golem_launcher.localnet.chain.token import check_url
from golem_launcher.localnet.misbehaviour import Misbehaviour
from golem_launcher.networks import LOCAL

if TYPE_CHECKING:
    from golem_launcher.localnet.exeunit.image import BootableImage

BASE_IMAGE = LOCAL.image
"""The image that is always there: the launcher's own JupyterLab in a private environment."""

CPU_COUNTER = "golem.usage.cpu_sec"
TIME_COUNTER = "golem.usage.duration_sec"

_GIB = 1024**3
_SHA3_224 = re.compile(r"[0-9a-f]{56}")
_LARGEST_FILE = 1_000_000
_MOST_PROVIDERS = 50

ANVIL = "anvil"
"""The chain that is a node of ours."""


def check_chain(value: str) -> str:
    """What the chain is: nothing, ``anvil``, or the address of a node; ``ValueError`` in words when it is neither."""
    return value if value in {"", ANVIL} else check_url(value)


_Price = Annotated[Decimal, Field(ge=0, le=1_000_000)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ClaimedGpu(_Part):
    """Graphics cards that the offer claims. There are none: sessions find an ``nvidia-smi`` that tells of them."""

    model: str = Field(min_length=1, max_length=80, pattern=r"^[ -~]+$")
    memory_gib: float = Field(gt=0, le=1024)
    count: int = Field(default=1, ge=1, le=16)
    cuda_cores: int = Field(default=0, ge=0)
    cuda_version: str = "12.4"
    compute_capability: str = Field(default="", pattern=r"^(\d{1,2}\.\d)?$")
    published: Literal["gap-35", "numbered", "runtime"] = "gap-35"
    """How: one GPU as GAP-35 has it; by numbers (``d0``), as GAP-35 has several; as newer runtimes tell of theirs."""

    @model_validator(mode="after")
    def _one_has_no_number(self) -> ClaimedGpu:
        if self.published == "gap-35" and self.count > 1:
            raise ValueError('several GPUs are published = "numbered", or "runtime"')
        return self

    @property
    def capability(self) -> str:
        """What the runtime calls itself capable of."""
        return "gpu" if self.published == "runtime" else "!exp:gpu"


class Counter(_Part):
    """A usage counter of the provider's own, that grows by ``per_second`` while an activity runs."""

    name: str = Field(min_length=1)
    price: _Price = Decimal(0)
    """GLM per unit."""
    per_second: float = Field(default=1.0, ge=0)


class ProviderSpec(_Part):
    """One provider: its name, size, prices and vices."""

    name: str = Field(min_length=1, max_length=100)
    threads: int = Field(default=1, ge=1, le=1024)
    """CPU threads of its offer; never more than the machine has."""
    memory_gib: float = Field(default=1.0, gt=0)
    storage_gib: float = Field(default=10.0, gt=0)
    price_start: _Price = Decimal(0)
    """GLM for each agreement."""
    price_hour: _Price = Decimal("0.05")
    """GLM per hour that an activity exists."""
    price_cpu_hour: _Price = Decimal("0.1")
    """GLM per hour of processor time that an activity uses."""
    runtime_name: str = Field(default="vm", min_length=1)
    """What the offer calls its runtime (``golem.runtime.name``)."""
    runtime_version: str = Field(default="0.5.2", pattern=r"[0-9]{1,4}\.[0-9]{1,4}\.[0-9]{1,4}")
    """``golem.runtime.version``; before 0.5 a command got the variables of its image."""
    capabilities: tuple[str, ...] = ("vpn", "inet", "manifest-support", "start-entrypoint")
    gpu: ClaimedGpu | None = None
    counters: tuple[Counter, ...] = ()
    commands: dict[str, str] = Field(default_factory=dict)
    """Commands of the provider's own runtime: entry point to shell script, whose ``$1`` is the first argument."""
    properties: dict[str, Any] = Field(default_factory=dict)
    """Properties of the offer to add or replace, by their full names."""
    misbehaviour: Misbehaviour = Misbehaviour()

    @property
    def passes_environment(self) -> bool:
        """Whether its runtime gives commands the variables of their image."""
        return tuple(map(int, self.runtime_version.split("."))) < (0, 5)

    @property
    def prices(self) -> tuple[tuple[str, Decimal], ...]:
        """Counters with their prices in GLM per unit, in the order of the usage vector."""
        hour = Decimal(3600)
        own = tuple((counter.name, counter.price) for counter in self.counters)
        return ((CPU_COUNTER, self.price_cpu_hour / hour), (TIME_COUNTER, self.price_hour / hour), *own)


class ImageSpec(_Part):
    """An image: a directory that holds its unpacked root, or a ``.gvmi`` file, which says the rest itself."""

    path: Path
    volumes: tuple[str, ...] | None = None
    """Directories that are volumes, as a Dockerfile's VOLUME; each starts empty. Unless given, our own image's."""
    workdir: str = ""
    """Where commands start; what the file says, else the root."""
    env: dict[str, str] | None = None
    """Variables of commands, where the provider's runtime passes any."""

    def applied_to(self, image: BootableImage) -> BootableImage:
        """The image with what is written here in place of what it says itself."""
        volumes = image.volumes if self.volumes is None else self.volumes
        variables = image.variables if self.env is None else self.env
        return replace(image, volumes=volumes, workdir=self.workdir or image.workdir, variables=variables)


class Outbound(_Part):
    """To whom the providers grant what of the internet, by manifests. Without it they grant all that is asked."""

    whitelist: tuple[str, ...] = ()
    """Names of machines that everybody's sessions may reach."""
    certificates: tuple[Path, ...] = ()
    """Certificates (PEM): who signs a manifest with one of theirs may reach what it says."""
    partners: tuple[str, ...] = ()
    """Public keys (Ed25519, hex) of roots whose node descriptors count."""


class NetworkSpec(_Part):
    """A whole local network."""

    runtime: Literal["auto", "process", "sandbox"] = "auto"
    internet: bool = True
    """Whether programs in a sandbox reach public addresses. (Without one they have this machine's network.)"""
    dns: bool = True
    """Whether the providers can look up names. Without that no activity lives whose manifest lists addresses."""
    outbound: Outbound | None = None
    volumes: Literal["9p", "plain"] = "9p"
    """Whether the host volumes of a sandbox refuse what they refuse in Golem's VM."""
    subnet: str = Field(default="public", min_length=1)
    """The subnet of the offers; the default is where yapapi's own examples look."""
    payment_networks: tuple[str, ...] = ("hoodi", "holesky")
    """Test networks whose token the providers take. Nothing is ever paid there; on a chain it is ``hoodi`` alone."""
    chain: Annotated[str, AfterValidator(check_chain)] = ""
    """What bills are paid on: ``anvil``, a chain of our own, or the address of an EVM node; empty: nothing is paid."""
    chain_gift: Annotated[Decimal, Field(ge=0, le=1_000_000)] = Decimal(100)
    """Test GLM in the requestor's wallet when the chain begins, with a coin for fees; 0: the wallet begins empty."""
    debit_note_interval: int = Field(default=120, ge=1)
    """Seconds between debit notes, unless requestor and provider agree on another interval."""
    debit_note_accept_timeout: int = Field(default=240, ge=1)
    """Seconds that a requestor has to accept a debit note before the provider ends the agreement; it may agree to
    fewer, and to none when the agreement is short."""
    payment_timeout: int = Field(default=120, ge=1)
    """Seconds that a requestor has to pay a debit note in a long agreement, unless they agree on others."""
    min_agreement_expiration: float = Field(default=300.0, ge=0.0)
    """Seconds that an agreement must last at the least; shorter ones are refused."""
    terminate_seconds: float = Field(default=5.0, ge=0.0, le=60.0)
    """How long ``terminate``, and the end of an activity, take: the time that an exe-unit waits for its VM to stop."""
    idle_agreement_timeout: float = Field(default=90.0, ge=1.0)
    """Seconds that an agreement may go without an activity before the provider ends it."""
    images: dict[str, ImageSpec] = Field(default_factory=dict)
    """Images by tag (``user/name:version``) or by hash."""
    provider: tuple[ProviderSpec, ...] = Field(min_length=1, max_length=_MOST_PROVIDERS)

    @model_validator(mode="after")
    def _names_differ(self) -> NetworkSpec:
        names = [provider.name for provider in self.provider]
        double = {name for name in names if names.count(name) > 1}
        if double:
            raise ValueError(f"two providers are called {', '.join(sorted(double))}")
        return self

    def digest(self) -> str:
        """A short name of this description: two equal ones have the same."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]


def image_hash(tag: str) -> str:
    """The hash of an image of the description: itself where it is one, else one made from its tag."""
    return tag if _SHA3_224.fullmatch(tag) else hashlib.sha3_224(tag.encode()).hexdigest()


def default_spec() -> NetworkSpec:
    """Three honest providers: a cheap small one, an ordinary one, and one that pretends to have a GPU."""
    return NetworkSpec(
        provider=(
            ProviderSpec(
                name="local-small", threads=1, memory_gib=1, storage_gib=5,
                price_hour=Decimal("0.02"), price_cpu_hour=Decimal("0.05"),
            ),
            ProviderSpec(
                name="local-standard", threads=4, memory_gib=8, storage_gib=20,
                price_hour=Decimal("0.05"), price_cpu_hour=Decimal("0.1"),
            ),
            ProviderSpec(
                name="local-pretend-gpu", threads=8, memory_gib=16, storage_gib=50,
                price_hour=Decimal("0.2"), price_cpu_hour=Decimal("0.2"),
                gpu=ClaimedGpu(
                    model="Pretend GPU (not real)", memory_gib=24, cuda_cores=16384, compute_capability="8.9"
                ),
            ),
        )
    )  # fmt: skip


def load_spec(path: Path) -> NetworkSpec:
    """The network that a TOML file describes, paths in it resolved against the file's directory.

    Raises ``LocalNetError`` that names the file and what is wrong in it.
    """
    try:
        data = path.read_bytes()
        if len(data) > _LARGEST_FILE:
            raise LocalNetError(f"{path} is too large for a network description.")
        spec = NetworkSpec.model_validate(tomllib.loads(data.decode()))
    except OSError as error:
        raise LocalNetError(f"{path} can't be read: {error.strerror}.") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise LocalNetError(
            f"{path}: {where}: {first['msg']}.", "docs/localnet.md says what may stand there."
        ) from None
    except ValueError as error:  # not UTF-8, not TOML
        raise LocalNetError(f"{path} is not TOML: {error}.") from None
    images = {
        tag: image.model_copy(update={"path": (path.parent / image.path).resolve()})
        for tag, image in spec.images.items()
    }
    for tag, image in images.items():
        if not image.path.is_dir() and not _is_squashfs(image.path):
            raise LocalNetError(
                f"{path}: the image {tag} is to be in {image.path}, which is no directory and no .gvmi file."
            )
    outbound = spec.outbound
    if outbound is not None:
        certificates = tuple((path.parent / one).resolve() for one in outbound.certificates)
        outbound = outbound.model_copy(update={"certificates": certificates})
    return spec.model_copy(update={"images": images, "outbound": outbound})


def _is_squashfs(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == b"hsqs"
    except OSError:
        return False


def wanted_spec(path: Path | None, chain: str | None) -> NetworkSpec | None:
    """What is asked for: a file's description, or the default one, on ``chain``; ``None`` when nothing is."""
    spec = load_spec(path) if path else None
    if chain is None:
        return spec
    try:
        return (spec or default_spec()).model_copy(update={"chain": check_chain(chain)})
    except ValueError as error:
        raise LocalNetError(f"'{chain}' is no chain: {error}.") from None


def capped(provider: ProviderSpec) -> tuple[ProviderSpec, str]:
    """The provider with no more threads, memory and disk than this machine has, and a sentence about what it lacks."""
    free = psutil.disk_usage(os.sep).free / _GIB
    most = {
        "threads": os.cpu_count() or 1,
        "memory_gib": round(psutil.virtual_memory().total / _GIB, 2),
        "storage_gib": round(max(free, 0.1), 2),
    }
    less = {name: value for name, value in most.items() if getattr(provider, name) > value}
    words = ", ".join(
        f"{value:g} {_UNITS[name]} instead of {getattr(provider, name):g}" for name, value in less.items()
    )
    return provider.model_copy(update=less), f"{provider.name} has {words}: this machine has no more." if less else ""


_UNITS = {"threads": "threads", "memory_gib": "GiB of memory", "storage_gib": "GiB of disk"}
