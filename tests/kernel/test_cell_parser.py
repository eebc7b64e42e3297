import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golem_launcher.kernel import messages
from golem_launcher.kernel.cell_parser import Code, CommandCall, Names, meant, split

NAMES = Names(lines=frozenset({"connect", "status", "save"}), cells=frozenset({"golem"}), alone=frozenset({"save"}))


def parts(text):
    return split(text, NAMES)


@pytest.mark.parametrize("text", ["%status", "  %status", "# now\n\n%status\n", "%status  # comment", "\t%status"])
def test_a_command_alone(text):
    assert parts(text) == [CommandCall("status", "")]


def test_commands_stand_among_lines():
    assert parts("x = 1\n%status\nif x:\n    y = 2\n%connect local 1  # go\nz = 3") == [
        Code("x = 1\n"),
        CommandCall("status", ""),
        Code("if x:\n    y = 2\n"),
        CommandCall("connect", "local 1"),
        Code("z = 3"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "print('%status')",
        "a = '''\n%status\n'''",
        "f(\n%status\n)",
        "if x:\n    %status",
        "%time f()",
        "%save notes.py 1-3",
        "%statusbar",
        "x %status",
        "%%time\n%status_of",
        "x = 1\n%%golem local\n2",
        "",
        "# nothing",
    ],
)
def test_what_is_no_command_is_left_as_it_is(text):
    assert parts(text) == [Code(text)]


def test_ipythons_own_magics_may_stand_beside():
    assert parts("%time f()\n!ls\n%status") == [Code("%time f()\n!ls\n"), CommandCall("status", "")]


@pytest.mark.parametrize("text", ["%connect?", "?%connect", " %connect??"])
def test_a_question_asks_for_help(text):
    assert parts(text) == [CommandCall("connect", "", asks=True)]


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("%conect local 1", "%connect"),
        ("# now\nx = 1\n%stauts", "%status"),
        ("%%gollem local\n1", "%%golem"),
        ("%status", ""),
        ("%save notes.py 1-3", ""),
        ("%time f()", ""),
        ("%connect_info", ""),
        ("conect", ""),
    ],
)
def test_a_slip_of_the_finger_is_known(text, command):
    assert meant(text, NAMES) == command


def test_a_cells_command_takes_the_rest():
    assert parts("\n%%golem local\nx = 1\n%status\n") == [CommandCall("golem", "local", body="x = 1\n%status\n")]


@given(st.text(alphabet="%status \n#'\"()x=", max_size=60))
def test_nothing_of_a_cell_is_lost(text):
    found = parts(text)
    code = "".join(part.text for part in found if isinstance(part, Code))
    assert len(code) <= len(text)
    assert found


def test_a_message_comes_back_from_a_websocket():
    message = messages.make("stream", {"text": "ä" * 10}, session="s")
    whole = messages.JupyterMessage((*message.frames, b"\x00\x01", b""), message.header, message.parent)
    channel, back = messages.unpack_from_websocket(messages.pack_for_websocket("iopub", whole))
    assert (channel, back) == ("iopub", whole)
    assert back.content() == {"text": "ä" * 10}


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_refused(data):
    with contextlib.suppress(ValueError):
        messages.unpack_from_websocket(data)


@given(st.data())
def test_a_damaged_message_is_read_or_refused(data):
    packed = bytearray(messages.pack_for_websocket("shell", messages.make("x", {}, session="s")))
    for _ in range(data.draw(st.integers(1, 4))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    try:
        _, message = messages.unpack_from_websocket(bytes(packed))
    except ValueError:
        return
    assert isinstance(message.id, str)
    assert isinstance(message.parent_id, str)


def test_headers_are_bounded():
    header = json.dumps({"msg_id": "x" * 100_000, "msg_type": "y"}).encode()
    with pytest.raises(ValueError, match="value of more"):
        messages.read([header, b"{}", b"{}", b"{}"])
