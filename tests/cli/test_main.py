"""A command is there at once: it loads its own subject and no other."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest
import typer

from golem_launcher import paths
from golem_launcher.cli import main

if TYPE_CHECKING:
    from pathlib import Path

_HEAVY = ("IPython", "aiohttp", "cryptography", "ipywidgets", "jupyter_server", "numpy", "packaging", "yapapi")


@pytest.mark.parametrize(("subject", "names"), main.SUBJECTS.items())
def test_the_table_names_each_command_of_a_module(subject: str, names: tuple[str, ...]) -> None:
    part = typer.Typer()
    import_module(f"golem_launcher.cli.{subject}").add_commands(part)
    assert tuple(typer.main.get_group(part).commands) == names


@pytest.mark.parametrize("words", ["--version", "--help", "list", "logs x", "connect x 22", "localnet status"])
def test_what_takes_long_to_load_is_left_out(words: str, tmp_path: Path) -> None:
    code = (
        "import atexit, sys; from golem_launcher.cli.main import main\n"
        f"atexit.register(lambda: print({{*{_HEAVY}}} & {{*sys.modules}}, file=sys.stderr))\n"
        "main()"
    )
    environment = {**os.environ, paths.HOME_VARIABLE: str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-c", code, *words.split()], env=environment, capture_output=True, text=True, check=False
    )
    assert ran.stderr.splitlines()[-1] == "set()"


@pytest.mark.parametrize(("words", "also"), [("--version", {"json", "subprocess"}), ("list", set())])
def test_what_is_asked_for_most_is_there_without_the_parser_and_the_models(
    words: str, also: set[str], tmp_path: Path
) -> None:
    code = (
        "import atexit, sys; from golem_launcher.cli.entry import main\n"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
        "main()"
    )
    environment = {**os.environ, paths.HOME_VARIABLE: str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-c", code, words], env=environment, capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in ran.stderr.split()}
    assert not loaded & {"asyncio", "email", "importlib_metadata", "pydantic", "rich", "typer", *also, *_HEAVY}


def test_the_version_in_one_line() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "golem_launcher.cli", "--version"], capture_output=True, text=True, check=True
    )
    assert ran.stdout == f"golem-launcher {version('golem-launcher')}\n"


def test_a_fault_of_a_commands_own_module_is_not_taken_for_an_unknown_name(monkeypatch):
    def broken(_subject):
        raise KeyError("ours")

    monkeypatch.setattr(main, "_commands", broken)
    with pytest.raises(KeyError, match="ours"):
        main._OnDemand().get("start")
    assert main._OnDemand().get("strat") is None
