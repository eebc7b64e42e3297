"""The ``sandbox`` runtime: bubblewrap. Container paths are real, the host's files read-only, the network its own.

bubblewrap makes the namespaces and mounts once, for a first process that waits; every command joins them through
the activity's init process. Inside is root (of a user namespace, without the capabilities that could change
mounts), so that low ports work; on the host it is the user who runs the provider.
"""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import psutil

from golem_launcher.errors import LocalNetError
from golem_launcher.localnet.runtime import minimal_init, nvidia_smi, python_environment, user_namespace
from golem_launcher.localnet.runtime.control import InitProcess, ProcessSpec
from golem_launcher.localnet.runtime.environment_variables import of_image
from golem_launcher.localnet.runtime.escaped_processes import kill_escaped
from golem_launcher.localnet.runtime.internet import ADDRESS, GATEWAY, WayOut
from golem_launcher.localnet.runtime.usage import UsageReader
from golem_launcher.localnet.runtime.volumes import LOST_AND_FOUND, ROOT, Volumes

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence
    from ipaddress import IPv4Address, IPv4Interface

    from golem_launcher.localnet.runtime.runtime_interface import ActivityPlace, Deployment
    from golem_launcher.localnet.runtime.usage import ActivityUsage
    from golem_launcher.localnet.runtime.volumes import Volume

_log = logging.getLogger(__name__)

_PRIVATE = PurePosixPath("/golem/.private")
"""The private directory, as programs inside see it."""
_BASE = "base"
"""The directory that is the root of the base image, before the host's are mounted in it."""
_HOST_DIRECTORIES = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
# Of the host's /etc: what programs need to run, resolve names and check certificates; nothing that holds secrets.
_HOST_ETC = ("alternatives", "ca-certificates", "ca-certificates.conf", "fonts", "ld.so.cache", "ld.so.conf",
             "ld.so.conf.d", "localtime", "magic", "mime.types", "nsswitch.conf", "pip.conf", "pki", "protocols",
             "services", "ssl", "terminfo", "timezone")  # fmt: skip
_FIRST_ON_PATH = "/usr/local/sbin"
"""Where the usual PATH begins. What the host has there is covered by the private Python."""
_START_SECONDS = 15.0
VPN_MTU = 1220
_MTU = {"eth1": 1450}
_ETH1_MAC = bytes.fromhex("a0130a2a2a02")
_OPEN = 'exec "$@" 3>&1 4<"$0"'
"""Has bubblewrap's information, and the first program. The latter is the argument zero."""
_FIRST = "/proc/self/fd/4"
_LAST_WORDS = 500
_RESOLVERS = "nameserver 1.1.1.1\nnameserver 8.8.8.8\n"
"""What Golem's VM writes over an image's own. The other end of eth1 answers in their name, where there is one."""
_LAYER = """mount -t tmpfs -o "size=$4,mode=0755" layer "$2" && mkdir "$2/upper" "$2/work" &&
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work,userxattr" "$3\""""
"""Lays memory over an image's root, as Golem's VM does. Arguments: the image, two empty directories, and bytes."""
_PROCESSORS = "/sys/devices/system"
_KERNEL = ("--proc", "/proc", "--dev", "/dev", "--tmpfs", "/sys", "--ro-bind", _PROCESSORS, _PROCESSORS)
"""What the kernel shows. Of /sys, which Golem's VM has whole, there is what OpenCL and MPI look for; the rest tells of
this machine."""
_MEMORY = """while [ "$1" != -- ]; do
mount -t tmpfs -o "mode=$1" memory "$2" && mkdir -p -m 0700 "$2/$3"; shift 3
done"""
"""Mounts memory at directories. Arguments: the mode with a size, a directory, and a directory to make in that one, as
often as need be; then ``--``."""
_FORMATTED = 0.984
"""What ext2 leaves of a disk."""
_SHARE_OF_MEMORY = 8
"""The part of this machine's memory that is the most for a disk in memory."""
_OLD_LAYER = 128 << 20
"""The size of that before the runtime 0.5; half of the machine's memory since then, as of /tmp."""


