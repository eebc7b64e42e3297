from __future__ import annotations

import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from golem_launcher.session.on_disk.directory import SessionDirectory
from golem_launcher.ui.cards.logfeed import FLOOD_LINES, FOUND_AT_MOST, RING_LINES, LogFeed, search
from tests.ui.made import make_session, say, write_lab_log

if TYPE_CHECKING:
    from typing import Any


def _texts(batch: dict[str, Any] | None) -> list[str]:
    return [line["text"] for line in batch["lines"]] if batch else []


def test_events_and_the_labs_output_are_cleaned_lines() -> None:
    directory = make_session("mine")
    say(directory, "hello\x1b[31m")
    write_lab_log(directory, "out\u202eput")
    feed = LogFeed(directory)
    assert _texts(feed.poll())[-2:] == ["hello", "out\\u202eput"]
    assert feed.poll() is None


def test_an_unreadable_event_is_a_line_like_others() -> None:
    directory = make_session("mine")
    with (directory.path / "events.jsonl").open("ab") as file:
        file.write(b'{"kind": "surprise"}\n\xff\n')
    say(directory, "after")
    assert _texts(LogFeed(directory).poll())[-3:] == ["(an unreadable event)", "(an unreadable event)", "after"]


def test_a_flood_is_skipped_and_what_is_shown_is_the_end() -> None:
    directory = make_session("mine")
    feed = LogFeed(directory)
    feed.poll()
    say(directory, "an event")
    write_lab_log(directory, *(f"line {number} {'x' * 50}" for number in range(50_000)))
    batch = feed.poll()
    assert batch is not None
    assert batch["skipped"]
    assert len(batch["lines"]) == RING_LINES + 1
    assert _texts(batch)[-1].startswith("line 49999 ")
    # While it goes on, the page gets what can be read; when it ends, all again.
    for lines, shown in ((9000, FLOOD_LINES), (9000, FLOOD_LINES), (RING_LINES, RING_LINES), (9000, RING_LINES)):
        write_lab_log(directory, *(f"line {number} {'x' * 50}" for number in range(lines)))
        batch = feed.poll()
        assert batch is not None
        assert (len(batch["lines"]), batch["skipped"]) == (shown, lines > RING_LINES)
        assert _texts(batch)[-1].startswith(f"line {lines - 1} ")
    # No flood of the Lab's drives the session's own lines out.
    assert "an event" in [line["text"] for line in feed.lines()]


def test_the_whole_log_is_searched_not_only_what_is_shown() -> None:
    directory = make_session("mine")
    say(directory, "the Needle of an event")
    write_lab_log(directory, "a needle\x1b[31m long ago", *(f"line {number}" for number in range(5000)))
    directory.supervisor_log.write_text("a needle in the details\n")
    assert [line["text"] for line in search(directory, "NEEDLE", ["event", "workload"])] == [
        "the Needle of an event",
        "a needle long ago",
    ]
    assert [line["source"] for line in search(directory, "needle", ["detail"])] == ["detail"]
    assert len(search(directory, "line", ["workload"])) == FOUND_AT_MOST
    assert search(directory, "Näher", ["workload", "nonsense"]) == []


def test_two_that_read_at_once_do_not_get_a_line_twice() -> None:
    directory = make_session("mine")
    write_lab_log(directory, *(f"line {number}" for number in range(2000)))
    feed = LogFeed(directory)
    start = threading.Barrier(4)

    def read() -> list[str]:
        start.wait()
        return _texts(feed.poll())

    with ThreadPoolExecutor(4) as threads:
        found = [line for lines in threads.map(lambda _: read(), range(4)) for line in lines]
    assert len(found) == len(set(found))
    assert [line["text"] for line in feed.lines(after=feed.lines()[-1]["n"] - 1)] == ["line 1999"]


@given(st.lists(st.lists(st.text(alphabet="ab\n\r", max_size=5), max_size=5), max_size=8))
def test_every_line_comes_once_and_in_order(batches: list[list[str]]) -> None:
    with tempfile.TemporaryDirectory() as place:
        directory = SessionDirectory(Path(place))
        feed, seen, written = LogFeed(directory), [], b""
        for batch in batches:
            data = "".join(batch).encode()
            written += data
            with directory.workload_log.open("ab") as file:
                file.write(data)
            lines = feed.poll()
            if lines:
                assert [line["n"] for line in lines["lines"]] == list(
                    range(len(seen) + 1, len(seen) + 1 + len(lines["lines"]))
                )
                seen += _texts(lines)
        whole = written[: written.rfind(b"\n") + 1]
        assert seen == [line.decode() for line in whole.splitlines()]
        assert [line["text"] for line in feed.lines()] == seen
