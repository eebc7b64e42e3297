"""The provider's end of the ways in: carried connections and, on request, an ssh server.

A process of its own, so that a busy or crashed Lab breaks no connection. The ssh server is the image's sshd where that
runs and lets its user into the session as it is, else one in Python (python_ssh.py), where asyncssh is installed.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import pwd
import shlex
import shutil
import socket
import sys
from typing import TYPE_CHECKING

from . import process_tree, tcp_carrier_server
from .tcp_carrier_protocol import STATUS_PORT, key

if TYPE_CHECKING:
    from .config import Config, Ssh

_START_SECONDS = 10.0
"""How long a connection waits for the workload, or the agent's server, while that is being started."""
_SSHD_CHECK_SECONDS = 10.0
_SSHD_PLACES = "/usr/sbin:/usr/local/sbin:/sbin"
_SFTP_SERVERS = (
    "/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/lib/ssh/sftp-server",
    "/usr/libexec/sftp-server", "/usr/lib/sftp-server",
)  # fmt: skip
_SFTP = "golem-launcher-sftp"
"""What our configuration calls the transfer of files."""
_KEPT = (
    "PATH", "LANG", "HOME", "SHELL", "TMPDIR", "VIRTUAL_ENV", "CONDA_PREFIX", "LD_LIBRARY_PATH", "PYTHONUSERBASE",
    "PIP_USER", "PIP_BREAK_SYSTEM_PACKAGES", "PIP_ROOT_USER_ACTION", "PIP_INDEX_URL", "GIT_CONFIG_COUNT",
    "GIT_CONFIG_KEY_0", "GIT_CONFIG_VALUE_0", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "no_proxy",
    "NO_PROXY", "JUPYTER_CONFIG_PATH",
)  # fmt: skip
"""What a login has in its environment as the Lab's terminals have."""
_NO_SERVER = "ssh was asked for, but this image has neither OpenSSH's sshd nor Python's asyncssh"


def run(config: Config, carriers: socket.socket, life: int) -> None:
    """Serve who comes to ``carriers`` until ``life`` ends, which the process manager holds."""
    os.chdir(config.root)
    with contextlib.suppress(OSError), open("/proc/self/comm", "w") as name:
        name.write("golem-ways")  # what `ps` shows: it looks like the Lab otherwise
    asyncio.run(_Ways(config).serve(carriers, life))


