"""A session tells its user elsewhere; the addresses, which hold passwords, are in no session's files."""

from __future__ import annotations

import http.server
import json
import queue
import stat
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from golem_launcher import paths
from golem_launcher.errors import LauncherError
from golem_launcher.events import Idle, ProviderLost, Stage
from golem_launcher.rental.payment.journal import AgreementEntry
from golem_launcher.request import LaunchRequest
from golem_launcher.session.on_disk.directory import create_session_directory
from golem_launcher.session.reporting import notifications
from golem_launcher.session.reporting.recorder import Recorder
from tests.patience import slower

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def _agreement(provider_name: str) -> AgreementEntry:
    return AgreementEntry(agreement_id="agreement", provider_id="0x1", provider_name=provider_name, price=None)


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[queue.Queue[dict[str, Any]]]:
    """What a webhook of the user's is sent; its address is the one that is set."""
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    found: queue.Queue[dict[str, Any]] = queue.Queue()

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"json://user:secret-word@127.0.0.1:{server.server_port}/hook"
        added = subprocess.run(
            [sys.executable, "-m", "golem_launcher.cli", "notify", "--add", "--test"],
            input=address, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert "secret-word" not in added.stdout + added.stderr
        assert found.get(timeout=30 * slower())["title"] == "Golem Launcher"
        yield found
        server.shutdown()


@pytest.mark.slow
def test_ready_lost_and_the_end_are_told_and_no_secret_is_in_the_sessions_files(
    told: queue.Queue[dict[str, Any]], tmp_path: Path
) -> None:
    directory = create_session_directory(LaunchRequest(name="mine"))
    recorder = Recorder(directory)
    recorder.enter(Stage.NEGOTIATING)
    recorder.write_token("token-of-the-session")
    recorder.agreed(_agreement("somebody"), 1)
    recorder.enter(Stage.READY)
    ready = told.get(timeout=60 * slower())
    assert ready["title"] == "'mine' is ready"
    assert "somebody" in ready["message"]
    recorder.event(ProviderLost(machine=2, provider_name="another", reason="no matter for a mail"))
    recorder.event(ProviderLost(provider_name="somebody", reason="gone"))
    assert told.get(timeout=60 * slower())["title"] == "'mine' lost its provider"
    recorder.enter(Stage.READY)
    recorder.update(idle="Nothing has happened here for 58 min.")
    recorder.event(Idle(seconds=3480, seconds_left=120))
    idle = told.get(timeout=60 * slower())
    assert idle["title"] == "'mine' is idle"
    assert "Nothing has happened here for 58 min. Keep it running: golem-launcher keep-running mine" in idle["message"]
    recorder.enter(Stage.ENDED, "Its time is over.")
    ended = told.get(timeout=60 * slower())
    assert ended["title"] == "'mine' ended"
    assert "Its time is over. It cost 0 of 1 tGLM." in ended["message"]
    recorder.close()
    assert told.empty()
    assert "token-of" not in json.dumps([ready, ended])
    files = [path for path in directory.path.rglob("*") if path.is_file()]
    assert not any(b"secret-word" in path.read_bytes() for path in files)
    assert stat.S_IMODE((tmp_path / "notify.json").stat().st_mode) == 0o600
    assert notifications.forget() == 1
    assert notifications.addresses() == []


def test_what_is_no_address_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    with pytest.raises(LauncherError, match="no address that Apprise knows"):
        notifications.add("nonsense")
    assert notifications.addresses() == []


def test_what_a_provider_calls_itself_is_no_link_and_calls_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    recorder = Recorder(create_session_directory(LaunchRequest(name="mine")))
    hostile = "@everyone <!channel> [pay here](https://evil.example) <img src=x> `x` **x**"
    recorder.agreed(_agreement(hostile), 1)
    recorder.event(ProviderLost(provider_name=hostile, reason=hostile))
    recorder.enter(Stage.ENDED, hostile)
    for kind in ("ready", "lost", "ended"):
        title, body = notifications.words(recorder.state, kind)
        assert not set("<>[]@`*") & set(title + body)
        assert "://" not in body
    recorder.close()
