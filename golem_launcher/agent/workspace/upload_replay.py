"""Asks the workload here what a browser asks far away: the parts of an upload, which came together as one file.

JupyterLab's pages send a file by a question for each megabyte, and wait for each answer. Through Golem's VPN that is
slow. So the user's side gathers questions in a piece (workspace/copying.py), as they were but for their content, which
is packed twice in them and raw in the piece; they are asked here as the browser asked them, one after the other, until
one is refused. JupyterLab decides about each, by what the browser shows.

In a piece lies, for each question, a line of JSON, {"target": "…", "model": {…}, "bytes": n}, and then n bytes, the
"content" of the model.
"""

from __future__ import annotations

import base64
import http.client
import json
from typing import TYPE_CHECKING, Any, BinaryIO

from .download_relay import of_first
from .wire import WireError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

LARGEST_ANSWER = 64 * 1024
"""Bytes: it says what the file is called and when it changed."""
_LONGEST_LINE = 64 * 1024
_SECONDS = 60.0
_GOOD = range(200, 300)


def replay(
    hosts: Iterable[str],
    port: int,
    headers: Iterable[tuple[str, str]],
    piece: BinaryIO,
    given_up: Callable[[], bool],
) -> dict[str, Any]:
    """Ask what is in a piece, each with these headers; how many were answered, and the last answer.

    Nothing more is asked once it was ``given_up``: whoever wanted it may begin the file anew.
    ``{"count": n, "status": 200, "headers": [[name, value], …], "body": "…"}``, the body as Latin-1. Raises
    ``OSError`` when the workload does not answer, ``WireError`` for what is no piece of questions.
    """
    connection = of_first(hosts, lambda host: _connected(host, port))
    answer: dict[str, Any] = {"count": 0}
    try:
        questions = _questions(piece)
        question = next(questions, None)
        while question is not None:
            target, body = question
            if given_up():
                raise ConnectionError("whoever asked for it has left")
            connection.putrequest("PUT", target, skip_host=True, skip_accept_encoding=True)
            for name, value in headers:
                connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            question = next(questions, None)  # packed while the workload unpacks this one
            response = connection.getresponse()
            said = response.read(LARGEST_ANSWER)
            answer = {
                "count": answer["count"] + 1,
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
    try:
        target = json.loads(piece.readline(_LONGEST_LINE))["target"]
    except (ValueError, KeyError, TypeError):
        raise WireError("no piece of questions") from None
    piece.seek(0)
    return str(target)


def head(target: str, model: dict[str, Any], content: bytes) -> bytes:
    """What lies in a piece before the ``content`` of a question: the launcher's side makes them."""
    return json.dumps({"target": target, "model": model, "bytes": len(content)}).encode() + b"\n"


def _questions(piece: BinaryIO) -> Iterator[tuple[str, bytes]]:
    while line := piece.readline(_LONGEST_LINE):
        told = json.loads(line)
        content = piece.read(told["bytes"])
        if len(content) != told["bytes"]:
            raise WireError("a question that is not whole")
        model = json.dumps(told["model"]).encode()
        yield told["target"], b"".join((model[:-1], b', "content": "', base64.b64encode(content), b'"}'))


def _connected(host: str, port: int) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection(host, port, timeout=_SECONDS)
    connection.connect()
    return connection
