"""Functions travel as source with what they use; what can't is named before anything is paid."""

import asyncio
import functools
import json
import math
import os
import subprocess
import sys
import xml.dom
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

import golem_launcher
from golem_launcher.agent import task_execute, task_values
from golem_launcher.errors import RequestError
from golem_launcher.tasks.arrow_tables import read_table
from golem_launcher.tasks.calls import call_payload
from golem_launcher.tasks.executor import Executor
from golem_launcher.tasks.function_source import ship
from tests import networks
from tests.patience import slower

FACTOR = 3
TABLE = {"a": [1, 2], "raw": b"\0\1"}
LOCK = asyncio.Lock
handle = open(os.devnull)  # noqa: SIM115, PTH123 - what can't travel
handle.close()
data = object()


def plain(x, *, plus=FACTOR):
    return x * FACTOR + plus


def with_helpers(x: "Nowhere") -> "NorThere":  # noqa: F821 - nobody evaluates annotations
    data: Counter = Counter("hello")  # a name that the module has, too
    return [half(x), math.floor(2.5), xml.dom.Node.TEXT_NODE, data["l"], TABLE["raw"], [plain(one) for one in [1]]]


def half(x):
    return x / 2 if x > 1 else other_half(x)


def other_half(x):
    return half(x + 2) - 1


class Base:
    sides = FACTOR


@dataclass
class Shape(Base):
    size: int

    def area(self):
        return half(self.size) * self.sides


class Other(Base):
    pass


def with_classes(x):
    return [Shape(x).area(), Other.sides]


def cached(function):
    return functools.lru_cache(function)


@cached
def decorated(x):
    return plain(x)


def uses_handle():
    return handle.read()


def uses_test_module():
    return networks.own_network


async def later(x):
    await asyncio.sleep(0)
    return x


def yields():
    yield 1


def made(path: Path):
    made = Path("made.txt")
    made.write_text(path.read_text().upper())
    return {"file": made, "again": [made], "bytes": b"\xff"}


def raises(x):
    return {}[x]


def run(directory, function, *args, brought=frozenset(), **kwargs):
    """Call it as a provider does, in a process of its own that knows nothing of this module."""
    payload = call_payload(ship(function, brought), args, kwargs, seconds=10)
    place, program = directory / "task", directory / "golem_launcher_task"
    for each in (program, place / "work", place / "in", place / "out"):
        each.mkdir(parents=True)
    (program / "__init__.py").touch()
    for module in (task_execute, task_values):
        (program / Path(module.__file__).name).write_bytes(Path(module.__file__).read_bytes())
    files = {}
    for number, (name, blob) in enumerate(payload.blobs):
        path = place / "work" / name if name else place / "in" / str(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(blob if isinstance(blob, bytes) else blob.read_bytes())
        files[str(number)] = str(path)
    (place / "in" / "call.json").write_text(json.dumps({**payload.about["call"], "files": files}))
    code = f"from golem_launcher_task.task_execute import execute; execute({str(place)!r})"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(directory)}, cwd=place / "work", capture_output=True,
        text=True, check=False, timeout=60 * slower(),
    )  # fmt: skip
    if done.returncode:
        return done.returncode, json.loads((place / "out" / "error.json").read_text()), done.stderr
    out = place / "out"
    told = json.loads((out / "value.json").read_text())
    return task_values.decode(
        told,
        lambda n: (out / str(n)).read_bytes(),
        lambda n: (out / str(n)).read_text(),
        functools.partial(read_table, room=task_values.Room()),
    )


def doubled(frame):
    return frame * 2


def test_a_frame_goes_there_and_comes_back(tmp_path):
    frame = pd.DataFrame({"a": [1, 2]}, index=pd.Index(["u", "v"], name="key"))
    pd.testing.assert_frame_equal(run(tmp_path, doubled, frame), frame * 2)


