"""Which key a session lets in."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from golem_launcher.access import user_ssh_keys
from golem_launcher.cli.ways_in import ssh as ssh_commands
from golem_launcher.request import LaunchRequest
from golem_launcher.session.on_disk.directory import create_session_directory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDwhJYrWzBSgXiqYt4UAqGdbTgUjfRVLvKKXeXaXq1Fb me@home"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAQLWc1nMPFD5hWJTQLHyEHJF4NcsMhLuIZYrdHUJDb5 me@work"


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GOLEM_LAUNCHER_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    directory = tmp_path / ".ssh"
    directory.mkdir()
    create_session_directory(LaunchRequest(name="mine", ssh_key=KEY))
    return directory


def _pair(directory: Path, name: str, public: str) -> Path:
    (directory / name).write_text("private")
    (directory / f"{name}.pub").write_text(public + "\n")
    return directory / name


def test_the_one_that_fits_is_used_whatever_its_name(keys: Path) -> None:
    _pair(keys, "id_ed25519", OTHER)
    mine = _pair(keys, "for-golem", KEY.replace("me@home", "another comment"))
    assert user_ssh_keys.find(KEY) == user_ssh_keys.Found(mine, usual=False)
    assert ssh_commands._with_key("mine", ["ls"]) == ["-i", str(mine), "ls"]
    assert ssh_commands._with_key("mine", ["-i", str(mine)]) == ["-i", str(mine)]


def test_one_that_does_not_fit_is_said_with_which_to_use(keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = _pair(keys, "id_ed25519", OTHER)
    assert ssh_commands._with_key("mine", []) == []
    short = f"ssh-ed25519 …{KEY.split()[1][-8:]} me@home"
    said = f"'mine' lets in the key {short}, which is not in ~/.ssh. Name its file by -i FILE.\n"
    assert capsys.readouterr().err == said
    mine = _pair(keys, "for-golem", KEY)
    ssh_commands._with_key("mine", ["-i", str(wrong)])
    assert capsys.readouterr().err.endswith(f"and {wrong} is another. Use: golem-launcher ssh mine -i {mine}\n")


def test_the_usual_one_and_an_agent_are_sshs_business(
    keys: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", os.devnull)
    assert ssh_commands._with_key("mine", ["ls"]) == ["ls"]
    _pair(keys, "id_ed25519", KEY)
    assert ssh_commands._with_key("mine", ["ls"]) == ["ls"]
    assert capsys.readouterr().err == ""
