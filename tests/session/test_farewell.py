"""Who comes to a Lab's address after the end is told of it there, for a while."""

from __future__ import annotations

import json
import socket
import time
import urllib.error
import urllib.request
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from golem_launcher import paths
from golem_launcher.session import farewell

if TYPE_CHECKING:
    from pathlib import Path

_SECONDS = 30
_TEXT = "Stopped as asked.\nIts files are <safe>."


def _ask(url: str, host: str = "") -> tuple[int, str]:
    request = urllib.request.Request(url, headers={"Host": host} if host else {})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def _wait(url: str, *, answers: bool) -> None:
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        try:
            _ask(url)
        except OSError:
            if not answers:
                return
        else:
            if answers:
                return
        time.sleep(0.05)
    pytest.fail("it still answers" if not answers else "nobody answers")


def test_the_address_says_how_the_session_ended_until_that_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    place = paths.sessions_directory() / "first"
    place.mkdir(parents=True)
    directory = SimpleNamespace(path=place, supervisor_log=tmp_path / "log")
    farewell.begin(directory, address, _TEXT)  # type: ignore[arg-type]
    try:
        _wait(address, answers=True)
        status, page = _ask(f"{address}/lab/tree/x.ipynb?token=secret")
        assert status == 410
        assert "This session has ended" in page
        assert "Its files are &lt;safe&gt;." in page
        status, news = _ask(f"{address}/golem-launcher/farewell")
        assert (status, json.loads(news)) == (200, {"ended": _TEXT})
        assert _ask(f"{address}/golem-launcher/farewell", "evil.example") == (403, "")
    finally:
        farewell.end_all()
    _wait(address, answers=False)
    assert "secret" not in (tmp_path / "log").read_text()
