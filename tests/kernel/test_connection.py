"""What the next cell is to say of a connection."""

import asyncio

from golem_launcher import paths
from golem_launcher.kernel.connection import SessionConnection
from golem_launcher.request import LaunchRequest
from golem_launcher.session.on_disk.directory import create_session_directory


def test_news_that_nobody_reads_stay_few(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))

    async def main():
        connection = SessionConnection(
            create_session_directory(LaunchRequest(name="s")), None, None, ends_session=False
        )
        connection.tell("")
        assert connection.news == ""
        for number in range(10_000):
            connection.tell("It was started anew.")
            connection.tell(f"a{number} was removed.")
        await connection.lab.aclose()
        return connection.news.splitlines()

    lines = asyncio.run(main())
    assert len(lines) == 50
    assert "It was started anew." in lines
    assert lines[-1] in {"a9999 was removed.", "It was started anew."}
