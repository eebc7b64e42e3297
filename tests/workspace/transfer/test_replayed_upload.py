"""Parts of an upload that can't be asked, or of which a provider tells nonsense: whoever waits is told at once."""

import asyncio
import json
import tempfile
from pathlib import Path

import pytest

from golem_launcher.errors import ProviderError, WorkspaceError
from golem_launcher.workspace.transfer import throughput
from golem_launcher.workspace.transfer.agent_workspace import AgentWorkspace
from golem_launcher.workspace.transfer.remote_files import RemoteFiles
from golem_launcher.workspace.transfer.replayed_upload import ReplayedUpload
from tests.agent.conftest import eventually
from tests.dialling import to_origin
from tests.patience import slower
from tests.workspace.transfer.conftest import TOKEN, BulkTransfer
from tests.workspace.transfer.test_hostile import Liar

_GOOD = {"count": 1, "status": 200, "headers": [], "body": "{}"}


@pytest.fixture(autouse=True)
def _by_transfer(monkeypatch):
    monkeypatch.setattr(throughput, "_BULK_SECONDS", 1e-6)
    monkeypatch.setattr(throughput, "_WEIGHT", 0.0)


def _sent(provider, origin):
    """The answer to one part that is sent to the agent at this origin."""
    eventually(provider.packs.is_dir)

    async def scene():
        scratch = Path(tempfile.mkdtemp(dir=provider.directory))
        async with AgentWorkspace(to_origin(origin), TOKEN, BulkTransfer(provider)) as agent:
            sending = ReplayedUpload(RemoteFiles(agent, scratch), [("host", "127.0.0.1")])
            try:
                await sending.add("/api/contents/a", {"chunk": 1}, b"a part")
                return await sending.answer()
            finally:
                assert sending._fault is None or sending.over
                await sending.aclose()

    return asyncio.run(asyncio.wait_for(scene(), 30 * slower()))


def test_a_lab_that_is_gone_is_told(provider):
    with pytest.raises(ProviderError, match="refused"):
        _sent(provider, provider.url)
    assert not list(provider.packs.iterdir())


@pytest.mark.parametrize(
    "lie",
    [
        {"count": 2},
        {"status": 101},
        {"status": "200"},
        {"status": None},
        {"headers": [["a"]]},
        {"headers": [["name\u20ac", "x"]]},
        {"body": None},
        {"body": "\u20ac"},
        {"body": "x" * 1_000_000},
    ],
)
def test_a_lie_is_no_answer(provider, lie):
    server = Liar()
    try:
        server.replay = lambda: iter([json.dumps(_GOOD | lie).encode()])
        with pytest.raises(WorkspaceError):
            _sent(provider, f"http://127.0.0.1:{server.server_port}")
        server.replay = lambda: iter([json.dumps(_GOOD).encode()])
        assert _sent(provider, f"http://127.0.0.1:{server.server_port}").body == b"{}"
    finally:
        server.shutdown()
        server.server_close()
