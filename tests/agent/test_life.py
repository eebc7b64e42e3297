"""How it starts, what it survives, and that it ends with everything in it."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import textwrap

import pytest

from golem_launcher.agent import exit_report, main
from golem_launcher.session.machines.workload_start import reason_in
from tests.agent.conftest import TOKEN, eventually
from tests.patience import slower
from tests.session.jupyter import Jupyter

_DAEMON = """
import subprocess, sys
script = "import os, time; os.fork() and os._exit(0); os.setsid(); os.fork() and os._exit(0); time.sleep(1000)"
subprocess.run([sys.executable, "-c", script], check=True)
"""


def test_small_messages_of_the_agent_do_not_wait_for_each_other():
    """Nagle's algorithm holds the second back for 40 ms; who comes to a listener has its options."""
    with main._listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def _daemonize(agent):
    """Start a program in a kernel that leaves its parents and their session, and keep another kernel busy."""

    async def talk():
        async with Jupyter(f"http://{agent.address}:{agent.port}/?token={TOKEN}") as jupyter:
            await jupyter.execute(_DAEMON)
            await jupyter.call("POST", "/api/terminals")

    asyncio.run(talk())
    agent.kernel()
    return eventually(lambda: [pid for pid, line in agent.processes().items() if "time.sleep" in line])


@pytest.mark.slow
def test_the_deadline_ends_everything(agent):
    agent.up()
    agent.kernel()
    assert agent.ask("POST", "/deadline", body=b'{"seconds": 0.5}')[0] == 200
    eventually(lambda: not agent.processes(), 15)
    assert b"the deadline has come" in _log(agent)


def test_a_clock_that_is_wrong_does_not_matter(agent):
    assert agent.start(now=1_000_000.0, deadline=1_000_001.0).returncode == 0
    eventually(lambda: not agent.processes(), 15)


@pytest.mark.slow
def test_sigterm_ends_everything(agent):
    agent.up()
    _daemonize(agent)
    os.kill(agent.manager_and_lab()[0], signal.SIGTERM)
    eventually(lambda: not agent.processes(), 15)
    assert b"told to end" in _log(agent)
    assert b"everything has ended" in _log(agent)


@pytest.mark.slow
def test_a_lab_without_its_process_manager_ends(agent):
    agent.up()
    os.kill(agent.manager_and_lab()[0], signal.SIGKILL)
    eventually(lambda: not agent.processes(), 15)


@pytest.mark.slow
def test_a_crashed_lab_comes_back(agent):
    agent.up()
    daemon = _daemonize(agent)
    before, offset = agent.log()
    _, lab = agent.manager_and_lab()
    os.kill(lab, signal.SIGKILL)
    eventually(lambda: lab not in agent.processes())
    agent.answers()
    assert agent.manager_and_lab()[1] != lab
    assert agent.log()[0].startswith(before)
    assert b"crashed (exit code -9)" in agent.log(offset)[0]
    running = agent.processes()
    assert not [line for line in running.values() if "ipykernel" in line]  # nobody could reach them
    assert set(daemon) <= set(running)


def test_shutting_down_from_the_menu_is_the_end(agent):
    agent.up()
    assert agent.request("POST", "/api/shutdown")[0] == 200
    eventually(lambda: not agent.processes(), 15)
    assert b"was shut down" in _log(agent)


@pytest.mark.slow
def test_it_gives_up_on_a_lab_that_never_starts(agent):
    broken = agent.run / "broken" / "jupyterlab"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise RuntimeError('no such luck')")
    script = f"""
        import socket, sys
        from golem_launcher.agent import config, process_manager
        sys.path[:0] = ["", {str(broken.parent)!r}]
        process_manager._BACKOFF_SECONDS = (0.01, 0.02)
        told = ("{TOKEN}", "{TOKEN}", 1, "127.0.0.1", ".", 1e11, "/", "", {str(agent.run / "agent.log")!r})
        process_manager.manage(config.Config(*told), socket.create_server(("127.0.0.1", 0)))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], env=agent.environment, timeout=30 * slower(), check=False
    )
    assert done.returncode == 1
    log = _log(agent)
    assert log.count(b"RuntimeError: no such luck") == 3
    assert b"crashed too often: giving up" in log
    ended = agent.last_words()
    assert ended == (exit_report.CRASHED, "JupyterLab crashed too often: giving up", "RuntimeError: no such luck")
    said = "The agent there says: JupyterLab crashed too often: giving up."
    assert reason_in(ended) == f"{said} The last line of its log: RuntimeError: no such luck."


@pytest.mark.slow
def test_one_that_runs_says_so(agent):
    agent.up()
    assert agent.last_words().kind == exit_report.RUNS


@pytest.mark.parametrize(
    "said",
    ["", "everything has ended", *(f"{exit_report.MARK}{said}" for said in (
        "[1]", "{}", "[" * 5000, "[" * 9000, '{"kind": "crashed", "what": 5}', '{"kind": ["crashed"], "what": "x"}',
        '{"kind": "paid", "what": "x"}',
    ))],
)  # fmt: skip
def test_what_is_no_report_is_none(said):
    assert exit_report.read(said) is None


def test_no_jupyterlab(agent):
    done = agent.start("-I", "-S")  # without site-packages
    assert done.returncode == 3
    assert exit_report.read(done.stderr).kind == exit_report.IMAGE
    assert "neither JupyterLab nor pip" in done.stderr
    assert not agent.config.exists()


def test_the_port_is_taken(agent):
    with socket.create_server((agent.address, agent.port)):
        done = agent.start()
    assert done.returncode == 4
    assert exit_report.read(done.stderr).kind == exit_report.PORT
    assert f"{agent.address}:{agent.port}" in done.stderr


@pytest.mark.parametrize(
    "fields",
    [{"token": ""}, {"token": None}, {"token": "short"}, {"token": "with space " * 4}, {"token": 5}, {"port": 0},
     {"port": 65536}, {"port": "8888"}, {"port": True}, {"deadline": 5}, {"deadline": None}, {"deadline": float("nan")},
     {"deadline": float("inf")}, {"now": "x"}, {"base_url": "no-slash"}, {"base_url": "/../"}, {"base_url": "/a?b/"},
     {"root": 5}, {"root": None}, {"root": "a\0b"}, {"root": "agent.pyz"}],
)  # fmt: skip
def test_a_wrong_configuration_is_refused(agent, fields):
    done = agent.start(**fields)
    assert done.returncode == 2
    assert next(iter(fields)) in done.stderr or "directory" in done.stderr or "deadline" in done.stderr
    assert TOKEN not in done.stderr
    assert not agent.config.exists()
    assert not agent.processes()


def _log(agent):
    return b"".join(file.read_bytes() for file in sorted((agent.run / "agent.log").iterdir()))
