"""ssh into a session with OpenSSH's own programs, as they come with every system."""

import filecmp
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key

from golem_launcher import paths
from golem_launcher.access import ssh as access
from golem_launcher.access.machine.vpn_to_machine import MachineVpn
from golem_launcher.access.sockets.port_socket import port_socket_path
from golem_launcher.errors import AccessError
from tests.access.secret_leaks import private_part, seen
from tests.access.tunnel_command import tunnel
from tests.patience import slower
from tests.session.conftest import command

SECONDS = 90

needs_ssh = pytest.mark.skipif(shutil.which("ssh") is None, reason="OpenSSH's client is not installed")


@pytest.fixture(scope="module")
def config(remote_session, ssh_key, tmp_path_factory):
    """A configuration as a user has it: what `ssh-config` printed, and the own key."""
    _, text, _ = command("ssh-config", remote_session[0].name)
    path = tmp_path_factory.mktemp("ssh") / "config"
    path.write_text(f"{text}    IdentityFile {ssh_key[0]}\n    IdentitiesOnly yes\n")
    return path


def run(*arguments, **more):
    more = {"capture_output": True, **more}
    return subprocess.run(arguments, timeout=SECONDS * slower(), check=False, **more)


def ssh(config, *arguments, **more):
    return run("ssh", "-F", config, "golem-tunnel", *arguments, **more)


@needs_ssh
def test_commands_with_their_streams_and_exit_codes(config):
    done = ssh(config, "cat; echo oh >&2; exit 7", input=b"said \0\xff\n")
    assert (done.stdout, done.stderr, done.returncode) == (b"said \0\xff\n", b"oh\n", 7)
    where = ssh(config, 'pwd; python3 -c "import sys; print(sys.prefix)"').stdout.decode().splitlines()
    assert where[0].endswith("/golem/work")
    assert where[1].endswith("/env")
    assert ssh(config, "kill -9 $$").returncode == 255
    done = ssh(config, "head -c 3000000 /dev/zero; echo last >&2; sleep 0.2; echo said")  # whole, whatever ends first
    assert (len(done.stdout), done.stdout[-5:], done.stderr) == (3_000_005, b"said\n", b"last\n")


@needs_ssh
@pytest.mark.parametrize("kind", ["xterm", ""])
def test_a_terminal_of_its_own(config, kind):
    done = run(
        "ssh", "-tt", "-F", config, "golem-tunnel", "stty cols 83; tty; stty size; exit 4",
        stdin=subprocess.DEVNULL, env={**os.environ, "TERM": kind},
    )  # fmt: skip
    assert re.search(rb"/dev/pts/\d+\r\n0 83\r\n", done.stdout), done
    assert done.returncode == 4


@needs_ssh
def test_files_by_scp_and_sftp_and_rsync(config, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "large").write_bytes(os.urandom(600_000))
    (source / "small").write_text("ü")
    assert run("scp", "-F", config, "-qr", source, "golem-tunnel:by-scp").returncode == 0
    assert run("scp", "-O", "-F", config, "-qr", "golem-tunnel:by-scp", tmp_path / "back").returncode == 0
    assert filecmp.cmpfiles(source, tmp_path / "back", ["large", "small"], shallow=False) == (
        ["large", "small"],
        [],
        [],
    )
    done = run(
        "sftp", "-F", config, "-b", "-", "golem-tunnel", input=b"rename by-scp/small by-scp/other\nls -1 by-scp\n"
    )
    assert done.stdout.splitlines()[-2:] == [b"by-scp/large", b"by-scp/other"]
    if shutil.which("rsync"):
        shell = shlex.join(["ssh", "-F", str(config)])
        assert run("rsync", "-a", "-e", shell, f"{source}/", "golem-tunnel:by-scp").returncode == 0
        assert ssh(config, "cat by-scp/small").stdout.decode() == "ü"


