"""A session from request to bill, as a user sees it: through the command line, then through its link."""

import asyncio
import os
from pathlib import Path

import psutil
import pytest

from golem_launcher.events import Stage
from golem_launcher.rental.payment.journal import Journal
from golem_launcher.session import client
from golem_launcher.session.on_disk import liveness
from golem_launcher.session.on_disk.directory import session_directory
from tests.patience import slower
from tests.session.conftest import HONEST, command, explain, wait_for
from tests.session.jupyter import Jupyter

IDLE_SECONDS = 12
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def lab(network):  # noqa: ARG001 - it must be up
    """A session that the tests of this module share, started by ``start --wait --json``."""
    _, value, _ = command(
        "start", "--name", "whole", "--budget", "5", "--mem", str(HONEST), "--disk", "0.5", "--wait", "--json"
    )
    yield value
    client.stop("whole", force=True)


def in_lab(lab, conversation):
    async def talk():
        async with Jupyter(lab["url"]) as jupyter:
            return await asyncio.wait_for(conversation(jupyter), 160 * slower())

    return asyncio.run(talk())


def test_start_and_show_say_what_scripts_need(lab):
    assert lab["name"] == "whole"
    assert lab["stage"] == "ready"
    assert lab["network"] == "local"
    assert lab["provider"].startswith("honest")
    assert lab["token"] in lab["url"]
    _, shown, _ = command("show", "whole", "--json")
    (machine,) = shown["machines"]
    for value, keys in (
        (shown, ("cost", "budget", "allocation_id", "started_at", "deadline")),
        (machine, ("agreement_id", "activity_id", "provider_id", "ip", "price_per_hour")),
    ):
        for key in keys:
            assert value[key] is not None, key
    assert (machine["number"], machine["stage"], machine["lost"]) == (1, "ready", 0)
    stages = [stage for stage, _ in shown["stages"]]
    assert stages == ["checking", "allocating", "negotiating", "deploying", "starting", "ready"]
    _, listed, _ = command("list", "--json")
    assert "whole" in {session["name"] for session in listed}


def test_the_link_needs_the_token_and_has_an_origin_of_its_own(lab):
    assert lab["url"].startswith("http://127.")
    assert not lab["url"].startswith("http://127.0.0.1")

    async def without(jupyter):
        async with jupyter.http.get(jupyter.origin + "/api/contents", headers={"Authorization": ""}) as response:
            return response.status

    assert in_lab(lab, without) == 403


def test_a_kernel_runs_there_and_its_files_are_in_the_providers_directory(lab, network):
    code = "import os; open('made-by-kernel.txt', 'w').write('x'); print(os.getcwd(), 40 + 2)"
    assert "42" in in_lab(lab, lambda jupyter: jupyter.execute(code))
    found = [path for path in network.directory.rglob("made-by-kernel.txt") if path.is_file()]
    assert found, "not in the provider's directory"
    assert not Path("made-by-kernel.txt").exists()
    assert not list(session_directory("whole").path.rglob("made-by-kernel.txt"))


def test_a_kernel_knows_no_secret_of_ours(lab, network):
    printed = in_lab(lab, lambda jupyter: jupyter.execute("import os; print(dict(os.environ))"))
    assert network.node.app_key not in printed
    assert "YAGNA" not in printed


def test_a_terminal_works(lab):
    assert "out-42" in in_lab(lab, lambda jupyter: jupyter.terminal("echo out-$((40+2))", "out-42"))


def test_thirty_megabytes_go_up_and_arrive_as_they_were(lab, network):
    text = "".join(f"{number:015d}\n" for number in range(30 * 1024 * 1024 // 16))  # no two pieces are alike

    async def upload(jupyter):
        body = {"type": "file", "format": "text", "content": text}
        await jupyter.call("PUT", "/api/contents/large.txt", body)
        return await jupyter.call("GET", "/api/contents/large.txt?content=0")

    assert in_lab(lab, upload)["size"] == len(text)
    (found,) = [path for path in network.directory.rglob("large.txt") if path.is_file()]
    assert found.read_text() == text
    assert session_directory("whole").state().stage is Stage.READY


def test_the_labs_log_arrives(lab):
    directory = session_directory("whole")
    wait_for(directory, lambda _: directory.workload_log.exists() and directory.workload_log.stat().st_size > 0, 20)
    _, text, _ = command("logs", "whole")
    assert "Jupyter" in text
    assert lab["token"] not in text


BURST = """
import os
lab = os.open(f"/proc/{os.getppid()}/fd/1", os.O_WRONLY)
data = "".join(f"burst {number}: a line of a provider that has much to say\\n" for number in range(12_000)).encode()
while data:
    data = data[os.write(lab, data):]
"""


def test_a_burst_of_log_lines_arrives_whole(lab):
    directory = session_directory("whole")
    in_lab(lab, lambda jupyter: jupyter.execute(BURST))
    wait_for(directory, lambda _: b"burst 11999:" in directory.workload_log.read_bytes(), 30)
    found = [line for line in directory.workload_log.read_text().splitlines() if line.startswith("burst ")]
    assert found == [f"burst {number}: a line of a provider that has much to say" for number in range(12_000)]


def test_secrets_are_private_and_not_in_arguments(lab, network):
    directory = session_directory("whole")
    assert directory.path.stat().st_mode & 0o077 == 0
    for path in directory.path.iterdir():
        if path.name != "token":
            assert lab["token"].encode() not in (path.read_bytes() if path.is_file() else b""), path
    assert directory.control_socket.stat().st_mode & 0o077 == 0
    for process in psutil.process_iter(["cmdline"]):
        arguments = " ".join(process.info["cmdline"] or [])
        assert lab["token"] not in arguments
        assert network.node.app_key not in arguments


@pytest.mark.usefixtures("lab")
def test_the_supervisor_is_small_and_idle():
    pid = liveness.supervisor(session_directory("whole")).pid
    supervisor = psutil.Process(pid)
    assert supervisor.memory_info().rss < 120 * 1024 * 1024
    assert os.getsid(pid) == pid
    client.save("whole")  # what the tests before have written is no work of an idle one
    before = supervisor.cpu_times()
    with pytest.raises(psutil.TimeoutExpired):
        supervisor.wait(IDLE_SECONDS)
    after = supervisor.cpu_times()
    assert (after.user + after.system - before.user - before.system) / IDLE_SECONDS < 0.03


@pytest.mark.usefixtures("lab")
def test_a_second_session_of_the_name_is_refused():
    code, _, error = command("start", "--name", "whole", check=False)
    assert code == 1
    assert "golem-launcher stop whole" in error


@pytest.mark.usefixtures("lab")
def test_stop_leaves_nothing_and_the_bill_is_accepted(node):
    directory = session_directory("whole")
    _, value, _ = command("stop", "whole", "--json")
    assert value["stage"] == "ended", explain(directory)
    assert value["url"] is None
    assert not liveness.alive(directory)
    entries = Journal.read(directory.path).entries
    assert entries.closed
    node.holds_nothing_of(entries)
    state = directory.state()
    invoice = node.invoice(state.head.agreement_id)
    assert invoice is not None
    assert invoice["status"] in {"ACCEPTED", "SETTLED"}
    assert 0 < state.cost <= state.budget
    assert not directory.control_socket.exists()
