"""A running Lab: who may talk to it, what it says of itself, what it hides."""

import asyncio
import http.client
import json
import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from golem_launcher.agent.config import Config
from golem_launcher.agent.killed_kernels import killed_for_memory
from golem_launcher.agent.lab import settings
from tests.agent.conftest import TOKEN, eventually
from tests.patience import slower
from tests.session.jupyter import Jupyter

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")


def test_the_token_opens(lab):
    assert lab.get("/api/status")[0] == 200


@pytest.mark.parametrize("token", [None, "wrong", TOKEN[:-1]])
def test_nothing_else_does(lab, token):
    assert lab.get("/api/status", token)[0] == 403


@pytest.mark.parametrize(("host", "status"), [("127.9.8.7:12345", 200), ("evil.example:8888", 403)])
def test_only_a_loopback_host_is_answered(lab, host, status):
    """A page that points a name of its own at the session's address (DNS rebinding) gets nothing, token or not."""
    connection = http.client.HTTPConnection(lab.address, lab.port, timeout=30 * slower())
    connection.request("GET", "/api/status", headers={"Host": host, "Authorization": f"token {TOKEN}"})
    assert connection.getresponse().status == status
    connection.close()


def test_who_is_let_in_at_one_provider_is_at_the_next():
    """Cookies of a session are good at each of its providers, and at no other session's."""
    keys = [
        settings(Config("any", token, port, "127.0.0.1", ".", 1e11, "/", "", "agent.log"))["ServerApp"]["cookie_secret"]
        for token, port in ((TOKEN, 1), (TOKEN, 2), (TOKEN[::-1], 1))
    ]
    assert keys[0] == keys[1] != keys[2]


def test_a_server_extension_that_is_installed_meanwhile_is_loaded(lab):
    path = "/golem-launcher/ways/nobody"
    assert lab.get(path, None)[0] == 404
    folder = lab.config_directory / "jupyter_server_config.d"
    folder.mkdir()
    enabled = {
        "ServerApp": {"jpserver_extensions": {"no_such_module": True, "golem_launcher.ui.server.hub_tunnel": True}}
    }
    (folder / "new.json").write_text(json.dumps(enabled))
    eventually(lambda: lab.get(path, None)[0] == 403)  # it asks who is there
    assert b"no_such_module" in lab.log()[0]


def test_the_token_is_in_no_command_line_environment_or_file_of_ours(lab):
    for pid in lab.processes():
        for name in ("cmdline", "environ"):
            assert TOKEN.encode() not in Path(f"/proc/{pid}/{name}").read_bytes()
    assert not lab.config.exists()
    for file in lab.run.rglob("*"):
        assert file.is_dir() or TOKEN.encode() not in file.read_bytes()


def test_the_token_is_cut_out_of_the_log(lab):
    _, offset = lab.log()
    _, server = lab.manager_and_lab()
    with Path(f"/proc/{server}/fd/2").open("wb", buffering=0) as output:

        def said():
            """In two parts; once more where the server itself said something in between."""
            times = lab.log(offset)[0].count(b"say ")
            output.write(f"say {TOKEN[:20]}".encode())
            eventually(lambda: lab.log(offset)[0].count(b"say ") > times)
            output.write(f"{TOKEN[20:]} again {TOKEN}\n".encode())
            return b"say [token] again [token]\n" in lab.log(offset)[0]

        eventually(said)


def test_a_kernel_sees_the_workspace_and_nothing_of_ours(lab):
    code = """
import importlib.util, os
print(importlib.util.find_spec("golem_launcher_agent"), "PYTHONPATH" in os.environ)
open("made-here", "w").close()
"""

    async def talk():
        async with Jupyter(f"http://{lab.address}:{lab.port}/?token={TOKEN}") as jupyter:
            printed = await jupyter.execute(code)
            return printed, await jupyter.terminal("echo $((40 + 2))-$PWD", f"42-{lab.work}")

    before = {file.name for file in lab.work.iterdir()}  # what other tests made there
    printed, _ = asyncio.run(talk())
    assert printed == "None False\n"
    assert {file.name for file in lab.work.iterdir()} - before == {"made-here"}


