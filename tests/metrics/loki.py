"""What stands in for Loki where lines are pushed to it, as strict as Loki 3 is with the limits that are shipped."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Labels = tuple[tuple[str, str], ...]

_PATH = "/loki/api/v1/push"
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_MOST_LABELS, _LONGEST_NAME, _LONGEST_VALUE = 15, 1024, 2048
_HOUR = 3600 * 10**9
_OLDEST, _NEWEST = 168 * _HOUR, _HOUR // 6
"""Before and after now; what is beyond is refused."""
_OUT_OF_ORDER = _HOUR
"""Behind the newest line of its stream."""


class Loki:
    """The lines that it took, by the labels of their stream."""

    def __init__(self, limits: dict[str, Any]) -> None:
        """``limits``: ``limits_config`` of its configuration."""
        self.streams: dict[Labels, list[tuple[int, str]]] = {}
        self.url = ""
        self._longest = int(limits["max_line_size"].removesuffix("KB")) * 1024
        self._most_streams = limits["max_global_streams_per_user"]

    def take(self, path: str, kind: str, body: bytes) -> None:
        """Keep what was pushed. Raises ``ValueError`` for all that Loki answers with 400."""
        if path != _PATH or kind != "application/json":
            raise ValueError(f"{kind} at {path}")
        pushed = json.loads(body)
        if set(pushed) != {"streams"}:
            raise ValueError("one list of streams is pushed")
        for stream in pushed["streams"]:
            if set(stream) != {"stream", "values"}:
                raise ValueError("a stream has labels and values")
            labels = self._labels(stream["stream"])
            for value in stream["values"]:
                self._keep(labels, *value)

    def selected(self, selector: str) -> list[str]:
        """The lines of all streams that a selector of LogQL's means: ``{app="golem-launcher", level=~"a|b"}``."""
        matchers = re.findall(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"', selector)
        assert matchers, selector
        return [
            line
            for labels, values in self.streams.items()
            if all(_matches(dict(labels).get(name, ""), how, what) for name, how, what in matchers)
            for _, line in values
        ]

    def _labels(self, told: dict[str, str]) -> Labels:
        if not 0 < len(told) <= _MOST_LABELS:
            raise ValueError("a stream has 1 to 15 labels")
        for name, value in told.items():
            if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
                raise ValueError(f"{name!r} is no name of a label")
            if not isinstance(value, str) or len(value) > _LONGEST_VALUE:
                raise ValueError(f"{value!r} is no value of a label")
        labels = tuple(sorted(told.items()))
        if labels not in self.streams and len(self.streams) >= self._most_streams:
            raise ValueError("too many streams")
        return labels

    def _keep(self, labels: Labels, at: str, line: str) -> None:
        if not isinstance(at, str) or not re.fullmatch(r"\d{1,19}", at):
            raise ValueError(f"{at!r} are no nanoseconds")
        if not isinstance(line, str) or len(line.encode()) > self._longest:
            raise ValueError("the line is no text, or too long")
        moment, now = int(at), time.time_ns()
        kept = self.streams.setdefault(labels, [])
        newest = max((one for one, _ in kept), default=0)
        if not max(now - _OLDEST, newest - _OUT_OF_ORDER) <= moment <= now + _NEWEST:
            raise ValueError("the line is too old, of the future, or too far behind the others of its stream")
        kept.append((moment, line))


def _matches(value: str, how: str, what: str) -> bool:
    found = re.fullmatch(what, value) is not None if "~" in how else value == what
    return not found if how.startswith("!") else found


@contextlib.contextmanager
def listening(limits: dict[str, Any]) -> Iterator[Loki]:
    """One that listens at this computer."""
    loki = Loki(limits)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                loki.take(self.path, self.headers.get("Content-Type", ""), body)
            except (ValueError, TypeError, KeyError) as error:
                self.send_response(400)
                self.end_headers()
                self.wfile.write(str(error).encode())
            else:
                self.send_response(204)
                self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        loki.url = f"http://127.0.0.1:{server.server_port}{_PATH}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield loki
        finally:
            server.shutdown()
            thread.join()
