"""Asks the workload here what a browser asks far away: the parts of an upload, which came together as one file.

JupyterLab's pages send a file by a question for each megabyte, and wait for each answer. Through Golem's VPN that is
slow. So the user's side gathers questions in a piece (workspace/copying.py), as they were but for their content, which
is packed twice in them and raw in the piece; they are asked here one after the other, until one is refused: as the
browser asked them, or raw and some at a time where the Lab's server takes that for all but the first and the last
(upload_parts_handler.py). JupyterLab decides about each, by what the browser shows.

In a piece lies, for each question, a line of JSON, {"target": "…", "model": {…}, "bytes": n}, and then n bytes, the
"content" of the model.
"""

from __future__ import annotations

import base64
import http.client
import json
import threading
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from .download_relay import of_first
from .wire import WireError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

LARGEST_ANSWER = 64 * 1024
"""Bytes: it says what the file is called and when it changed."""
RAW_PARTS = "golem-launcher/parts"
"""Below the Lab's base: where parts are taken raw, each at the path that it has below the place of files."""
_FILES = "api/contents"
_FIRST, _LAST = 1, -1
_LARGEST_RAW = 4 * 1024 * 1024
_LONGEST_LINE = 64 * 1024
_SECONDS = 60.0
_GOOD = range(200, 300)


class _Question(NamedTuple):
    """What the workload is asked at once."""

    target: str
    body: list[bytes]
    parts: int


class Turn:
    """Whose it is to ask: what goes to one file goes there one after the other. Used with its ``lock`` held."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._target = ""
        self._raw = False

    def takes_raw(
        self, connection: http.client.HTTPConnection, base_url: str, headers: Sequence[tuple[str, str]], piece: BinaryIO
    ) -> bool:
        """Whether the workload takes parts of a piece's file raw: asked once a file, as it is begun."""
        target, chunk = _first_of(piece)
        if chunk == _FIRST or target != self._target:
            self._raw = _takes_raw(connection, base_url, headers, target)
            self._target = target
        return self._raw


def replay(  # noqa: PLR0917 - each is another thing
    hosts: Iterable[str],
    port: int,
    base_url: str,
    headers: Sequence[tuple[str, str]],
    piece: BinaryIO,
    given_up: Callable[[], bool],
    turn: Turn,
) -> dict[str, Any]:
    """Ask what is in a piece, each with these headers; how many were answered, and the last answer.

    Nothing more is asked once it was ``given_up``: whoever wanted it may begin the file anew.
    ``{"count": n, "status": 200, "headers": [[name, value], …], "body": "…"}``, the body as Latin-1. Raises
    ``OSError`` when the workload does not answer, ``WireError`` for what is no piece of questions.
    """
    connection = of_first(hosts, lambda host: _connected(host, port))
    answer: dict[str, Any] = {"count": 0}
    try:
        questions = _questions(piece, base_url, raw=turn.takes_raw(connection, base_url, headers, piece))
        question = next(questions, None)
        while question is not None:
            if given_up():
                raise ConnectionError("whoever asked for it has left")
            _ask(connection, "PUT", question.target, headers, question.body)
            asked, question = question, next(questions, None)  # packed while the workload unpacks this one
            response = connection.getresponse()
            said = response.read(LARGEST_ANSWER)
            answer = {
                "count": answer["count"] + asked.parts,
                "status": response.status,
                "headers": response.getheaders(),
                "body": said.decode("latin-1"),
            }
            if response.status not in _GOOD:
                break
            if not response.isclosed():  # it says more than anybody wants to know
                connection.close()
    except http.client.HTTPException as error:
        raise ConnectionError("the workload does not speak HTTP as it should") from error
    finally:
        connection.close()
    return answer


def target_of(piece: BinaryIO) -> str:
    """What the first question in a piece is about. Raises ``WireError`` when there is none."""
    return _first_of(piece)[0]


def head(target: str, model: dict[str, Any], content: bytes) -> bytes:
    """What lies in a piece before the ``content`` of a question: the launcher's side makes them."""
    return json.dumps({"target": target, "model": model, "bytes": len(content)}).encode() + b"\n"


def _first_of(piece: BinaryIO) -> tuple[str, Any]:
    """What the first question in a piece is about, and the number of the part. Raises ``WireError``."""
    try:
        told = json.loads(piece.readline(_LONGEST_LINE))
        target, chunk = str(told["target"]), told["model"].get("chunk")
    except (ValueError, KeyError, TypeError, AttributeError):
        raise WireError("no piece of questions") from None
    piece.seek(0)
    return target, chunk


def _questions(piece: BinaryIO, base_url: str, *, raw: bool) -> Iterator[_Question]:
    """What is in a piece, as it is asked; parts that are taken ``raw`` are put together."""
    together, size = None, 0
    for target, model, content in _parts(piece):
        place = _raw_place(target, base_url) if raw and model.get("chunk") not in {_FIRST, _LAST} else ""
        if together is not None and (place != together.target or size + len(content) > _LARGEST_RAW):
            yield together
            together = None
        if not place:
            packed = json.dumps(model).encode()
            yield _Question(target, [packed[:-1], b', "content": "', base64.b64encode(content), b'"}'], 1)
        elif together is None:
            together, size = _Question(place, [content], 1), len(content)
        else:
            together, size = _Question(place, [*together.body, content], together.parts + 1), size + len(content)
    if together is not None:
        yield together


def _parts(piece: BinaryIO) -> Iterator[tuple[str, dict[str, Any], bytes]]:
    while line := piece.readline(_LONGEST_LINE):
        told = json.loads(line)
        content = piece.read(told["bytes"])
        if len(content) != told["bytes"]:
            raise WireError("a question that is not whole")
        yield told["target"], told["model"], content


def _raw_place(target: str, base_url: str) -> str:
    """Where what is asked at a target is taken raw; empty for what is no file's."""
    place = base_url + _FILES + "/"
    return f"{base_url}{RAW_PARTS}/{target[len(place) :]}" if target.startswith(place) else ""


def _takes_raw(
    connection: http.client.HTTPConnection, base_url: str, headers: Sequence[tuple[str, str]], target: str
) -> bool:
    """Whether the workload takes parts raw from whoever has these headers."""
    place = _raw_place(target, base_url)
    if not place:
        return False
    _ask(connection, "GET", place, headers, [])
    response = connection.getresponse()
    response.read(LARGEST_ANSWER)
    if not response.isclosed():
        connection.close()
    return response.status in _GOOD


def _ask(
    connection: http.client.HTTPConnection,
    method: str,
    target: str,
    headers: Sequence[tuple[str, str]],
    body: list[bytes],
) -> None:
    connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
    for name, value in headers:
        connection.putheader(name, value)
    connection.putheader("Content-Length", str(sum(map(len, body))))
    connection.endheaders()
    for part in body:
        connection.send(part)


def _connected(host: str, port: int) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection(host, port, timeout=_SECONDS)
    connection.connect()
    return connection
