"""What is shown of a call that takes long: nothing at first, then how far it is."""

from __future__ import annotations

import pytest
from IPython.core import displaypub
from IPython.core.interactiveshell import InteractiveShell

from golem_launcher.api import display
from golem_launcher.api.display import Meanwhile
from golem_launcher.errors import SessionNotFound


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(display.time, "monotonic", lambda: now[0])
    return now


def _look_at(clock: list[float], shown: Meanwhile, *seconds: float) -> None:
    for second in seconds:
        clock[0] = second
        shown.look()


def test_a_terminal_is_told_after_a_second_and_then_now_and_then(
    clock: list[float], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    far = iter([("12.0 of 86.0 MiB (14 %)", 0.14), ("", None)])
    shown = Meanwhile("Saving 'a'", lambda: next(far))
    _look_at(clock, shown, 0.0, 0.9, 1.0, 1.5, 2.9, 3.0)
    shown.over()
    assert capsys.readouterr().err.splitlines() == ["Saving 'a': 12.0 of 86.0 MiB (14 %)", "Saving 'a' … 3 s"]


def test_a_pipe_is_told_nothing_and_a_session_that_is_gone_is_the_calls_own_matter(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    def far() -> tuple[str, float | None]:
        raise SessionNotFound("There is no session 'a'.")

    _look_at(clock, Meanwhile("Saving 'a'", far), 1.0, 3.0)
    assert capsys.readouterr().err == ""


def test_a_notebook_has_one_display_that_says_in_the_end_that_it_is_done(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = InteractiveShell.instance()
    monkeypatch.setattr(shell, "kernel", object(), raising=False)
    publisher = displaypub.CapturingDisplayPublisher()
    monkeypatch.setattr(shell, "display_pub", publisher)
    shown = Meanwhile("Ending 'a'", lambda: ("The bill is waited for", 0.5))
    shown.over()
    assert publisher.outputs == []  # it was soon over
    _look_at(clock, shown, 1.0, 1.2, 1.5)
    shown.over()
    told = [one["data"]["text/plain"] for one in publisher.outputs]
    assert told == ["Ending 'a'\n  The bill is waited for", "Ending 'a': done after 2 s"]
    assert [one["update"] for one in publisher.outputs] == [False, True]
