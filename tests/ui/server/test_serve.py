from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from golem_launcher.errors import LauncherError
from golem_launcher.ui.server.install import install
from golem_launcher.ui.server.serve import NOTEBOOK, listen, served_directory
from tests.patience import slower

ROOT = Path(__file__).resolve().parents[3]


def test_the_served_directory_holds_the_notebook_alone() -> None:
    directory = served_directory()
    assert [path.name for path in directory.iterdir()] == [NOTEBOOK]
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert (directory / NOTEBOOK).read_bytes() == (ROOT / NOTEBOOK).read_bytes()


def test_a_taken_port_is_refused_when_wanted() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LauncherError, match="is taken"):
            listen(port)


def test_pages_that_start_at_the_same_moment_get_ports_of_their_own() -> None:
    with contextlib.ExitStack() as open_ports, ThreadPoolExecutor(8) as starting:
        listeners = [open_ports.enter_context(one) for one in starting.map(lambda _: listen(), range(8))]
        ports = {listener.getsockname()[1] for listener in listeners}
        assert len(ports) == 8
        assert min(ports) >= 8866


def test_the_notebook_is_a_title_and_the_launcher() -> None:
    notebook = json.loads((ROOT / NOTEBOOK).read_text())
    assert ["".join(cell["source"]) for cell in notebook["cells"]] == [
        "# Golem Launcher",
        "from golem_launcher.ui import Launcher\n\nLauncher()",
    ]


def test_binder_delegates_to_the_root() -> None:
    assert {path.name for path in (ROOT / "binder").iterdir()} == {
        "postBuild", "requirements.txt", "runtime.txt", "start",
    }  # fmt: skip
    assert (ROOT / "binder/requirements.txt").read_text() == "-r ../requirements.txt\n"
    assert (ROOT / "binder/postBuild").read_text().splitlines()[-1] == "exec ./postBuild"
    for name in ("postBuild", "binder/postBuild"):
        assert os.access(ROOT / name, os.X_OK)
        assert "set -euo pipefail" in (ROOT / name).read_text()
        subprocess.run(["bash", "-n", ROOT / name], check=True)
    assert (ROOT / "binder/runtime.txt").read_text() == "python-3.12\n"


@pytest.mark.slow
def test_a_jupyter_server_finds_what_is_installed(tmp_path: Path) -> None:
    install(tmp_path)
    install(tmp_path)  # over itself
    code = (
        "from voila.server_extension import load_config_file as load; from voila.paths import collect_template_paths;"
        "name = load().VoilaConfiguration.template; print(name, collect_template_paths(['nbconvert'], name)[:9])"
    )
    environment = {
        **os.environ,
        "JUPYTER_PATH": str(tmp_path / "share/jupyter"),
        "JUPYTER_CONFIG_PATH": str(tmp_path / "etc/jupyter"),
    }
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("golem-launcher ")
    assert str(tmp_path) in ran.stdout


def test_the_command_line_does_not_load_the_widgets() -> None:
    code = "import sys, golem_launcher.cli.main; print({'ipywidgets', 'yapapi', 'jupyter_server'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"


def test_the_page_does_not_load_the_engine() -> None:
    code = "import sys, golem_launcher.ui.page; print({'yapapi', 'aiohttp', 'jupyter_server'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("shown", "later"),
    [
        ("golem_launcher.ui.launcher", {"pydantic", "golem_launcher.request", "golem_launcher.ui.page"}),
        (
            "golem_launcher.ui.page",
            {"golem_launcher.session.client", "golem_launcher.ui.cards.actions", "golem_launcher.ui.form.estimate"},
        ),
    ],
)
def test_the_page_is_shown_before_what_its_first_view_does_without_is_loaded(shown: str, later: set[str]) -> None:
    code = f"import sys, {shown}; print({later} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"


@pytest.mark.slow
def test_ctrl_c_closes_the_page_and_says_that_sessions_go_on(home: Path) -> None:
    command = [sys.executable, "-c", "from golem_launcher.cli.main import main; main()"]
    server = subprocess.Popen(
        [*command, "page", "--no-browser"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        assert line.startswith("Golem Launcher is at http://127.0.0.1:")
        token = line.rpartition("token=")[2].strip()
        page = line[line.index("http://") :].strip()
        with urllib.request.urlopen(
            urllib.parse.urljoin(page, f"/api/status?token={token}"), timeout=30 * slower()
        ) as answer:
            login = [cookie for cookie in answer.headers.get_all("Set-Cookie") if cookie.startswith("username-")]
        server.send_signal(signal.SIGINT)
        output, errors = server.communicate(timeout=120 * slower())
    finally:
        server.kill()
        server.communicate()
        subprocess.run([*command, "localnet", "down"], check=True, capture_output=True, timeout=60 * slower())
    assert "sessions that run go on" in output
    assert (server.returncode, errors) == (0, "")
    assert all({"HttpOnly", "SameSite=Lax"} <= set(cookie.split("; ")) for cookie in login), login
    assert len(login) == 1  # no page of another site has the browser show it
    assert list((home / "page").glob("run*")) == []
    kept = [path for path in (home / "page").rglob("*") if path.is_file() and token in path.read_text()]
    assert kept == []
