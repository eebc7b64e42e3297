"""What clients of a kernel expect beside cells with lines: through a session."""

import importlib.util
import itertools
import re
import time

import pytest

from tests.localnet.runtime.test_runtimes import wheel
from tests.patience import slower

pytestmark = pytest.mark.slow

_INTERRUPT_SECONDS = 40


def test_streams_are_apart_and_errors_have_their_traceback(connected):
    done = connected.run("import sys; print('out'); print('err', file=sys.stderr); 1/0", check=False)
    assert done.text.strip() == "out"
    assert "err" in done.errors
    assert done.reply["ename"] == "ZeroDivisionError"
    assert len(done.reply["traceback"]) > 1
    assert connected.run("%%bash\npwd\necho $((6 * 7))").text.split() == ["/golem/work", "42"]


def test_a_cell_asks_for_input(connected):
    asked = []

    def answer(message):
        asked.append((message["content"]["prompt"], message["content"]["password"]))
        connected.client.input("Ada")

    reply = connected.client.execute_interactive(
        "%autoconnect\nimport getpass\nname = input('who? ')\nassert name == getpass.getpass('again? ') == 'Ada'",
        allow_stdin=True, stdin_hook=answer, timeout=60 * slower(), output_hook=lambda _: None,
    )  # fmt: skip
    assert reply["content"]["status"] == "ok"
    assert asked == [("who? ", False), ("again? ", True)]


def test_a_cell_is_interrupted_and_those_behind_it_are_aborted(connected):
    first = connected.start("import time\nprint('begun')\ntime.sleep(60)")
    behind = [connected.start("1"), connected.start("%help")]
    connected.until_printed("begun")
    began = time.monotonic()
    connected.manager.interrupt_kernel()
    assert connected.reply_to(first)["ename"] == "KeyboardInterrupt"
    assert time.monotonic() - began < _INTERRUPT_SECONDS * slower()
    assert [connected.reply_to(one)["status"] for one in behind] == ["aborted", "aborted"]


def test_packages_are_installed_listed_and_removed_over_there(connected):
    made = wheel(connected.folder)
    connected.run(f"%upload {made.name}")
    connected.run(f"%pip install --quiet ./{made.name}\nimport launchprobe\nassert launchprobe.WORD == 'installed'")
    assert importlib.util.find_spec("launchprobe") is None  # here
    assert re.search(r"launchprobe +1\.0", connected.run("%pip list").text)
    connected.run(f"%pip uninstall --yes --quiet launchprobe\nimport os; os.remove('{made.name}')")
    assert "launchprobe" not in connected.run("%pip list").text


def test_a_message_of_thirty_megabytes_comes_whole(connected):
    done = connected.run(
        "from IPython.display import display\n"
        "display({'application/x-big': 'x' * 30_000_000, 'text/plain': 'big'}, raw=True)"
    )
    assert len(done.data[0]["application/x-big"]) == 30_000_000


def test_ten_megabytes_of_lines_come_whole_and_in_order(connected):
    done = connected.run("for i in range(100_000): print(f'{i:099}')")
    assert [int(line) for line in done.text.split()] == list(range(100_000))


def test_widgets_talk_with_their_buffers(connected):
    connected.run(
        "from ipykernel.comm import Comm\n"
        "def opened(comm, message):\n"
        "    @comm.on_msg\n"
        "    def said(message):\n"
        "        number = message['content']['data']['n'] + 1\n"
        "        comm.send({'got': number}, buffers=[bytes(message['buffers'][0])[::-1]])\n"
        "get_ipython().kernel.comm_manager.register_target('echo', opened)"
    )
    client, session = connected.client, connected.client.session
    client.shell_channel.send(session.msg("comm_open", {"comm_id": "c1", "target_name": "echo", "data": {}}))
    session.send(
        client.shell_channel.socket,
        session.msg("comm_msg", {"comm_id": "c1", "data": {"n": 41}}),
        buffers=[b"\x00\xff\x01"],
    )
    while (message := client.get_iopub_msg(timeout=30 * slower()))["msg_type"] != "comm_msg":
        pass
    assert message["content"]["data"] == {"got": 42}
    assert bytes(message["buffers"][0]) == b"\x01\xff\x00"


def test_a_display_is_updated_and_cleared(connected):
    done = connected.run(
        "from IPython.display import display, clear_output\n"
        "d = display('one', display_id=True)\nd.update('two')\nclear_output()"
    )
    assert [kind for kind in done.kinds if "display" in kind or "clear" in kind] == [
        "display_data", "update_display_data", "clear_output",
    ]  # fmt: skip


def test_a_subshell_answers_beside_a_busy_cell_and_a_lost_one_does_no_harm(connected):
    client = connected.client
    client.control_channel.send(client.session.msg("create_subshell_request", {}))
    subshell = client.get_control_msg(timeout=30 * slower())["content"]["subshell_id"]
    busy = connected.start("import threading; other = threading.Event(); print('busy'); assert other.wait(60)")
    connected.until_printed("busy")

    def run_in(subshell_id, code="print('beside')"):
        message = client.session.msg("execute_request", {"code": code, "silent": False})
        message["header"]["subshell_id"] = subshell_id
        client.shell_channel.send(message)
        return message["header"]["msg_id"]

    assert connected.reply_to(run_in(subshell, "other.set()"))["status"] == "ok"
    assert connected.reply_to(busy)["status"] == "ok"
    assert connected.reply_to(run_in("gone"))["status"] == "ok"