def test_a_function_has_there_what_it_uses(tmp_path):
    assert run(tmp_path / "1", plain, 4) == 15
    assert run(tmp_path / "2", plain, 4, plus=1) == 13
    assert run(tmp_path / "3", with_helpers, 1) == [0.5, 2, 3, 2, b"\0\1", [6]]
    assert run(tmp_path / "4", with_classes, 4) == [6.0, 3]
    assert run(tmp_path / "5", decorated, 4) == 15
    assert run(tmp_path / "6", later, "x") == "x"
    assert run(tmp_path / "7", functools.partial(plain, plus=0), 4) == 12
    assert run(tmp_path / "8", math.sqrt, 16) == 4.0
    assert run(tmp_path / "9", len, [1, 2]) == 2
    assert run(tmp_path / "10", lambda x: x + FACTOR, 1) == 4


def test_one_of_a_function_has_what_is_around_it(tmp_path):
    offset, text = 5, "after"

    def inner(x):
        return [x + offset, text]

    assert run(tmp_path, inner, 1) == [6, "after"]


def test_files_and_bytes_go_there_and_back(tmp_path):
    (tmp_path / "given.txt").write_text("hello")
    assert run(tmp_path, made, tmp_path / "given.txt") == {"file": "HELLO", "again": ["HELLO"], "bytes": b"\xff"}


def test_what_it_raised_is_told_with_its_lines(tmp_path):
    code, told, _ = run(tmp_path, raises, "key")
    assert (code, told["type"], told["module"], told["message"]) == (70, "KeyError", "builtins", "'key'")
    assert "in raises\n    return {}[x]" in told["traceback"]
    assert "task_execute" not in told["traceback"]


def test_a_result_that_cannot_travel_is_an_error_of_its_own(tmp_path):
    def wrong():
        return [{1, 2}]

    _, told, _ = run(tmp_path, wrong)
    assert told["type"] == "Untransportable"
    assert told["message"].startswith("it[0] is a set, which can't travel. What can: ")


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (uses_handle, "'handle', which uses_handle uses, can't travel: it is a _io.TextIOWrapper"),
        (uses_test_module, "The module 'tests.networks', which uses_test_module uses, is a file of yours. Bring it"),
        (yields, "yields yields, and a task has one result"),
        (data, "This is no function, but a object."),
    ],
)
def test_what_it_uses_and_cannot_travel_is_named(function, words):
    with pytest.raises(RequestError) as raised:
        ship(function)
    assert words in str(raised.value)


def test_a_module_that_is_brought_is_imported():
    shipped = ship(uses_test_module, frozenset({"tests"}))
    assert shipped.source.endswith(
        "from tests.tasks.test_function_source import uses_test_module as uses_test_module\n"
    )


def test_arguments_that_cannot_travel_are_named():
    with pytest.raises(RequestError, match=r"it\['args'\]\[0\] is a object"):
        call_payload(ship(plain), (object(),), {}, seconds=1)
    with pytest.raises(RequestError, match="no file"):
        call_payload(ship(plain), (Path("/nowhere/at/all"),), {}, seconds=1)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"workers": "3x"}, "must be a whole number"),
        ({"workers": 0}, "must be at least 1"),
        ({"verify": "2"}, "verify='2': it must be"),
        ({"verify": 4}, "needs as many workers"),
        ({"attempts": 0}, "attempts=0: it must be"),
        ({"timeout": "1h"}, "timeout='1h': it must be a number of seconds"),
        ({"bugdet": 1}, "Did you mean budget"),
    ],
)
def test_a_slip_in_what_is_asked_of_an_executor_is_answered_in_words(wrong, why):
    with pytest.raises(RequestError, match=why):
        Executor(**wrong)
    with pytest.raises(RequestError, match=why):
        golem_launcher.map(len, ["a"], **wrong)


def test_one_file_needs_no_list_around_it(tmp_path):
    (tmp_path / "one.py").touch()
    with Executor(files=tmp_path / "one.py") as by_path, Executor(files=str(tmp_path / "one.py")) as by_name:
        assert by_path._request.inputs == by_name._request.inputs == (str(tmp_path / "one.py"),)


def test_a_function_for_many_calls_is_packed_once():
    executor = Executor(name="packed")

    packed = executor.packed(plain)

    assert ship(packed) is packed
    assert packed.source == ship(plain).source
