"""Who comes to a Lab's address after the end is told of it there, for a while; by one process for all sessions."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import urllib.error
import urllib.request
from dataclasses import replace
from typing import TYPE_CHECKING

import psutil
import pytest

from golem_launcher import paths
from golem_launcher.session.on_disk import parked_address
from golem_launcher.session.suspension import caretaker, caretaker_process
from golem_launcher.session.suspension.waking_page_service import WakingPageService
from tests.patience import slower

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SECONDS = 30
_TEXT = "Stopped as asked.\nIts files are <safe>."


@pytest.fixture
def sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The directory of a launcher's sessions; no caretaker is left there."""
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    directory = paths.sessions_directory()
    yield directory
    parked_address.leave_ended()
    caretaker_process.end()


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return f"http://127.0.0.1:{found.getsockname()[1]}"


def park(sessions: Path, name: str, *, address: str = "") -> str:
    """An address that is parked from now on."""
    address = address or free_address()
    (sessions / name).mkdir(exist_ok=True)
    parked_address.park(sessions / name, parked_address.of_ended(address, _TEXT))
    caretaker_process.begin(os.environ)
    return address


def ask(url: str, host: str = "") -> tuple[int, str]:
    request = urllib.request.Request(url, headers={"Host": host} if host else {})
    try:
        with urllib.request.urlopen(request, timeout=5 * slower()) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def wait(url: str, *, answers: bool) -> None:
    end = time.monotonic() + _SECONDS * slower()
    while time.monotonic() < end:
        try:
            ask(url)
        except OSError:
            if not answers:
                return
        else:
            if answers:
                return
        time.sleep(0.05)
    pytest.fail("it still answers" if not answers else "nobody answers")


def caretakers(sessions: Path) -> list[int]:
    """Those that are at work for these sessions."""
    own = (caretaker_process.PROGRAM, str(sessions))
    running = psutil.process_iter(["cmdline", "cwd"])
    return [one.pid for one in running if ((one.info["cmdline"] or [""])[-1], one.info["cwd"]) == own]


def test_an_address_says_how_its_session_ended_until_that_is_over(sessions: Path) -> None:
    address = park(sessions, "first")
    wait(address, answers=True)
    status, page = ask(f"{address}/lab/tree/x.ipynb?token=secret")
    assert status == 410
    assert "This session has ended" in page
    assert "Its files are &lt;safe&gt;." in page
    status, news = ask(f"{address}/golem-launcher/farewell")
    assert (status, json.loads(news)) == (200, {"ended": _TEXT})
    assert ask(f"{address}/golem-launcher/farewell", "evil.example") == (403, "")
    assert "secret" not in (sessions / ".caretaker.log").read_text()

    over = replace(parked_address.of_ended(address, _TEXT), until=time.time() - 1)
    parked_address.park(sessions / "first", over)
    wait(address, answers=False)


def test_one_process_answers_for_all_and_goes_with_the_last(sessions: Path) -> None:
    first, second = park(sessions, "first"), park(sessions, "second")
    wait(first, answers=True)
    wait(second, answers=True)
    end = time.monotonic() + _SECONDS * slower()
    while len(caretakers(sessions)) > 1 and time.monotonic() < end:  # one that came second leaves at once
        time.sleep(0.05)
    (process,) = caretakers(sessions)
    parked_address.leave(sessions / "first")
    wait(first, answers=False)
    assert ask(second)[0] == 410
    assert park(sessions, "first", address=first) == first  # while it is at work
    wait(first, answers=True)
    assert caretakers(sessions) == [process]
    parked_address.leave_ended()
    wait(first, answers=False)
    psutil.wait_procs([psutil.Process(process)] if psutil.pid_exists(process) else [], timeout=_SECONDS * slower())
    assert caretakers(sessions) == []


def test_an_address_that_another_program_has_is_taken_once_it_is_free(sessions: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = park(sessions, "first", address=f"http://127.0.0.1:{other.getsockname()[1]}")
        wait(park(sessions, "second"), answers=True)
    wait(taken, answers=True)
    assert ask(taken)[0] == 410


@pytest.mark.parametrize("written", ["", "{", "[]", '{"address": 7}', '{"address": "x", "told": "", "until": 9e99}'])
def test_what_makes_no_sense_is_answered_for_by_nobody(sessions: Path, written: str) -> None:
    (sessions / "first").mkdir()
    (sessions / "first" / "parked.json").write_text(written)
    assert parked_address.of(sessions / "first") is None
    wait(park(sessions, "second"), answers=True)


def test_another_persons_programs_are_refused_before_any_has_a_thread(
    sessions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caretaker, "is_another_person", lambda *_: True)
    host, port = "127.0.0.1", int(free_address().rpartition(":")[2])
    with (
        caretaker._Address(sessions / "first", (host, port), WakingPageService()) as address,
        contextlib.ExitStack() as silent,
    ):
        before = threading.active_count()
        others = [silent.enter_context(socket.create_connection((host, port), timeout=5 * slower())) for _ in range(5)]
        for other in others:
            address.handle_request()
            assert other.recv(1000).startswith(b"HTTP/1.1 403 ")
        assert threading.active_count() == before


def test_who_never_comes_to_an_end_with_a_question_takes_nobodys_place(
    sessions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A byte now and then would hold each place at a view-only link for ever, also for another person's program."""
    monkeypatch.setattr(caretaker, "_MOST_VIEWERS", 2)
    place = "127.0.0.1", int(free_address().rpartition(":")[2])
    with (
        caretaker._ViewersAddress(sessions / "first", place, WakingPageService()) as address,
        contextlib.ExitStack() as slow,
    ):
        before = set(threading.enumerate())

        def come() -> socket.socket:
            viewer = slow.enter_context(socket.create_connection(place, timeout=5 * slower()))
            viewer.sendall(b"GET / HT")
            address.handle_request()
            return viewer

        for _ in range(2):
            come()
        dripping = set(threading.enumerate()) - before
        assert come().recv(1) == b""  # there is no room
        address.hear_out()
        assert all(thread.is_alive() for thread in dripping)
        monkeypatch.setattr(caretaker, "_SLOWEST_SECONDS", 0.0)
        address.hear_out()
        for thread in dripping:
            thread.join(_SECONDS * slower())
        monkeypatch.undo()
        last = come()
        last.sendall(b"TP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
        assert last.recv(1000).startswith(b"HTTP/1.0 403 ")


@pytest.mark.parametrize("size", ["9" * 5000, "\u00b2", "-1", "1e3", "17", "0x1"])
def test_a_size_that_is_none_is_refused_without_a_word_in_the_log(
    sessions: Path, capsys: pytest.CaptureFixture[str], size: str
) -> None:
    """Python makes no number of more than 4300 digits, nor of a superscript, which it calls a digit."""
    place = "127.0.0.1", int(free_address().rpartition(":")[2])
    with caretaker._Address(sessions / "first", place, WakingPageService()) as address:
        before = set(threading.enumerate())
        with socket.create_connection(place, timeout=5 * slower()) as browser:
            head = f"POST {caretaker._WAKING}1 HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Length: {size}\r\n\r\n"
            browser.sendall(head.encode("latin-1"))
            address.handle_request()
            assert browser.recv(1000).startswith(b"HTTP/1.0 400 ")
        for thread in set(threading.enumerate()) - before:
            thread.join(_SECONDS * slower())
    assert capsys.readouterr() == ("", "")
