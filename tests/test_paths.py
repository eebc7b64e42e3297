"""Directories of the user's own, and sockets whose path fits."""

from __future__ import annotations

import asyncio
import os
import shlex
import socket
import stat
from typing import TYPE_CHECKING

import pytest

from golem_launcher import paths
from golem_launcher.errors import LauncherError

if TYPE_CHECKING:
    from pathlib import Path


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_one_users_home_is_meant_meanwhile_and_the_node_is_everybodys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "hub"))
    monkeypatch.delenv(paths.SHARED_VARIABLE, raising=False)

    async def seen() -> tuple[Path, Path]:
        return await asyncio.to_thread(lambda: (paths.home(), paths.shared_home()))

    async def both() -> None:
        with paths.home_of(tmp_path / "ann"):
            of_ann = asyncio.create_task(seen())
        with paths.home_of(tmp_path / "bob"):
            assert await seen() == (tmp_path / "bob", tmp_path / "hub")
            assert paths.variables() == {
                paths.HOME_VARIABLE: str(tmp_path / "bob"),
                paths.SHARED_VARIABLE: str(tmp_path / "hub"),
            }
        assert await of_ann == (tmp_path / "ann", tmp_path / "hub")
        assert await seen() == (tmp_path / "hub", tmp_path / "hub")

    asyncio.run(both())
    for name, value in {paths.HOME_VARIABLE: tmp_path / "ann", paths.SHARED_VARIABLE: tmp_path / "hub"}.items():
        monkeypatch.setenv(name, str(value))
    assert (paths.home(), paths.shared_home()) == (tmp_path / "ann", tmp_path / "hub")


def test_home_is_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "a" / "b"))
    assert paths.home() == tmp_path / "a" / "b"
    assert _mode(paths.home()) == 0o700
    assert paths.sessions_directory().parent == paths.home()


def test_home_without_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(paths.HOME_VARIABLE, raising=False)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert paths.home().is_relative_to(tmp_path)


def test_open_directory_becomes_private(tmp_path: Path) -> None:
    path = tmp_path / "open"
    path.mkdir()
    path.chmod(0o777)
    assert _mode(paths.private_directory(path)) == 0o700


def test_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(LauncherError, match="in the way"):
            paths.private_directory(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_directory_of_somebody_else(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 12345)
    try:
        with pytest.raises(LauncherError, match="belongs to another user") as caught:
            paths.private_directory(tmp_path)
    finally:
        os.chown(tmp_path, 0, 0)
    assert paths.HOME_VARIABLE in caught.value.remedy


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(LauncherError, match="no permission"):
        paths.private_directory(tmp_path / "below")


@pytest.mark.parametrize("length", [1, 106, 107, 108, 300])
def test_socket_path_fits(tmp_path: Path, length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path
    while len(str(directory / "x.sock")) < length:
        directory = directory / ("d" * min(100, max(1, length - len(str(directory / "x.sock")) - 1)))
    paths.private_directory(directory)
    path = paths.socket_path(directory, "x.sock")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert paths.socket_path(directory, "x.sock") == path  # another process, with another environment
    assert paths.socket_path(directory, "y.sock") != path
    assert _mode(path.parent) == 0o700
    with socket.socket(socket.AF_UNIX) as server:
        try:
            server.bind(str(path))
        finally:
            path.unlink(missing_ok=True)


def test_laid_link_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # /tmp can't be used: the temporary directory is
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    (tmp_path / f"golem-launcher-{os.geteuid()}").symlink_to(tmp_path)
    with pytest.raises(LauncherError, match="symbolic link"):
        paths.socket_path(tmp_path / ("d" * 200), "x.sock")


def test_a_directory_for_sockets_is_private_short_enough_and_always_the_same(tmp_path):
    near = paths.sockets_directory(tmp_path / "a", 20)
    assert near == tmp_path / "a"
    deep = tmp_path / ("d" * 90)
    found = paths.sockets_directory(deep, 64)
    assert found == paths.sockets_directory(deep, 64)
    assert len(os.fsencode(found / ("x" * 64))) <= paths.LONGEST_SOCKET_PATH
    assert found.stat().st_mode & 0o077 == 0
    found.rmdir()


def test_a_plain_path_is_one_word_for_a_shell(tmp_path: Path) -> None:
    plain, awkward = tmp_path / "plain", tmp_path / 'it\'s a "path" $HOME'
    for directory in (plain, awkward):
        directory.mkdir()
    assert paths.plain_path(plain) == plain
    link = paths.plain_path(awkward)
    try:
        assert link == paths.plain_path(awkward)
        assert link.samefile(awkward)
        assert shlex.quote(str(link)) == str(link)
    finally:
        paths.forget_plain_path(awkward)
    assert not link.is_symlink()