class _Ways:
    def __init__(self, config: Config) -> None:
        self._config = config
        self._ours = {config.port, config.server_port}
        """Where the workload and the agent's server listen, or will."""
        self._status = {"ssh": "none" if config.ssh is None else "starting", "port": config.ssh_port, "user": user()}

    async def serve(self, carriers: socket.socket, life: int) -> None:
        ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(life, ended.set)
        server = await tcp_carrier_server.serve(carriers, self._dial, key(self._config.token))
        ssh = asyncio.ensure_future(self._ssh())
        waiting = asyncio.ensure_future(ended.wait())
        await asyncio.wait([ssh, waiting], return_when=asyncio.FIRST_COMPLETED)
        if ssh.done() and ssh.exception() is not None:
            _say(f"the ssh server failed: {ssh.exception()}")
            self._status["ssh"] = "failed"
        await waiting
        server.close()
        ssh.cancel()

    async def _dial(self, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if port == STATUS_PORT:
            here, there = socket.socketpair()
            with there:
                there.sendall(json.dumps(self._status).encode())
            return await asyncio.open_connection(sock=here)
        if port in self._ours:
            return await tcp_carrier_server.dial_patiently(self._config.hosts, port, _START_SECONDS)
        return await tcp_carrier_server.dial(self._config.hosts, port)

    async def _ssh(self) -> None:
        """Serve ssh where that is asked for, as long as it lasts."""
        if self._config.ssh is not None:
            await self._serve_ssh(self._config.ssh)

    async def _serve_ssh(self, wanted: Ssh) -> None:
        python = importlib.util.find_spec("asyncssh") is not None
        # sshd goes by the password file, which may name another home than the session's; it is led from there.
        command = None if python and not _at_home() else await self._sshd(wanted)
        if command is not None:
            self._status["ssh"] = "sshd"
            process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.DEVNULL, preexec_fn=process_tree.end_with_parent
            )
            code = await process.wait()
            raise RuntimeError(f"sshd ended with exit code {code}")
        if not python:
            self._status["ssh"] = "none"
            _say(_NO_SERVER)
            return
        from . import python_ssh  # noqa: PLC0415 - it needs asyncssh

        await python_ssh.serve(self._config.hosts, self._config.ssh_port, wanted, self._config.root)
        self._status["ssh"] = "python"

    async def _sshd(self, wanted: Ssh) -> list[str] | None:
        """How to start the image's sshd; ``None`` where that would not do."""
        path = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:{_SSHD_PLACES}")
        if path is None:
            return None
        command = [path, "-D", "-e", "-f", self._write_files(wanted)]
        if os.geteuid() == 0:
            with contextlib.suppress(OSError):
                os.makedirs("/run/sshd", mode=0o755, exist_ok=True)  # what its service would make
        check = await asyncio.create_subprocess_exec(
            *command, "-t", stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            code = await asyncio.wait_for(check.wait(), _SSHD_CHECK_SECONDS)
        except asyncio.TimeoutError:
            check.kill()
            return None
        return command if code == 0 else None

    def _write_files(self, wanted: Ssh) -> str:
        """The configuration of sshd with what it names; the path."""
        directory = os.path.splitext(self._config.log)[0] + ".ssh"
        os.makedirs(directory, mode=0o700, exist_ok=True)
        names = {name: os.path.join(directory, name) for name in ("config", "host_key", "authorized_keys")}
        environment = " ".join(f'"{name}={os.environ[name]}"' for name in _KEPT if _plain(os.environ.get(name)))
        lines = [
            f"Port {self._config.ssh_port}",
            f"ListenAddress {self._config.hosts[0]}",
            f'HostKey "{names["host_key"]}"',
            f'AuthorizedKeysFile "{names["authorized_keys"]}"',
            "AuthenticationMethods publickey",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin prohibit-password",
            "StrictModes no",  # its files lie in a directory of the provider's making
            "UsePAM no",
            "UseDNS no",
            "PidFile none",
            "PrintMotd no",
            "X11Forwarding no",
            "AllowAgentForwarding no",
            "AllowTcpForwarding yes",
            "ClientAliveInterval 30",
            "ClientAliveCountMax 4",
            *_arrive(self._config.root),
            f"SetEnv {environment}" if environment else "",
        ]
        contents = {
            "config": "\n".join(lines) + "\n",
            "host_key": wanted.host_key,
            "authorized_keys": wanted.authorized_key + "\n",
        }
        for name, content in contents.items():
            descriptor = os.open(names[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(content)
        return names["config"]


def _arrive(root: str) -> list[str]:
    """Lines of sshd's configuration that let every login begin in ``root``, whatever the password file says.

    A forced command takes the place of what was asked for, the transfer of files included.
    """
    server = next((path for path in _SFTP_SERVERS if os.access(path, os.X_OK)), None)
    place = shlex.quote(root)
    if server is None:
        return [f"Subsystem sftp internal-sftp -d {place}"]
    script = (
        f'cd {place}; case "$SSH_ORIGINAL_COMMAND" in '
        f"{_SFTP}) exec {server} ;; "
        '"") exec "$SHELL" -l ;; '
        '*) exec "$SHELL" -c "$SSH_ORIGINAL_COMMAND" ;; esac'
    )
    return [f"Subsystem sftp {_SFTP}", f"ForceCommand {script}"]


def user() -> str:
    """The name of the account that this runs as: sshd lets in no other."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return "golem"


def _at_home() -> bool:
    """Whether the account's home is the session's."""
    try:
        home = pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        return False
    return os.path.realpath(home) == os.path.realpath(os.environ.get("HOME", home))


def _plain(value: str | None) -> bool:
    return bool(value) and not set(value or "") & set('"\n\\')


def _say(text: str) -> None:
    sys.stderr.write(f"golem-launcher agent: {text}\n")
    sys.stderr.flush()
