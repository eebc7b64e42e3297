import asyncio
import json
import stat

from hypothesis import given, settings
from hypothesis import strategies as st

from golem_launcher.access.sockets.port_socket import PortSocket
from golem_launcher.session.supervision.control import LONGEST_LINE, ControlServer
from tests.examples import examples
from tests.market.test_prices import JUNK
from tests.patience import slower


def server(path):
    calls = []

    async def command(_arguments):
        calls.append("stop")
        return {"stage": "ready"}

    return ControlServer(path, {"stop": command}), calls


@settings(max_examples=examples(300))
@given(st.binary(max_size=200) | JUNK.map(lambda value: json.dumps(value).encode()))
def test_no_line_breaks_it(line):
    control, calls = server(None)
    answer = asyncio.run(control.answer(line))
    assert answer is None or calls


def test_only_its_owner_may_talk_and_garbage_is_dropped(tmp_path):
    async def converse():
        path = tmp_path / "control.sock"
        path.write_text("left behind")
        control, calls = server(path)
        await control.start()
        try:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            for garbage in (
                b"\x00\xff\n",
                b"[" * 100_000,
                b"{}\n",
                b"x" * (LONGEST_LINE * 3),
                b'{"command": ["stop"]}\n',
            ):
                assert await talk(path, garbage) == b""
            assert not calls
            assert json.loads(await talk(path, b'{"command": "stop"}\n')) == {"ok": True, "stage": "ready"}
            assert calls == ["stop"]
        finally:
            await control.aclose()
        assert not path.exists()

    asyncio.run(converse())


def test_idle_connections_do_not_keep_others_out_for_ever(tmp_path):
    async def crowd():
        path = tmp_path / "control.sock"
        control, calls = server(path)
        await control.start()
        idle = [await asyncio.open_unix_connection(str(path)) for _ in range(31)]
        try:
            assert await talk(path, b'{"command": "stop"}\n')
            assert calls == ["stop"]
        finally:
            for _, writer in idle:
                writer.close()
            await control.aclose()

    asyncio.run(crowd())


async def talk(path, data):
    reader, writer = await asyncio.open_unix_connection(str(path))
    try:
        writer.write(data)
        writer.write_eof()
        return await asyncio.wait_for(reader.read(), 60 * slower())
    except ConnectionError:
        return b""
    finally:
        writer.close()


def test_who_makes_files_while_a_socket_is_made_makes_them_as_ever(tmp_path):
    """The mask for new files is the whole process's: a folder made meanwhile could not be entered."""

    async def work():
        async def others():
            (tmp_path / "folder").mkdir()

        for listener in (ControlServer(tmp_path / "c.sock", {}), PortSocket(tmp_path / "d.sock", None)):
            for each in tmp_path.glob("folder"):
                each.rmdir()
            starting = asyncio.create_task(listener.start())
            await asyncio.gather(starting, asyncio.create_task(others()))
            assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) & 0o700 == 0o700
            await listener.aclose()

    asyncio.run(work())