def test_the_log_says_that_a_kernel_was_killed_and_what_that_means(lab):
    _, offset = lab.log()
    kernel = lab.kernel()
    line = f"Kernel {kernel} was killed by signal 9, which most often means that the session's memory was full."

    def told():
        for pid, command in lab.processes().items():
            if f"{kernel}.json" in command:  # again when it was started again: the first may come before it is watched
                os.kill(pid, signal.SIGKILL)
        return line.encode() in lab.log(offset)[0]

    eventually(told)
    lab.request("DELETE", f"/api/kernels/{kernel}")


def test_programs_that_linux_killed_for_memory_are_counted(tmp_path):
    (tmp_path / "vmstat").write_bytes(b"nr_free_pages 12\noom_kill 3\n")
    (tmp_path / "memory.events").write_bytes(b"oom 9\noom_kill 2\noom_group_kill 0\n")
    (tmp_path / "hostile").write_bytes(b"\noom_kill \noom_kill 7\n")
    places = tuple(str(tmp_path / name) for name in ("vmstat", "memory.events", "hostile", "none"))
    assert killed_for_memory(places) == 5
    assert killed_for_memory() >= 0


def typed(lab, line, until):
    """What a new terminal of the Lab shows when ``line`` is typed into it."""

    async def talk():
        async with Jupyter(f"http://{lab.address}:{lab.port}/?token={TOKEN}") as jupyter:
            return await jupyter.terminal(line, until)

    return asyncio.run(talk())


@pytest.mark.slow
def test_building_jupyterlab_without_node_is_refused_with_what_to_do_instead(lab):
    typed(lab, f"PATH={Path(sys.executable).parent} jupyter lab build", "this session has no Node.js")


@pytest.mark.slow
@needs_node
@pytest.mark.parametrize("command", ["jupyter lab build", "jupyter labextension install some-extension"])
def test_building_jupyterlab_without_npms_registry_likewise_and_at_once(lab, command):
    typed(lab, f"YARN_NPM_REGISTRY_SERVER=http://127.0.0.1:1 {command}", "does not reach npm's registry, http://127.0")


@pytest.mark.slow
@needs_node
def test_what_builds_nothing_needs_no_registry(lab):
    typed(lab, "YARN_NPM_REGISTRY_SERVER=http://127.0.0.1:1 jupyter labextension list && echo do''ne", "done")


def test_a_start_does_not_wait_for_node_to_tell_what_is_set_for_builds(agent, tmp_path):
    """All else finds it."""
    programs, asked = tmp_path / "programs", tmp_path / "asked"
    programs.mkdir()
    (programs / "node").write_text(f'#!/bin/sh\necho "$@" >> {asked}\n')
    (programs / "node").chmod(0o755)
    agent.environment["PATH"] = f"{programs}:{agent.environment['PATH']}"
    agent.up()
    typed(agent, "node was-fo''und && echo do''ne", "done")
    lines = asked.read_text().splitlines()
    assert "was-found" in lines
    assert not [line for line in lines if "yarn" in line]


def test_the_page_is_told_of_no_build_and_whoever_asks_for_one_is_refused_in_words(lab):
    page = lab.get("/lab")[1].decode()
    assert '"buildAvailable": false' in page
    assert '"buildCheck": false' in page
    assert json.loads(lab.get("/lab/api/build")[1]) == {"status": "stable", "message": ""}
    for method in ("POST", "DELETE"):
        status, body, _ = lab.request(method, "/lab/api/build")
        assert status == 403
        assert "pip install the extension, and reload" in json.loads(body)["message"]
    for method in ("GET", "POST", "DELETE"):
        assert lab.request(method, "/lab/api/build", None)[0] == 403
    installed = lab.request("POST", "/lab/api/extensions", body=b'{"cmd": "install", "extension_name": "ipympl"}')
    assert "was blocked" in json.loads(installed[1])["message"]


def test_the_streams_of_the_command_are_let_go(lab):
    manager, _ = lab.manager_and_lab()
    assert {str(Path(f"/proc/{manager}/fd/{number}").readlink()) for number in (0, 1, 2)} == {"/dev/null"}


def test_nothing_that_the_lab_loads_compiles_a_grammar(agent):
    """jsonschema of 4.25 and later does, where ``rfc3987_syntax`` is installed: for longer than all else takes."""
    assert agent.start("-X", "importtime").returncode == 0
    agent.answers()
    imported = "".join(file.read_text() for file in (agent.run / "agent.log").iterdir())
    assert "jupyterlab.labapp" in imported
    assert "rfc3987_syntax" not in imported