@needs_ssh
def test_the_printed_lines_lead_to_the_lab(remote_session, ssh_key):
    _, told, _ = command("ssh-config", "tunnel", "--json")
    for line in (told["command"], told["websocat"]):
        arguments = shlex.split(line)
        assert remote_session[0].token() not in line
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        arguments[arguments.index("-L") + 1] = f"{port}:localhost:8888"
        mine = ["-i", str(ssh_key[0]), "-o", "IdentitiesOnly=yes", "-o", "ExitOnForwardFailure=yes"]
        path = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        # -f: it goes to the background, and so comes back, once the forward stands; it ends with its last connection.
        arguments = [arg for arg in arguments[1:] if arg != "-N"]
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        assert run("ssh", "-f", *mine, *arguments, "sleep 2", env=path, capture_output=False, **streams).returncode == 0
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api", timeout=SECONDS * slower()) as answer:
            assert "version" in json.load(answer)


@needs_ssh
def test_no_secret_is_to_be_seen_while_the_ways_are_in_use(remote_session, config, ssh_key):
    directory, network = remote_session
    keys = {"the user's private key": private_part(ssh_key[0])}
    with (
        tunnel(directory.name, "--port", "0"),
        tunnel(directory.name, "--port", "0", "--remote-port", "8888"),
        urllib.request.urlopen(f"{directory.url()}", timeout=SECONDS * slower()) as page,
        subprocess.Popen(["ssh", "-F", config, "golem-tunnel", "echo here; cat"], stdin=-1, stdout=-1) as shell,
    ):
        assert shell.stdout.readline() == b"here\n"
        assert page.headers["Referrer-Policy"] == "same-origin"
        assert seen(network, **keys) == []
        # It sees when there is something to see, the arguments of a stranger's program for one.
        token = directory.token()
        with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()", token], stdin=-1):
            assert len(seen(network)) == 1
        shell.stdin.close()


@needs_ssh
def test_a_swapped_host_key_is_refused(remote_session, config, tmp_path):
    directory, _ = remote_session
    access.new_host_key(tmp_path, "tunnel")  # what another machine would show is not this
    other = tmp_path / "config"
    other.write_text(config.read_text().replace(str(directory.path / "known_hosts"), str(tmp_path / "known_hosts")))
    done = ssh(other, "echo in")
    assert done.returncode == 255
    assert b"HOST IDENTIFICATION HAS CHANGED" in done.stderr
    (tmp_path / "known_hosts").write_text("")  # and an unknown one is not asked about
    done = ssh(other, "echo in")
    assert (done.returncode, done.stdout) == (255, b"")


@needs_ssh
def test_no_other_key_and_no_password_gets_in(config, tmp_path):
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "other")
    text = config.read_text()
    other = tmp_path / "config"
    other.write_text(re.sub(r"IdentityFile .*", f"IdentityFile {tmp_path / 'other'}", text))
    done = ssh(other, "echo in")
    assert done.returncode == 255
    assert b"(publickey)" in done.stderr  # it offers nothing else


def test_the_port_socket_is_for_its_owner_alone(remote_session):
    directory, _ = remote_session
    assert port_socket_path(directory.path).stat().st_mode & 0o777 == 0o600
    assert directory.path.stat().st_mode & 0o777 == 0o700
    assert paths.sessions_directory().stat().st_mode & 0o777 == 0o700
    assert (directory.path / "known_hosts").read_text().startswith("golem-tunnel ssh-ed25519 ")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"ssh": "none", "user": "root", "port": 22}',
        b'{"ssh": "sshd", "user": "-oProxyCommand=x", "port": 22}',
        b'{"ssh": "sshd", "user": "a\\nHost *", "port": 22}',
        b'{"ssh": "sshd", "user": "root", "port": "22 -x"}',
        b'{"ssh": "sshd", "user": "root", "port": 70000}',
        b'{"ssh": "sshd", "user": "root", "port": true}',
    ],
)
def test_what_a_provider_tells_of_its_server_is_not_believed(data):
    with pytest.raises(AccessError):
        access.SshServer.told(data)


def test_paths_with_blanks_and_per_cent_signs_stay_what_they_are(tmp_path):
    directory = tmp_path / "a b%c"
    settings = access.options(directory, "x", access.SshServer("root", 22), proxy="p")
    assert settings["UserKnownHostsFile"] == f'"{tmp_path}/a b%%c/known_hosts"'
    assert "a b%%c" in access.our_proxy(directory / "ports.sock", 22)


