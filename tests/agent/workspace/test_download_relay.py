"""JupyterLab asked by the agent's relay: it answers as it would to anybody, and decides itself who reads what."""

import asyncio
import os

import h11
import pytest

from golem_launcher.errors import ProviderError
from golem_launcher.workspace.transfer.agent_workspace import AgentWorkspace
from golem_launcher.workspace.transfer.relayed_download import RelayedDownload
from golem_launcher.workspace.transfer.remote_files import RemoteFiles
from tests.agent.conftest import TOKEN
from tests.patience import slower

_TOKEN = ("authorization", f"token {TOKEN}")


def _asked(lab, path, *headers, token=TOKEN):
    """Status, headers and body of the answer to a GET."""

    async def scene():
        async with AgentWorkspace(lambda: lab.dial(lab.port + 3), TOKEN) as agent:
            answer = RelayedDownload(await lab.dial(lab.port + 3), RemoteFiles(agent, lab.run))
            http = h11.Connection(h11.CLIENT)
            try:
                await answer.begin(token)
                request = h11.Request(method="GET", target=path, headers=[("host", "127.0.0.1"), *headers])
                answer.write(http.send(request))
                await answer.drain()
                head, body = None, b""
                while not isinstance(event := http.next_event(), h11.EndOfMessage):
                    if event is h11.NEED_DATA:
                        http.receive_data(await answer.read(65536))
                    elif isinstance(event, h11.Response):
                        head = event
                    else:
                        body += event.data
            finally:
                await answer.aclose()
        return head.status_code, dict(head.headers.raw_items()), body

    return asyncio.run(asyncio.wait_for(scene(), 60 * slower()))


def test_what_the_lab_would_serve_is_served(lab):
    data = os.urandom(700_000)
    (lab.work / "data.bin").write_bytes(data)
    assert _asked(lab, "/files/data.bin", _TOKEN)[::2] == (200, data)
    status, headers, body = _asked(lab, "/files/data.bin", _TOKEN, ("range", "bytes=1000-4999"))
    assert (status, body) == (206, data[1000:5000])
    assert headers[b"Content-Range"] == b"bytes 1000-4999/700000"


@pytest.mark.parametrize("path", ["hidden/.secret", "out", "%2e%2e/outside", "../outside", "none", "hidden"])
def test_what_it_would_not_is_not(lab, path):
    (lab.work / "hidden").mkdir(exist_ok=True)
    (lab.work / "hidden/.secret").write_text("secret")
    (lab.work.parent / "outside").write_text("secret")
    if not (lab.work / "out").is_symlink():
        (lab.work / "out").symlink_to("../outside")
    status, _, body = _asked(lab, f"/files/{path}", _TOKEN)
    assert status in {400, 403, 404}
    assert b"secret" not in body.replace(b".secret", b"")


def test_who_shows_the_lab_nothing_gets_nothing(lab):
    (lab.work / "private.bin").write_bytes(b"private")
    status, _, body = _asked(lab, "/files/private.bin")
    assert status in {302, 403}
    assert b"private\n" not in body


def test_who_does_not_know_the_agent_has_no_relay(lab):
    with pytest.raises(ProviderError, match="no relay"):
        _asked(lab, "/files/data.bin", _TOKEN, token="x" * 20)
