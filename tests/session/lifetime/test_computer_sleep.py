"""A computer about to sleep, with programs that stand in for systemd's: what they say comes from a pipe of the test."""

import asyncio
import os

import psutil
import pytest

from golem_launcher.errors import SessionError
from golem_launcher.session.lifetime import computer_sleep
from tests.patience import slower

SIGNAL = "/org/freedesktop/login1: org.freedesktop.login1.Manager.PrepareForSleep ({},)\n"


class Recorder:
    def __init__(self):
        self.told = []
        self.news = asyncio.Event()

    def message(self, text, level):
        assert level == "warning"
        self.told.append(text)
        self.news.set()


@pytest.fixture
def logind(tmp_path, monkeypatch):
    programs = {"gdbus": "exec cat said", "systemd-inhibit": "echo held >> held; exec sleep 1000"}
    for name, script in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\ncd {tmp_path}\n{script}\n")
        (tmp_path / name).chmod(0o755)
    os.mkfifo(tmp_path / "said")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def children():
    return {child.pid for child in psutil.Process().children(recursive=True)}


@pytest.mark.parametrize("works", [True, False])
def test_a_session_is_saved_before_its_computer_sleeps(logind, works):
    async def follow():
        recorder, saved = Recorder(), asyncio.Event()

        async def save(seconds):
            assert seconds == computer_sleep.SAVE_SECONDS
            saved.set()
            if not works:
                raise SessionError("The disk is full.")

        async def held(times):
            end = asyncio.get_running_loop().time() + 20
            while not (logind / "held").exists() or (logind / "held").read_text().count("held") < times:
                assert asyncio.get_running_loop().time() < end
                await asyncio.sleep(0.02)

        watching = asyncio.create_task(computer_sleep.watch(save, recorder))
        with await asyncio.to_thread((logind / "said").open, "w", buffering=1) as said:
            await held(1)
            said.write("something else\n" + SIGNAL.format("true"))
            await asyncio.wait_for(saved.wait(), 20 * slower())
            said.write(SIGNAL.format("false"))
            await held(2)
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        return recorder.told

    before = children()
    told = asyncio.run(follow())
    assert "about to sleep" in told[0]
    assert told[1:] == ([] if works else ["It could not be saved before: The disk is full."])
    assert children() <= before


def test_what_is_said_after_a_sleep():
    assert computer_sleep.woke(40) == "This computer slept."
    assert computer_sleep.woke(100) == "This computer slept for 2 min."
    assert "keep it awake" in computer_sleep.woke(600)


def test_a_computer_without_logind_is_not_asked(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    asyncio.run(computer_sleep._listen(None, None))
