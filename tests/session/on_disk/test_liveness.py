"""What is said when nobody answers at a session's control socket: words, and no number of the system's."""

from __future__ import annotations

import socketserver
import threading
from typing import TYPE_CHECKING

import pytest

from golem_launcher.errors import SessionError
from golem_launcher.request import LaunchRequest
from golem_launcher.session.on_disk import liveness
from golem_launcher.session.on_disk.directory import create_session_directory

if TYPE_CHECKING:
    from pathlib import Path


def test_a_supervisor_that_does_not_answer_is_told_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOLEM_LAUNCHER_HOME", str(tmp_path))
    directory = create_session_directory(LaunchRequest(name="mine"))
    with pytest.raises(SessionError) as caught:
        liveness.control(directory, "state")
    assert caught.value.what == "The supervisor of 'mine' does not answer: No such file or directory."

    class Breaks(socketserver.BaseRequestHandler):
        """Takes a command, and says nothing."""

        def handle(self) -> None:
            self.request.recv(1000)

    with socketserver.UnixStreamServer(str(directory.control_socket), Breaks) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with pytest.raises(SessionError) as caught:
            liveness.control(directory, "state")
        thread.join()
    assert caught.value.what == "The supervisor of 'mine' does not answer: its answer broke off."
