"""The background process of a local network, beside a daemon that stands still for a while."""

import asyncio
import os
from types import SimpleNamespace

from golem_launcher.localnet import daemons
from golem_launcher.localnet.network_process import NetworkProcess
from golem_launcher.localnet.router import Router
from golem_launcher.localnet.spec import NetworkSpec
from golem_launcher.node.gsb.calls import ok
from golem_launcher.node.yagna_process import YagnaProcess
from golem_launcher.processes import ProcessRecord
from tests.patience import slower


def test_a_daemon_whose_services_are_not_on_its_bus_yet_is_asked_again(tmp_path):
    """As after it stood still: the network, and with it all of its sessions' machines, ended over that."""
    opened = []

    def answer(call):
        if call.component == "List":
            return ok([{"nodeId": "0x1", "isDefault": True}])
        opened.append(call.payload()["address"])
        return ok()

    async def scene():
        async with Router() as bus:
            server = NetworkProcess(tmp_path, NetworkSpec.model_validate({"provider": [{"name": "one"}]}))
            record, place = ProcessRecord.of(os.getpid()), f"tcp://127.0.0.1:{bus.port}"
            server._daemons[daemons.REQUESTOR] = YagnaProcess(record, tmp_path, "http://127.0.0.1:1", place, "key")
            keeping = asyncio.create_task(server._keep_requestor(SimpleNamespace(data_dir=tmp_path), None))
            await asyncio.sleep(0)
            done, _ = await asyncio.wait({keeping}, timeout=0.3)
            assert not done, keeping.result()
            for service in ("/local/identity", "/local/driver/erc20"):
                bus.attach(service, answer)
            async with asyncio.timeout(20 * slower()):
                while not opened:
                    assert not keeping.done(), keeping.result()
                    await asyncio.sleep(0.02)
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)

    asyncio.run(scene())
    assert opened[0] == "0x1"
