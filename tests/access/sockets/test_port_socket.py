"""The port socket of a session whose directory was taken away and made again."""

import asyncio
import contextlib

from golem_launcher.access.lab.lab_proxy_settings import LabView
from golem_launcher.access.lab.open_documents import OpenDocuments
from golem_launcher.access.machine.vpn_to_machine import MachineVpn
from golem_launcher.access.sockets.loopback_address import loopback_address
from golem_launcher.access.sockets.port_socket import port_socket_path
from golem_launcher.access.ways_in import WaysIn
from golem_launcher.workload.lab import LAB
from tests.patience import slower


def test_a_port_socket_that_was_removed_is_made_again(tmp_path):
    async def scene():
        head, lab = MachineVpn(tmp_path, "ports", 1), LabView(OpenDocuments("secret" * 6))
        ways = WaysIn(tmp_path, LAB, {1: head}, lab, secret="secret" * 6, host=loopback_address("ports"))
        await ways.renew()  # nothing is there to be made again yet
        await ways.start()
        try:
            socket_path = port_socket_path(tmp_path)
            socket_path.unlink()
            await ways.renew()
            for said in (b"no port\n", b"8888\n", b"1 65536\n", b"0 8888\n", b"2 8888\n"):
                reader, writer = await asyncio.open_unix_connection(str(socket_path))
                writer.write(said)
                with contextlib.suppress(ConnectionResetError):
                    assert await reader.read() == b""  # it was heard, and turned away
                writer.close()
                with contextlib.suppress(ConnectionResetError):
                    await writer.wait_closed()
        finally:
            await ways.aclose()
        assert not socket_path.exists()

    asyncio.run(asyncio.wait_for(scene(), 30 * slower()))
