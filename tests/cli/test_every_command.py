"""Every command, as somebody meets it who guesses: its help on any terminal, and what it says to nonsense."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest
import typer

from golem_launcher import paths
from golem_launcher.cli.main import app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ROOT = typer.main.get_command(app)


def _commands() -> Iterator[tuple[tuple[str, ...], typer.core.TyperCommand]]:
    def walk(
        group: typer.core.TyperGroup, words: tuple[str, ...]
    ) -> Iterator[tuple[tuple[str, ...], typer.core.TyperCommand]]:
        for child, command in group.commands.items():
            if isinstance(command, typer.core.TyperGroup):
                yield from walk(command, (*words, child))
            else:
                assert isinstance(command, typer.core.TyperCommand)
                yield (*words, child), command

    assert isinstance(ROOT, typer.core.TyperGroup)
    yield from walk(ROOT, ())


COMMANDS = dict(_commands())
OF_A_NAME = [
    words
    for words, command in COMMANDS.items()
    if any(parameter.name == "name" for parameter in command.params if isinstance(parameter, typer.core.TyperArgument))
]
TAKE_ALL = {("localnet", "run"), ("ssh",)}
"""What they do not know belongs to the program that they run."""


class Said(NamedTuple):
    code: object
    out: str
    err: str


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Run a command here; any exception but ``SystemExit`` would be a traceback for the user."""
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*arguments: str) -> Said:
        with pytest.raises(SystemExit) as ended:
            ROOT.main(list(arguments), prog_name="golem-launcher")
        return Said(ended.value.code, *capsys.readouterr())

    return run


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_fits_a_narrow_terminal_without_colour(words: tuple[str, ...], run: Callable[..., Said]) -> None:
    said = run(*words, "--help")
    assert said.code == 0
    assert "\x1b" not in said.out
    assert max(len(line) for line in said.out.splitlines()) <= 40
    paragraphs = (COMMANDS[words].help or "").split("\n\n")
    assert all("\n" not in one for one in paragraphs if not one.startswith("Examples:"))


def test_the_first_help_names_no_kind_of_flags(run: Callable[..., Said]) -> None:
    assert "bool" not in run("--help").out


@pytest.mark.parametrize("words", sorted(COMMANDS.keys() - TAKE_ALL), ids=" ".join)
def test_an_unknown_option_is_bad_usage(words: tuple[str, ...], run: Callable[..., Said]) -> None:
    said = run(*words, "--nonsense")
    assert said.code == 2
    assert "--nonsense" in said.err


@pytest.mark.parametrize("words", OF_A_NAME, ids=" ".join)
def test_a_silly_name_is_an_error_in_words(words: tuple[str, ...], run: Callable[..., Said]) -> None:
    more = {("connect",): ["1"], ("restore",): ["work"]}.get(words, [])
    for name in ("", "x" * 5000, "../é ü", "\udcff"):
        said = run(*words, name, *more)
        assert said.code in {1, 2}, name
        assert said.err.strip(), name


@pytest.mark.parametrize("words", ["wallet", "fund"])
def test_a_network_that_there_is_not_is_answered_with_the_one_that_was_meant(
    words: str, run: Callable[..., Said]
) -> None:
    said = run(words, "--network", "lcal")
    assert said.err.startswith("Error: Network: there is no network 'lcal'; did you mean 'local'? There is local, ")


def test_what_the_system_refuses_is_an_error_in_words(
    run: Callable[..., Said], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "file" / "home"))
    said = run("list")
    assert said.code == 1
    assert said.err.startswith("Error: ")
    assert str(tmp_path / "file") in said.err
