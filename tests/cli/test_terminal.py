"""The command line in a terminal: tables that fit, colour there alone, Ctrl-C in a line, names that Tab completes."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING

import pytest

from golem_launcher import paths
from golem_launcher.events import Stage
from golem_launcher.request import LaunchRequest
from golem_launcher.session.on_disk.directory import SessionDirectory, create_session_directory
from tests.patience import slower

if TYPE_CHECKING:
    from pathlib import Path

CLI = [sys.executable, "-m", "golem_launcher.cli"]
_NAMES = ("analysis", "a-name-of-forty-characters-0123456789abc")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    for name in _NAMES:
        directory = create_session_directory(LaunchRequest(name=name))
        state = directory.state().model_copy(update={"stage": Stage.FAILED, "reason": "a test"})
        directory.write_state(state)
    return tmp_path


def in_terminal(*words: str, columns: int = 80, **environment: str) -> str:
    """What a terminal of so many columns is sent."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    wanted = {key: value for key, value in os.environ.items() if key not in {"COLUMNS", "NO_COLOR"}}
    with subprocess.Popen(
        [*CLI, *words], stdout=theirs, stderr=theirs, stdin=theirs, env={**wanted, "TERM": "xterm", **environment}
    ) as process:
        os.close(theirs)
        said = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # Linux's way to say that the other side is closed
                break
            if not part:
                break
            said += part
        process.wait(timeout=60 * slower())
    os.close(ours)
    return said.decode().replace("\r\n", "\n")


@pytest.mark.slow
@pytest.mark.parametrize("words", ["list", "networks", "ledger", "providers", "image list"])
def test_tables_fit_with_a_head_and_colour_is_for_terminals(home: Path, words: str) -> None:  # noqa: ARG001
    shown = in_terminal(*words.split())
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    table = [line for line in plain.splitlines() if not line.startswith("There is no image of")]
    assert max(map(len, table)) <= 80
    if words == "providers":
        assert plain == "Nothing is remembered of any provider yet.\n"
        return
    assert plain.splitlines()[0].isupper()
    if words == "image list":  # what is to be done is not cut
        assert "…" not in plain
    assert "\x1b[1m" in shown
    assert "\x1b" not in in_terminal(*words.split(), NO_COLOR="1")
    piped = subprocess.run([*CLI, *words.split()], capture_output=True, text=True, check=True).stdout
    assert "\x1b" not in piped
    assert "…" not in piped


def test_alone_it_says_what_runs_and_where_to_start(home: Path) -> None:  # noqa: ARG001
    said = in_terminal()
    assert "Nothing runs." in said
    assert "golem-launcher page" in said
    assert max(map(len, said.splitlines())) <= 80


def test_logs_as_json_are_lines(home: Path) -> None:
    directory = home / "sessions" / "analysis"
    (directory / "workload.log").write_text("one\ntwo\n")
    piped = subprocess.run([*CLI, "logs", "analysis", "--json"], capture_output=True, text=True, check=True).stdout
    assert [json.loads(line)["line"] for line in piped.splitlines()] == ["one", "two"]


@pytest.mark.parametrize(
    ("typed", "completed", "shell"),
    [
        ("show ana", "analysis", "bash"),
        ("show ana", "analysis", "zsh"),
        ("show ana", "analysis", "fish"),
        ("start --network poly", "polygon", "bash"),
        ("start --software ten", "tensorflow", "zsh"),
        ("wallet --network hoo", "hoodi", "fish"),
        ("generations sav", "saved-work", "bash"),
        ("start --resume sav", "saved-work", "zsh"),
        ("tunnel ana", "analysis", "fish"),
        ("sta", "start", "bash"),
    ],
)
def test_tab_completes_names(home: Path, typed: str, completed: str, shell: str) -> None:
    """Which names there are is asked of the same functions by every shell."""
    (home / "workspaces" / "workspaces" / "saved-work").mkdir(parents=True)
    words = f"golem-launcher {typed}"
    environment = {
        **os.environ,
        "_GOLEM_LAUNCHER_COMPLETE": f"complete_{shell}",
        "_TYPER_COMPLETE_ARGS": words,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    code = "import sys; sys.argv = ['golem-launcher']; from golem_launcher.cli.entry import main; main()"
    said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert re.search(rf"(^|\W){completed}(\W|$)", said.stdout), said


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("show analysys", "Did you mean 'analysis'?"),
        ("start --network polygn", "did you mean 'polygon'?"),
        ("start --software tensorflw", "did you mean 'tensorflow'?"),
        ("generations saved-wrk", "Did you mean 'saved-work'?"),
        ("strat", "Did you mean 'start'?"),
        ("keep", "Did you mean 'keep-running'?"),
        ("start --netwrk x", "--network"),
    ],
)
def test_a_slip_is_answered_with_what_was_meant(home: Path, words: str, meant: str) -> None:  # noqa: ARG001
    from golem_launcher.workspace.repository.manifest import Environment  # noqa: PLC0415
    from golem_launcher.workspace.repository.store import open_store  # noqa: PLC0415

    store = open_store()
    store.establish()
    store.commit("saved-work", [], Environment(), [])
    said = subprocess.run([*CLI, *words.split()], capture_output=True, text=True, check=False)
    assert said.returncode
    assert meant in " ".join(said.stderr.split())


@pytest.mark.parametrize("seconds", [0.05, 0.2, 0.5, 1.0])
def test_ctrl_c_is_one_line(home: Path, seconds: float) -> None:  # noqa: ARG001
    """At whatever it is then: loading, listing, done. Before a line of ours runs, Python itself answers."""
    code, said = _interrupted(seconds)
    while code == -signal.SIGINT or (b"Traceback" in said and b"cli/entry.py" not in said):
        seconds *= 2
        code, said = _interrupted(seconds)
    assert (code, said) in {(130, b"Interrupted.\n"), (0, b"")}


def _interrupted(seconds: float) -> tuple[int, bytes]:
    with subprocess.Popen(
        [*CLI, "logs", "analysis", "--follow"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        time.sleep(seconds)  # the moment is what is varied
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60 * slower())[1]
    return process.returncode, said


@pytest.mark.parametrize("words", [["localnet", "--help"], ["show", "analysis"], ["list"]])
@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_letters_that_an_encoding_lacks_end_no_command(home: Path, words: list[str], encoding: str) -> None:
    """Help has an ellipsis, and strangers choose names."""
    directory = SessionDirectory(home / "sessions" / "analysis")
    state = directory.state()
    head = state.head.model_copy(update={"provider_name": "猫…ł"})
    directory.write_state(state.model_copy(update={"machines": (head,), "reason": "ł ✓"}))
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    said = subprocess.run([*CLI, *words], env=environment, capture_output=True, check=False)
    assert (said.returncode, said.stderr) == (0, b"")
    if words != ["localnet", "--help"]:
        assert b"???" in said.stdout if words == ["list"] else b"? ?" in said.stdout


@pytest.mark.parametrize("closed", ["1", "2"])
def test_an_output_that_is_closed_ends_no_command(home: Path, closed: str) -> None:  # noqa: ARG001
    command = f'"$@" {closed}>&-'
    said = subprocess.run(["sh", "-c", command, "sh", *CLI, "networks"], capture_output=True, text=True, check=False)
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout.startswith("NETWORK") is (closed == "2")
