"""The agent's own server, beside a Lab that runs: who may ask, the log, what is used, the deadline."""

import json
import socket
import threading

import pytest

from tests.agent.conftest import TOKEN
from tests.patience import slower

_PATHS = ("/log?wait=0", "/usage", "/state")


@pytest.mark.parametrize("path", _PATHS)
def test_the_token_opens(lab, path):
    assert lab.ask("GET", path)[0] == 200


@pytest.mark.parametrize("path", _PATHS)
@pytest.mark.parametrize("token", [None, "wrong", TOKEN[:-1]])
def test_nothing_else_does(lab, path, token):
    status, body, _ = lab.ask("GET", path, token)
    assert status == 403
    assert b"[agent]" not in body


def test_the_log_goes_on_where_it_ended(lab):
    data, offset = lab.log()
    assert data.startswith(b"[agent] ")
    assert b"JupyterLab starts" in data
    assert offset == len(data)
    half, middle = lab.log(offset // 2)
    assert half == data[offset // 2 :]
    assert middle == offset


def test_a_long_poll_waits_for_the_next_line(lab):
    _, offset = lab.log()
    while (answer := lab.log(offset, wait=0.3)) != (b"", offset):  # it may still have to say something of its start
        offset = answer[1]
    answers = []
    poll = threading.Thread(target=lambda: answers.append(lab.log(offset, wait=20)))
    poll.start()
    kernel = lab.kernel()
    poll.join(10)  # well before its 20 seconds are over
    assert not poll.is_alive()
    seen, at = answers[0]
    while kernel.encode() not in seen:  # on a busy machine the end of its start comes first
        more, at = lab.log(at, wait=10)
        assert more
        seen += more
    lab.request("DELETE", f"/api/kernels/{kernel}")


def test_an_offset_beyond_the_end_is_the_end(lab):
    data, offset = lab.log(10**17)
    assert (data, offset) == (b"", lab.log()[1])


@pytest.mark.parametrize(
    "query",
    ["offset=-1", "offset=", "offset=x", "offset=1e9", "offset=0x10", "offset=%00", "offset=" + "9" * 19,
     "offset=%D9%A3", "offset=../../etc/passwd", "wait=nan", "wait=-1", "wait=inf", "wait=" + "9" * 400, "wait=1%0A"],
)  # fmt: skip
def test_hostile_queries_are_refused(lab, query):
    assert lab.ask("GET", f"/log?{query}")[0] == 400


@pytest.mark.parametrize("length", ["9" * 5000, "\u00b2", "-1", "1e3"])
def test_a_length_that_is_none_is_refused_without_a_word_in_the_log(lab, length):
    with socket.create_connection((lab.address, lab.port + 3), timeout=30 * slower()) as connection:
        head = f"POST /open HTTP/1.1\r\nHost: agent\r\nContent-Length: {length}\r\n\r\nGET /state HTTP/1.1\r\n\r\n"
        connection.sendall(head.encode("latin-1"))
        with connection.makefile("rb") as answers:
            assert answers.readline().startswith(b"HTTP/1.1 400 ")
            assert b"HTTP/1.1" not in answers.read()  # nothing after it is taken for a request
    assert b"ValueError" not in lab.log()[0]


def test_usage(lab):
    found = json.loads(lab.ask("GET", "/usage")[1])
    assert found["processes"] >= 2
    assert 0 < found["cpu_seconds"] < 1000
    assert 10_000_000 < found["memory_bytes"] < found["memory_total_bytes"]
    assert 0 < found["disk_free_bytes"] <= found["disk_total_bytes"]
    assert found["cpus"] >= 1


@pytest.mark.parametrize("seconds", [b"0", b"-1", b"true", b"null", b'"5"', b"1e999", b"NaN", b"1e9"])
def test_a_deadline_that_is_none_is_refused(lab, seconds):
    assert lab.ask("POST", "/deadline", body=b'{"seconds": %b}' % seconds)[0] == 400


def test_a_list_is_json_like_anything_else(lab):
    status, body, _ = lab.ask("GET", "/variables")
    assert (status, json.loads(body)) == (200, [])
