"""Many viewers, rude ones and slow ones: what they take of the session is bounded."""

from __future__ import annotations

import contextlib
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from golem_launcher.session.on_disk import view_only_link
from golem_launcher.session.view_only import server
from tests.session.view_only.test_view_only import ask, until
from tests.session.view_only.viewing import viewing

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
def test_however_many_ask_the_list_is_asked_for_once(tmp_path: Path) -> None:
    with viewing(tmp_path) as shown:
        (shown.work / "notes.md").write_text("# Notes")
        began = time.monotonic()
        with ThreadPoolExecutor(20) as many:
            told = list(many.map(lambda _: ask(shown.link.url)[0], range(60)))
        assert told == [200] * 60
        assert len(shown.asked) <= 1 + (time.monotonic() - began) / 2
        shown.asked.clear()
        until(shown.link.url, "files/notes.md", "<h1>Notes</h1>")
        for _ in range(10):
            assert ask(shown.link.url, "files/notes.md")[0] == 200
        assert shown.asked.count("/show notes.md") == 1


def test_who_says_nothing_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_ASK_SECONDS", 0.5)
    monkeypatch.setattr(server, "MOST_VIEWERS", 3)
    with viewing(tmp_path) as shown:
        silent = [socket.create_connection(shown.link.place, 30) for _ in range(3)]
        silent[0].sendall(b"GET /")
        for one in silent:
            with one:
                one.settimeout(30)
                with pytest.raises(ConnectionResetError):
                    one.recv(1)
        assert ask(shown.link.url)[0] == 200
        rude = socket.create_connection(shown.link.place, 30)
        with rude:
            rude.sendall(b"\x16\x03\x01\x02\x00\r\n\r\n")
            rude.settimeout(30)
            with pytest.raises(ConnectionResetError):
                rude.recv(1)


def test_however_many_say_nothing_few_are_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_MOST_CONNECTIONS", 3)
    with viewing(tmp_path) as shown, contextlib.ExitStack() as held:
        silent = [held.enter_context(socket.create_connection(shown.link.place, 30)) for _ in range(3)]
        with socket.create_connection(shown.link.place, 5) as one, pytest.raises(ConnectionResetError):
            one.recv(1)
        for one in silent:
            one.close()
        until(shown.link.url, "", "There is no notebook in this session yet.")


@pytest.mark.slow
def test_what_the_machine_had_is_shown_while_it_is_away_and_nothing_once_revoked(tmp_path: Path) -> None:
    with viewing(tmp_path) as shown:
        shown.words = "The session is being started."
        assert "is being started" in ask(shown.link.url)[1]
        shown.words = ""
        assert "There is no notebook in this session yet." in ask(shown.link.url)[1]
        (shown.work / "notes.md").write_text("# Notes")
        until(shown.link.url, "files/notes.md", "<h1>Notes</h1>")
        shown.work.rename(tmp_path / "gone")
        until(shown.link.url, "files/notes.md", "There is nothing to see at this address")
        (tmp_path / "gone").rename(shown.work)
        until(shown.link.url, "files/notes.md", "<h1>Notes</h1>")
        view_only_link.remove(shown.directory)
        assert ask(shown.link.url, "files/notes.md")[0] == 403
