"""One real daemon: started, found, stopped; and every way in which it may not start."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from golem_launcher.errors import NodeStartError
from golem_launcher.node import probe, start_failure, yagna_process, yagna_start
from tests.patience import slower

if TYPE_CHECKING:
    from collections.abc import Callable

    Config = Callable[..., yagna_start.YagnaConfig]


pytestmark = pytest.mark.slow


def _fake(directory: Path, script: str) -> Path:
    """A program in yagna's place that fails in some way of its own."""
    path = directory / "fake"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    return path


def _nothing_left(config: yagna_start.YagnaConfig) -> bool:
    assert yagna_process.find_running(config.data_dir) is None
    assert not (config.data_dir / "process.json").exists()
    marker = f"YAGNA_DATADIR={config.data_dir}\0".encode()
    return not [p.pid for p in psutil.process_iter() if marker in _environ(p.pid)]


def _environ(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes() + b"\0"
    except OSError:
        return b""


def test_life_of_a_daemon(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YAGNA_DATADIR", "/nowhere")  # of another daemon of the user's
    monkeypatch.setenv("YAGNA_METRICS_GROUP", "another")
    wanted = config()
    daemon = yagna_start.start(wanted, deadline=30)
    assert probe.identity(daemon.node).startswith("0x")
    assert yagna_process.find_running(wanted.data_dir) == daemon
    assert "a-key" not in repr(daemon) + repr(daemon.node) + repr(wanted)
    assert "a-key" not in " ".join(psutil.Process(daemon.record.pid).cmdline())
    assert b"YAGNA_METRICS_GROUP" not in _environ(daemon.record.pid)
    assert b"YA_CONSENT_STATS=deny" in _environ(daemon.record.pid)
    assert stat.S_IMODE(wanted.data_dir.stat().st_mode) == 0o700
    assert stat.S_IMODE((wanted.data_dir / "process.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(daemon.log.stat().st_mode) == 0o600
    assert not list(wanted.data_dir.glob("*_rCURRENT.log"))
    with socket.socket(socket.AF_UNIX) as bus:
        bus.connect(str(wanted.data_dir / "gsb.sock"))

    with pytest.raises(NodeStartError, match="already runs"):
        yagna_start.start(wanted)
    assert daemon.alive()

    begun = time.monotonic()
    daemon.stop()
    assert time.monotonic() - begun < yagna_process.GRACE  # it heeded SIGTERM
    assert _nothing_left(wanted)
    daemon.stop()


def test_killed_daemon_comes_back_the_same(config: Config) -> None:
    wanted = config()
    first = yagna_start.start(wanted, deadline=30)
    identity = probe.identity(first.node)
    os.kill(first.record.pid, signal.SIGKILL)
    while first.alive():
        time.sleep(0.01)
    assert yagna_process.find_running(wanted.data_dir) is None
    second = yagna_start.start(wanted, deadline=30)
    assert (probe.identity(second.node), second.api_url) == (identity, first.api_url)  # sessions look for it there


def test_taken_port_is_named(config: Config) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        wanted = config(api_port=port)
        with pytest.raises(NodeStartError, match=f"Port {port} .* taken") as caught:
            yagna_start.start(wanted)
    assert str(port) in caught.value.remedy
    assert _nothing_left(wanted)


def test_port_taken_meanwhile_is_chosen_again(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        ports = iter([other.getsockname()[1], yagna_start.free_port()])
        monkeypatch.setattr(yagna_start, "free_port", lambda: next(ports))
        monkeypatch.setattr(yagna_start, "_refuse_taken_port", lambda _: None)  # it was free when we looked
        daemon = yagna_start.start(config(), deadline=30)
    assert probe.identity(daemon.node)
    assert next(ports, None) is None


def test_free_port_among_candidates() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert yagna_start.free_port(range(port, port + 50)) != port
        with pytest.raises(NodeStartError, match="No free port"):
            yagna_start.free_port(range(port, port + 1))


def test_data_dir_of_another_yagna(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yagna_start, "_RELEASE_SECONDS", 0.1)
    wanted = config()
    wanted.data_dir.mkdir(mode=0o700)
    (wanted.data_dir / "yagna.pid").write_text("4711")
    with (wanted.data_dir / "yagna.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(NodeStartError, match=r"Another yagna \(process 4711\)"):
            yagna_start.start(wanted)


def test_waits_for_router_in_vain_and_is_killed(config: Config) -> None:
    central = {"YA_NET_TYPE": "central", "CENTRAL_NET_HOST": f"127.0.0.1:{yagna_start.free_port(range(7000, 9999))}"}
    wanted = config(environment=central)
    with pytest.raises(NodeStartError, match=r"router does not answer|did not answer in time"):
        yagna_start.start(wanted, deadline=1.5)
    assert _nothing_left(wanted)


_LIMITED = """
import json, resource, signal, sys
from pathlib import Path
from golem_launcher.errors import LauncherError
from golem_launcher.node import yagna_start
directory, limit, environment = Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    config = yagna_start.YagnaConfig(directory, 0, f"unix:{directory}/gsb.sock", "a-key", environment)
    yagna_start.start(config, deadline=20)
except LauncherError as error:
    print(error)
"""


@pytest.mark.parametrize("limit", [10, 20_000])
def test_full_disk(config: Config, limit: int) -> None:
    wanted = config()
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, wanted.data_dir, str(limit), json.dumps(dict(wanted.environment))],
        capture_output=True, text=True, timeout=60 * slower(), check=True,
    )  # fmt: skip
    assert "full" in done.stdout
    assert "Free some space" in done.stdout
    assert _nothing_left(wanted)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo 'a \033[31mreason\033[0m \u202egiven'; exit 3", r"exit code 3.*\n +a reason \\u202egiven"),
        ("exit 4", r"exit code 4.*\(nothing\)"),
        ("kill -ILL $$", "illegal instruction"),
        ("kill -SEGV $$", "signal 11"),
        ("echo 'Error: yagna is already running'; exit 1", "another yagna"),
        ("echo \"version 'GLIBC_2.99' not found\" >&2; exit 1", "libraries are too old"),
        ("echo 'No space left on device (os error 28)'; exit 1", "disk is full"),
        ("echo 'database disk image is malformed'; exit 1", "damaged"),
        ("echo 'Permission denied'; exit 1", "may not write"),
        ("echo 'Error: Resolving hybrid NET relay server failed.'; exit 1", "could not be looked up"),
        ("head -c 3000000 /dev/zero | tr '\\0' 'x'; exit 5", "exit code 5"),
    ],
)
def test_daemon_that_dies_at_its_start(config: Config, home: Path, script: str, message: str) -> None:
    wanted = config(program=_fake(home, script))
    with pytest.raises(NodeStartError, match=f"(?s){message}") as caught:
        yagna_start.start(wanted, deadline=10)
    assert "\033" not in str(caught.value)
    assert len(str(caught.value)) < 3000
    assert _nothing_left(wanted)


def test_reason_is_found_above_a_backtrace(config: Config, home: Path) -> None:
    frames = "; ".join(f"echo '  {n}: frame'" for n in range(40))
    wanted = config(
        program=_fake(home, f"echo 'Failed to bind http server'; {frames}; exit 1"), api_port=yagna_start.free_port()
    )
    with pytest.raises(start_failure.PortTaken):
        yagna_start.start(wanted, deadline=10)


def test_old_words_are_not_taken_for_new_ones(config: Config, home: Path) -> None:
    wanted = config(program=_fake(home, "exit 3"))
    wanted.data_dir.mkdir(mode=0o700)
    (wanted.data_dir / "yagna.log").write_text("yagna is already running\n")
    with pytest.raises(NodeStartError, match=r"\(nothing\)"):
        yagna_start.start(wanted, deadline=10)


def test_daemon_that_never_answers_is_killed_with_its_children(config: Config, home: Path) -> None:
    wanted = config(program=_fake(home, "trap '' TERM; sleep 60 & echo 'Trying to resolve _net_relay'; sleep 60"))
    with pytest.raises(NodeStartError, match="could not be looked up"):
        yagna_start.start(wanted, deadline=0.5)
    assert _nothing_left(wanted)


def test_look_up_that_fails_is_told_soon(config: Config, home: Path) -> None:
    """yagna itself would try six times, for 100 s."""
    script = "echo 'WARN Failed to resolve _net_relay._udp SRV record: no record. Trying again'; exec sleep 60"
    wanted = config(program=_fake(home, script), look_up_seconds=0.3)
    with pytest.raises(start_failure.Offline, match="could not be looked up"):
        yagna_start.start(wanted, deadline=60)
    assert _nothing_left(wanted)
    script = "echo 'INFO Resolving _net_relay._udp SRV record...'; echo 'INFO _net_relay._udp resolved to: x'; sleep 60"
    with pytest.raises(NodeStartError, match="did not answer in time"):
        yagna_start.start(config(program=_fake(home, script), look_up_seconds=0.1), deadline=0.4)


def test_program_that_is_none(config: Config, home: Path) -> None:
    program = _fake(home, "exit 0")
    for content, mode, message in (
        (b"\x7fELFnonsense", 0o700, "no program for it"),
        (b"#!/bin/sh\n", 0o600, "may not be run"),
        (b"#!/absent/interpreter\n", 0o700, "not there"),
    ):
        program.write_bytes(content)
        program.chmod(mode)
        with pytest.raises(NodeStartError, match=message) as caught:
            yagna_start.start(config(program=program), deadline=5)
        assert caught.value.remedy


@pytest.mark.parametrize("there", [True, False])
def test_program_is_found_by_the_list_of_its_packages_files(
    there: bool,  # noqa: FBT001
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The wheel for newer systems has no module that says where it is."""
    about = tmp_path / "lib" / "golem_node-9.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: golem-node\nVersion: 9\n")
    (about / "RECORD").write_text("../bin/yagna,,\n")
    (tmp_path / "bin").mkdir()
    if there:
        (tmp_path / "bin" / "yagna").touch()
    monkeypatch.syspath_prepend(about.parent)
    if there:
        assert yagna_start.find_program() == tmp_path / "bin" / "yagna"
        return
    with pytest.raises(NodeStartError, match="yagna program"):
        yagna_start.find_program()
    assert "riscv64" in start_failure.no_program("Linux", "riscv64").what


def test_large_log_is_put_aside(config: Config, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yagna_start, "_LARGEST_LOG", 10)
    wanted = config(program=_fake(home, "echo new; exit 1"))
    wanted.data_dir.mkdir(mode=0o700)
    (wanted.data_dir / "yagna.log").write_text("many old words\n")
    with pytest.raises(NodeStartError, match="new"):
        yagna_start.start(wanted, deadline=5)
    assert (wanted.data_dir / "yagna.log.1").read_text() == "many old words\n"


def test_lock_held_by_another(config: Config) -> None:
    wanted = config()
    wanted.data_dir.mkdir(mode=0o700)
    with (wanted.data_dir / "launcher.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(NodeStartError, match="Another program"):
            yagna_start.start(wanted, deadline=0.1)
