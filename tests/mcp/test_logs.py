"""What an assistant is told of a session's log."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from golem_launcher import paths
from golem_launcher.events import EVENT, Message
from golem_launcher.kernel.commands.running_session import last_lines
from golem_launcher.mcp.tools import Tools
from golem_launcher.request import LaunchRequest
from golem_launcher.session.on_disk.directory import create_session_directory

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_last_lines_are_told_however_long_the_log_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    directory = create_session_directory(LaunchRequest(name="talkative"))

    class Allowance:
        def session(self, name: str) -> object:
            assert name == "talkative"
            return directory

    async def told() -> list[str]:
        found: list[str] = (await Tools(Allowance()).logs("talkative", 2))["printed"]  # type: ignore[arg-type]
        return found

    assert asyncio.run(told()) == []
    directory.workload_log.write_text(f"{'x' * 4000}\n" * 1500 + "the last but one\nthe last\n")
    assert asyncio.run(told()) == ["the last but one", "the last"]


def test_the_last_events_are_told_however_long_a_session_ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    directory = create_session_directory(LaunchRequest(name="old"))
    old = EVENT.dump_json(Message(level="info", text="x" * 4000)) + b"\n"
    (directory.path / "events.jsonl").write_bytes(old * 1500)
    for text in ("the last but one", "the last"):
        directory.append_event(Message(level="info", text=text))

    class Allowance:
        def session(self, name: str) -> object:
            assert name == "old"
            return directory

    told = asyncio.run(Tools(Allowance()).logs("old", 2))["events"]  # type: ignore[arg-type]
    assert told == ["the last but one", "the last"]
    assert [line.split("  ")[1] for line in last_lines(directory, 2).splitlines()] == told  # of %logs, too