class SandboxRuntime:
    """Runs commands in a bubblewrap sandbox. See :class:`golem_launcher.localnet.runtime.runtime_interface.Runtime`."""

    name = "sandbox"

    def __init__(self, place: ActivityPlace) -> None:
        self._place = place
        self.volumes = Volumes(place.directory / "root")
        self._init = InitProcess()
        self._usage_reader = UsageReader(place.directory, place.memory_bytes)
        self._env: dict[str, str] = {}
        self._workdir = "/"
        self._init_task: asyncio.Task[int] | None = None
        self._inner: int | None = None
        self._hold = -1
        self._way_out: WayOut | None = None

    async def deploy(self, deployment: Deployment) -> None:
        """Make directories and environment, and boot the sandbox."""
        self.volumes = Volumes.of(self.volumes.root, deployment.volumes)
        await asyncio.to_thread(self._make, deployment)
        self._env = of_image(self._place, deployment.variables)
        self._workdir = deployment.workdir
        await self._init.start()
        await self._boot(deployment)
        if self._place.internet is not None:
            eth1 = await self.interface("eth1", ADDRESS, _ETH1_MAC, gateway=GATEWAY)
            if eth1 is not None:
                self._way_out = WayOut(self._place.internet, self._place.destinations, eth1)

    def _make(self, deployment: Deployment) -> None:
        self.volumes.create()
        directory = self._place.directory
        for name in ("tmp", "home", "var-tmp", "layer", "merged"):
            (directory / name).mkdir(parents=True, exist_ok=True)
        (directory / "first").write_bytes(minimal_init.PROGRAM)
        (directory / "first").chmod(0o755)
        etc = directory / "etc"
        etc.mkdir(exist_ok=True)
        hosts = [("127.0.0.1", f"localhost {deployment.hostname}"), ("::1", "localhost")]
        hosts += [(address, name) for name, address in deployment.hosts.items()]
        (etc / "hosts").write_text("".join(f"{address}\t{' '.join(name.split())}\n" for address, name in hosts))
        (etc / "hostname").write_text(f"{deployment.hostname}\n")
        (etc / "resolv.conf").write_text(_RESOLVERS)
        if deployment.image_directory is None:
            (etc / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n")
            (etc / "group").write_text("root:x:0:\nnogroup:x:65534:\n")
            private = _private(directory)
            if not private.is_dir():
                private.mkdir(parents=True)
                made = python_environment.create(self._place.base, private / "env", _PRIVATE / "env")
                nvidia_smi.put(self._place.gpus, made)
                python_environment.lead_to(made, private / "sbin")

    async def _boot(self, deployment: Deployment) -> None:
        argv = [
            *_namespaces(deployment.hostname),
            *_root(deployment, self._place),
            *self._private_mounts(deployment),
            "--chdir", "/", "--info-fd", "3", "--", _FIRST,
        ]  # fmt: skip
        # bubblewrap closes the descriptor of its information, so that can't be its output itself.
        argv = as_many_users(_with_memory(argv, deployment, self._place, self.volumes))
        argv = ["/bin/sh", "-c", _OPEN, str(self._place.directory / "first"), *argv]
        read, self._hold = os.pipe2(os.O_CLOEXEC)
        loop = asyncio.get_running_loop()
        booted: asyncio.Future[int] = loop.create_future()
        words = bytearray()
        command = ProcessSpec(argv, {"PATH": os.defpath, "LANG": "C.UTF-8"}, "/")
        told = bytearray()

        def on_info(data: bytes) -> None:
            told.extend(data)
            information, end, _ = told.partition(minimal_init.READY)
            if end and not booted.done():
                booted.set_result(json.loads(information)["child-pid"])

        self._init_task = asyncio.create_task(self._init.run(command, on_info, words.extend, stdin=read))
        try:
            await asyncio.wait({self._init_task, booted}, timeout=_START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            os.close(read)
        if self._init_task.done() or not booted.done():
            why = bytes(words[-_LAST_WORDS:]).decode(errors="replace").strip() or "no reason given"
            raise LocalNetError(f"The sandbox did not start: {why}.")
        self._inner = booted.result()

    def _private_mounts(self, deployment: Deployment) -> list[str]:
        directory = self._place.directory
        argv: list[str] = []
        for mount in sorted(self.volumes.mounts, key=lambda path: len(path.parts)):
            argv += ["--bind", str(self.volumes.directory(mount)), str(mount)]
        if deployment.image_directory is None:
            argv += ["--ro-bind", str(_private(directory) / "sbin"), _FIRST_ON_PATH]
        for name in ("hosts", "hostname", "resolv.conf"):
            argv += ["--ro-bind", str(directory / "etc" / name), f"/etc/{name}"]
        return argv

    async def start(self, args: Sequence[str]) -> None:
        """Booted already."""

    async def run(
        self, argv: Sequence[str], *, on_stdout: Callable[[bytes], None], on_stderr: Callable[[bytes], None]
    ) -> int:
        """Run a command in the sandbox: its exit code, or minus the signal that ended it."""
        like_9p = [str(each.mount) for each in self.volumes.all if each.kind == "host" and self._place.like_9p]
        command = ProcessSpec(argv, self._env, self._workdir, self._enter(), like_9p)
        return await self._init.run_silently(command, on_stdout, on_stderr)

    async def interface(
        self, name: str, address: IPv4Interface, mac: bytes, *, gateway: IPv4Address | None = None
    ) -> socket.socket | None:
        """A network interface inside, as Golem's VM has them; ``gateway`` is the way to everything beyond."""
        mtu = _MTU.get(name, VPN_MTU)
        try:
            return await self._init.interface(name, address, mac, mtu, self._enter(), gateway=gateway)
        except OSError as error:
            _log.info("no interface %s in the sandbox: %s", name, error.strerror)
            return None

    async def dial(self, port: int) -> socket.socket:
        """Connect to 127.0.0.1 of the sandbox's network."""
        return await self._init.dial(port, "127.0.0.1", self._enter())

    def _enter(self) -> int:
        if self._inner is None or self._init_task is None or self._init_task.done():
            raise LocalNetError("The sandbox has ended.")
        return self._inner

    async def usage(self) -> ActivityUsage:
        """Measured from the tree of processes below the activity's first."""
        return await self._usage_reader.read(self._init.pid)

    async def until_gone(self) -> None:
        """Wait until bubblewrap, which keeps the namespaces, has ended."""
        if self._init_task is not None:
            await asyncio.wait({self._init_task})

    async def stop(self) -> None:
        """Kill every process of it."""
        if self._way_out is not None:
            await self._way_out.aclose()
        if self._hold >= 0:
            os.close(self._hold)
            self._hold = -1
        self._inner = None
        await self._init.aclose()
        if self._init_task is not None:
            await asyncio.gather(self._init_task, return_exceptions=True)
        await asyncio.to_thread(functools.partial(kill_escaped, self._place.mark))


def as_many_users(argv: Sequence[str]) -> list[str]:
    """The command that runs ``argv`` as root of a user namespace, with other users beside it where that is possible."""
    return [sys.executable, "-I", "-S", str(Path(user_namespace.__file__)), *argv]


def _namespaces(hostname: str) -> list[str]:
    return [
        "bwrap", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts",
        "--hostname", hostname, "--die-with-parent", "--new-session",
    ]  # fmt: skip


def _root(deployment: Deployment, place: ActivityPlace) -> list[str]:
    image, directory = deployment.image_directory, place.directory
    tmp = ["--bind", str(directory / "tmp"), "/tmp"]  # noqa: S108 - the sandbox's own
    root = ["--bind", str(directory / "merged"), "/"]
    if not overlay_works():
        root = ["--bind", str(directory / _BASE), "/"] if image is None else ["--ro-bind", str(image), "/"]
    if image is not None:
        if not overlay_works():
            root += ["--bind", str(directory / "home"), "/root"]
            root += ["--bind", str(directory / "var-tmp"), "/var/tmp"]  # noqa: S108
        return [*root, *tmp, *_KERNEL]
    return [*root, *tmp, *_of_host(place)]  # in this order: what is of the host may lie below /tmp there


def _of_host(place: ActivityPlace) -> list[str]:
    """What the base image has of the host's."""
    argv: list[str] = []
    for name in _HOST_DIRECTORIES:
        path = Path(name)
        if path.is_symlink():
            argv += ["--symlink", str(path.readlink()), name]
        elif path.is_dir():
            argv += ["--ro-bind", name, name]
    for name in _HOST_ETC:
        argv += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    for name in ("passwd", "group"):
        argv += ["--ro-bind", str(place.directory / "etc" / name), f"/etc/{name}"]
    argv += [*_KERNEL, "--dir", "/run", "--dir", "/root", "--dir", "/var/lib"]
    argv += ["--perms", "1777", "--dir", "/var/tmp"]  # noqa: S108 - the sandbox's own
    interpreter = Path(sys.base_prefix)
    for path in dict.fromkeys([interpreter, place.base.directory, *place.base.sources]):
        if not path.is_relative_to("/usr"):
            argv += ["--ro-bind", str(path), str(path)]
    return argv


def _with_memory(argv: list[str], deployment: Deployment, place: ActivityPlace, volumes: Volumes) -> list[str]:
    """The command that first makes what is memory in Golem's VM: /tmp, volumes of that kind, a layer over an image."""
    sizes = {volume.mount: volume.size or 0 for volume in deployment.memory()}
    layer_size = sizes.pop(ROOT, _OLD_LAYER if place.passes_environment else place.memory_bytes // 2)
    mounts = [f"1777,size={place.memory_bytes // 2}", str(place.directory / "tmp"), "."]
    for mount, size in sizes.items():
        mounts += [f"0755,size={size}", str(volumes.directory(mount)), "."]
    for disk in _small_disks(volumes):
        size = int((disk.size or 0) * _FORMATTED)
        mounts += [f"0755,size={size}", str(volumes.directory(disk.mount)), LOST_AND_FOUND]
    made = ["unshare", "--mount", "/bin/sh", "-ec", f'{_MEMORY} && shift && exec "$@"', "sh", *mounts, "--"]
    image = deployment.image_directory or place.directory / _BASE
    if not overlay_works():
        return [*made, *argv]
    layer = [str(image), str(place.directory / "layer"), str(place.directory / "merged"), str(layer_size)]
    return [*made, "/bin/sh", "-ec", f'{_LAYER} && shift 4 && exec "$@"', "sh", *layer, *argv]


def _small_disks(volumes: Volumes) -> list[Volume]:
    """The storage volumes that are memory here, which keeps them to their size; larger ones are directories."""
    most = psutil.virtual_memory().total // _SHARE_OF_MEMORY
    return [volume for volume in volumes.all if volume.kind == "storage" and (volume.size or 0) <= most]


def _private(directory: Path) -> Path:
    """The Python environment of the base image, below the directory that becomes its root."""
    return directory / _BASE / _PRIVATE.relative_to("/")


@functools.lru_cache(maxsize=1)
def overlay_works() -> bool:
    """Whether a user may lay a writable layer over a directory here: tried. Blocking, 20 ms, once."""
    if shutil.which("unshare") is None:
        return False
    with tempfile.TemporaryDirectory(prefix="golem-overlay-", ignore_cleanup_errors=True) as name:
        places = [f"{name}/{part}" for part in ("lower", "layer", "merged")]
        for place in (*places, f"{name}/lower/x"):
            Path(place).mkdir()
        script = f'{_LAYER} && rmdir "$3/x" && mkdir "$3/x"'
        argv = ["unshare", "--mount", "/bin/sh", "-ec", script, "sh", *places, "1m"]
        return _succeeds(as_many_users(argv))


def why_no_sandbox() -> str:
    """Why sandboxes can't be had here, empty when they can: one is tried. Blocking, 20 ms."""
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed"
    if not Path(_FIRST_ON_PATH).is_dir():
        return f"there is no directory {_FIRST_ON_PATH} for the Python of sessions"
    argv = as_many_users([*_namespaces("golem"), "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "true"])
    try:
        result = subprocess.run(argv, capture_output=True, timeout=_START_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"bubblewrap does not work here ({error})"
    if result.returncode:
        return f"bubblewrap does not work here ({result.stderr.decode(errors='replace').strip()[:_LAST_WORDS]})"
    return ""


def _succeeds(argv: Sequence[str]) -> bool:
    try:
        return subprocess.run(argv, capture_output=True, timeout=_START_SECONDS, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