def test_the_debugger_answers(connected):
    client = connected.client
    request = {"type": "request", "seq": 1, "command": "debugInfo", "arguments": {}}
    client.control_channel.send(client.session.msg("debug_request", request))
    body = client.get_control_msg(timeout=30 * slower())["content"]["body"]
    assert body["isStarted"] is False
    assert "breakpoints" in body


def test_the_debugger_stops_in_a_cell_and_goes_on(connected):
    client, code, numbers = connected.client, "z = 20\nz += 1\nz *= 2", itertools.count(2)

    def debug(command, **arguments):
        request = {"type": "request", "seq": next(numbers), "command": command, "arguments": arguments}
        message = client.session.msg("debug_request", request)
        client.control_channel.send(message)
        while (reply := client.get_control_msg(timeout=60 * slower()))["parent_header"]["msg_id"] != message["header"][
            "msg_id"
        ]:
            pass
        return reply["content"]

    def until_event(name):
        while (message := client.get_iopub_msg(timeout=60 * slower()))["content"].get("event") != name:
            pass
        return message["content"]

    assert debug("initialize", clientID="t", clientName="t", adapterID="", linesStartAt1=True)["success"]
    assert debug("attach")["success"]
    source = debug("dumpCell", code=code)["body"]["sourcePath"]
    assert debug("setBreakpoints", source={"path": source}, breakpoints=[{"line": 2}])["body"]["breakpoints"][0][
        "verified"
    ]
    assert debug("configurationDone")["success"]
    cell = connected.start(code)
    thread = until_event("stopped")["body"]["threadId"]
    frame = debug("stackTrace", threadId=thread)["body"]["stackFrames"][0]
    assert frame["line"] == 2
    assert debug("evaluate", expression="z", frameId=frame["id"])["body"]["result"] == "20"
    debug("continue", threadId=thread)
    assert connected.reply_to(cell)["status"] == "ok"
    assert debug("disconnect", restart=False, terminateDebuggee=False)["success"]
    assert connected.run("print(z)").text.strip() == "42"


def test_a_kernel_that_dies_ends_its_cell_and_another_is_there(connected):
    connected.restart()  # so that it is young: Jupyter has ways of its own with kernels that die soon
    done = connected.run("x = 1\nimport os; os._exit(3)", check=False)
    assert done.failed
    assert "died" in done.errors
    assert connected.run("print(1 + 1)").text.strip() == "2"
    assert connected.run("x", check=False).reply["ename"] == "NameError"


def test_a_cell_of_this_computer_runs_here(connected, tmp_path):
    done = connected.run("%%golem local\nimport os\ny = 5\nprint(os.environ.get('JUPYTER_DATA_DIR'))\ny + 1")
    assert str(tmp_path.parent.parent.name) in done.text
    assert connected.run("%%golem local\ny").data[0]["text/plain"] == "5"
    assert connected.run("y", check=False).reply["ename"] == "NameError"
    assert connected.run("%%golem local\n1/0", check=False).reply["ename"] == "CellFailed"


def test_sessions_are_told_saved_extended_and_logged(connected):
    connected.run("open('kept.txt', 'w').write('kept')")
    assert re.search(r"\(save \d+\): \d+ files?\.", connected.run("%save").text)
    assert "%save" not in connected.run("%save -f notes.py 1", check=False).errors  # IPython's own
    assert "may cost 2 tGLM" in connected.run("%extend hours=0.5 budget=1").text
    assert "agreement with" in connected.run("%logs").text
    for words in ("²", "0", "9" * 5000):
        assert "is no number of lines" in connected.run(f"%logs {words}", check=False).errors
    told = connected.run("%provider").text
    assert "reputation" in told
    assert "connects by itself" in connected.run("%autoconnect on").text
    assert "does not connect" in connected.run("%autoconnect off").text
    assert "Sessions that run" in connected.run("%attach").text


def test_files_go_there_and_come_back(connected):
    folder = connected.folder
    (folder / "in").mkdir()
    (folder / "in" / "a.txt").write_text("a")
    (folder / "in" / "big.bin").write_bytes(bytes(range(256)) * 40_000)
    (folder / "in" / ".hidden").write_text("no")
    (folder / "in" / "link").symlink_to("/etc/passwd")
    done = connected.run("%upload in")
    assert "2 files" in done.text
    assert "links are not followed" in done.errors
    assert "no hidden files" in done.errors
    assert connected.run("%upload in/a.txt to=in").text  # over one that is there
    assert "leads out of the workspace" in connected.run("%upload in/a.txt to=../out", check=False).errors
    connected.run(
        "import pathlib\np = pathlib.Path('in')\nassert p.joinpath('a.txt').read_text() == 'a'\n"
        "assert p.joinpath('big.bin').read_bytes() == bytes(range(256)) * 40_000\n"
        "assert sorted(one.name for one in p.iterdir() if one.name[0] != '.') == ['a.txt', 'big.bin']\n"
        "p.joinpath('a.txt').write_text('changed')\np.joinpath('new.txt').write_text('new')"
    )
    done = connected.run("%download in")
    assert "another file is there" in done.errors
    assert (folder / "in" / "a.txt").read_text() == "a"
    assert (folder / "in" / "new.txt").read_text() == "new"
    connected.run("%download in/a.txt to=in")
    assert (folder / "in" / "a.txt").read_text() == "changed"
    connected.run("%download in/*.txt to=out force")
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["a.txt", "new.txt"]
    assert "no 'nothing'" in connected.run("%download nothing", check=False).errors
    assert connected.run("%download ../x", check=False).failed
    assert not [path for path in (folder / "in").iterdir() if path.name.startswith(".") and path.name != ".hidden"]
    assert ".zip" in connected.run("%results").text
    assert list(folder.glob("*.zip"))