def test_each_machine_has_a_name_and_a_host_key_of_its_own(tmp_path):
    keys = [access.new_host_key(tmp_path, "x", machine) for machine in (1, 2)]
    assert keys[0] != keys[1]
    settings = access.settings_for(tmp_path, "x", access.SshServer("root", 2022), 2)
    assert settings["HostKeyAlias"] == settings["HostName"] == "golem-x.2"
    assert settings["UserKnownHostsFile"] == str(tmp_path / "known_hosts.2")
    assert (tmp_path / "known_hosts").read_text().startswith("golem-x ssh-ed25519 ")
    assert (tmp_path / "known_hosts.2").read_text().startswith("golem-x.2 ssh-ed25519 ")
    assert settings["ProxyCommand"].endswith("ports.sock 2 2022")
    assert access.config("x", settings, 2).startswith("Host golem-x.2\n")


def test_the_machine_that_takes_over_is_known_by_its_own_host_key_and_the_old_one_no_more(tmp_path):
    """A lost machine has its private half still, and could show it where the session goes on."""
    (tmp_path / "standby").mkdir()
    head = MachineVpn(tmp_path, "x", 1, ssh_key="ssh-ed25519 AAAA")
    standby = MachineVpn(tmp_path / "standby", "x", 1, ssh_key="ssh-ed25519 AAAA")
    old, new = (public_part(way.agent_settings()["ssh"]["host_key"]) for way in (head, standby))
    assert old != new
    pinned = access.known_hosts(tmp_path, 1)
    assert pinned.read_text() == f"golem-x {old}\n", "who only stands by is not the session's machine"
    head.take_pinned(standby)
    assert pinned.read_text() == f"golem-x {new}\n"
    third = public_part(head.agent_settings()["ssh"]["host_key"])  # of the one that is rented when that is lost, too
    assert third not in {old, new}
    assert pinned.read_text() == f"golem-x {third}\n"


def public_part(private):
    return load_ssh_private_key(private.encode(), None).public_key().public_bytes(
        Encoding.OpenSSH, PublicFormat.OpenSSH
    ).decode()  # fmt: skip


def test_what_lies_in_the_users_directory_is_not_taken_for_pythons(tmp_path):
    for name in ("random", "selectors", "golem_launcher", "runpy"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a stranger was here')")
    command = access.our_proxy(tmp_path / "ports.sock", 22)
    done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("golem-launcher: no connection")


def test_ssh_is_told_to_trust_nobody_and_to_lend_nothing(tmp_path):
    settings = access.options(tmp_path, "x", access.SshServer("root", 22), proxy="p")
    wanted = {
        "StrictHostKeyChecking": "yes", "UpdateHostKeys": "no", "GlobalKnownHostsFile": "/dev/null",
        "PasswordAuthentication": "no", "ForwardAgent": "no", "ForwardX11": "no",
    }  # fmt: skip
    assert wanted.items() <= settings.items()
    assert settings["UserKnownHostsFile"].strip('"') == str(tmp_path / "known_hosts")


def test_the_way_of_an_ssh_in_the_background_outlives_its_terminal(tmp_path):
    """`ssh -f` goes on when the terminal is closed; its ProxyCommand is still of that terminal, and is hung up."""
    place = tmp_path / "ports"
    with socket.socket(socket.AF_UNIX) as ports:
        ports.bind(str(place))
        ports.listen()
        ports.settimeout(SECONDS * slower())
        argv = [sys.executable, "-m", "golem_launcher.access.ssh_proxy_command", str(place), "2", "22"]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            far, _ = ports.accept()
            with far:
                assert far.recv(16) == b"2 22\n"
                process.send_signal(signal.SIGHUP)
                process.stdin.write(b"on")
                process.stdin.flush()
                assert far.recv(16) == b"on"
                process.stdin.close()
                assert far.recv(16) == b""
            process.wait(SECONDS * slower())
