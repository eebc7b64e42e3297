"""What an assistant is told of a session's log."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from golem_launcher import paths
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
