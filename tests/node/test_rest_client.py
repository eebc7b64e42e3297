"""What an answer of yagna's REST API means."""

import asyncio

import pytest

from golem_launcher.errors import NodeRefused, NodeUnreachable
from golem_launcher.node.node import Node
from golem_launcher.node.rest_client import BlockingRest, NodeRest, understood
from tests import yagna_daemon as daemons

URL = "http://127.0.0.1:7465"


@pytest.mark.parametrize(
    ("body", "expected"), [(b"", None), (b'{"a": [1]}', {"a": [1]}), (b"null", None), (b'"text"', "text")]
)
def test_a_good_answer_is_its_json(body, expected):
    assert understood(URL, "GET /x", 200, body) == expected


@pytest.mark.parametrize("body", [b"", b'{"message": "no such key"}', b"\xff"])
def test_a_refused_key_makes_the_node_useless(body):
    with pytest.raises(NodeUnreachable, match="refuses the app-key") as caught:
        understood(URL, "GET /x", 401, body)
    assert "YAGNA_APPKEY" in caught.value.remedy


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"message": "too late"}', "too late"),
        (b'{"title": "A problem", "detail": "no money"}', "no money"),
        (b"plain words", "plain words"),
        (b'{"message": "red \\u001b[31m and\\nlong"}', "red"),
        (b"[" * 100_000, "[["),
        (b"\xff\x1b[31m", "\ufffd"),
    ],
)
def test_what_the_node_refuses_is_said_in_one_clean_line(body, said):
    with pytest.raises(NodeRefused) as caught:
        understood(URL, "POST /x", 410, body)
    assert caught.value.status == 410
    assert said in caught.value.what
    assert caught.value.what.isprintable()
    assert len(caught.value.what) < 500


@pytest.mark.parametrize("body", [b"<html>", b"[" * 100_000])
def test_what_is_no_json_is_refused(body):
    with pytest.raises(NodeRefused, match="no JSON"):
        understood(URL, "GET /x", 200, body)


def test_calls_are_bounded_and_a_closed_port_is_said():
    async def main():
        async def never(_reader, writer):
            connections.append(writer)

        connections = []
        server = await asyncio.start_server(never, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        silent, gone = Node(f"http://127.0.0.1:{port}", "key"), Node(f"http://127.0.0.1:{daemons.free_port()}/", "key")
        for node, said in ((silent, "no answer in time"), (gone, "does not answer")):
            async with NodeRest.open(node, seconds=0.1) as rest:
                with pytest.raises(NodeUnreachable, match=said):
                    await rest.get("/me")
            with pytest.raises(NodeUnreachable, match=said):
                await asyncio.to_thread(BlockingRest(node, seconds=0.1).get, "/me")
        for writer in connections:
            writer.close()
        server.close()
        await server.wait_closed()

    asyncio.run(main())
