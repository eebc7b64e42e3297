"""A workload that another package brings, from its installation to its bill: ``examples/web-server``."""

import json
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from golem_launcher.events import Stage
from golem_launcher.session.on_disk.directory import session_directory
from tests.patience import slower
from tests.session.conftest import HONEST, command, wait_for

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parents[2] / "examples" / "web-server"
SESSION = "web"
_BY_HAND = {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
"""What a browser sends of an address that was typed."""
_BY_A_PAGE = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The example's package, installed as its user does."""
    source, target = tmp_path / "source", tmp_path / "installed"
    shutil.copytree(EXAMPLE, source)
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation",
         "--target", str(target), str(source)],
        check=True,
        timeout=120 * slower(),
    )  # fmt: skip
    monkeypatch.setenv("PYTHONPATH", str(target))
    return target


def start(name, *arguments):
    _, told, _ = command(
        "start", "--wait", "--json", "--name", name, "--workload", "web-server", "--mem", str(HONEST),
        "--disk", "0.5", "--budget", "5", *arguments,
    )  # fmt: skip
    return told


def get(url, headers):
    """Status and body."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20 * slower()) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def through_tunnel(*options):
    """What is at the end of a tunnel to the session."""
    tunnel = subprocess.Popen(
        [sys.executable, "-m", "golem_launcher.cli", "tunnel", SESSION, "--port", "0", "--json", *options],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        told = "".join(iter(tunnel.stdout.readline, "}\n"))
        return get(json.loads(told + "}")["url"], {})
    finally:
        tunnel.terminate()
        tunnel.communicate(timeout=20 * slower())


@pytest.mark.usefixtures("network", "installed")
def test_a_web_server_is_watched_extended_saved_ended_and_billed_as_any_session(tmp_path):
    public = tmp_path / "public"
    public.mkdir()
    (public / "index.html").write_text("hello")
    try:
        told = start(SESSION, "--input", str(public))
        directory = session_directory(SESSION)

        assert get(told["url"], _BY_HAND) == (200, b"hello")
        assert get(told["url"], _BY_A_PAGE)[0] == get(told["url"], {})[0] == 403
        assert through_tunnel() == through_tunnel("--endpoint", "web") == (200, b"hello")
        assert command("tunnel", SESSION, "--endpoint", "other", check=False)[2].count("there is web") == 1

        wait_for(directory, lambda _: '"GET / HTTP' in command("logs", SESSION)[1], 20)
        assert "Web server starts in" in command("logs", SESSION)[1]
        wait_for(directory, lambda state: state.head.usage and state.head.usage.memory_bytes > 1_000_000, 20)

        deadline = directory.state().deadline
        command("extend", SESSION, "--hours", "+1")
        assert (directory.state().deadline - deadline).total_seconds() == pytest.approx(3600)
        wait_for(directory, lambda _: "the deadline is in 7" in command("logs", SESSION)[1], 20)

        _, saved, _ = command("save", SESSION, "--json")
        assert (saved["files"], saved["at_stake"]) == (1, 0)
        assert command("gateway", SESSION, check=False)[2].count("no JupyterLab") == 1

        _, ended, _ = command("stop", SESSION, "--json")
        assert (ended["stage"], ended["url"]) == ("ended", None)
        _, bill, _ = command("bill", SESSION, "--json")
        assert float(bill["cost"]) > 0
        assert len(bill["agreements"]) == 1

        again = start("web-again", "--resume", SESSION)
        assert get(again["url"], _BY_HAND) == (200, b"hello")
    finally:
        for name in (SESSION, "web-again"):
            command("stop", name, "--force", check=False)


_JOB = """
from golem_launcher.workload.base import PYTHON, Workload

JOB = Workload(
    "job", "The job", argv=(PYTHON, "-c", "open('result', 'w').write('42')"), endpoints=(), ends_session=True
)
"""


@pytest.mark.usefixtures("network")
def test_a_program_that_has_done_its_work_ends_its_session_with_all_saved(installed):
    (installed / "job.py").write_text(_JOB)
    (about,) = installed.glob("*.dist-info")
    with (about / "entry_points.txt").open("a") as file:
        file.write("job = job:JOB\n")
    try:
        command("start", "--name", "job", "--workload", "job", "--mem", str(HONEST), "--disk", "0.5", "--budget", "5")
        state = wait_for(session_directory("job"), lambda state: state.stage.final, 60)
        assert (state.stage, state.reason) == (Stage.ENDED, "The job has ended.")
        assert (state.saving.files, state.saving.at_stake, state.address) == (1, 0, None)
        assert state.cost > 0
    finally:
        command("stop", "job", "--force", check=False)
