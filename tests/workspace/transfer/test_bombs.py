"""Values made to be costly: to hold, to parse. Ten sessions with such providers stay small, and none of them stops."""

import asyncio
import contextlib
import functools
import itertools
import json
import os
import random
import sys
import time
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golem_launcher.agent.workspace import wire
from golem_launcher.errors import WorkspaceError
from golem_launcher.session.supervision.becoming import FRUGAL
from golem_launcher.untrusted_json import LARGEST, json_value
from golem_launcher.workspace.transfer.change_list import ChangeListReader
from golem_launcher.workspace.transfer.responses import as_object
from tests.examples import examples
from tests.patience import slower
from tests.workspace.transfer import saving_process
from tests.workspace.transfer.test_hostile import ID, Liar, file, liar, sound

__all__ = ["liar"]

MEGABYTE = 1_000_000
MEMORY = 100 * MEGABYTE
"""Of a session at most: all of its process."""
SOAK = "GOLEM_LAUNCHER_SOAK" in os.environ
_START = b'{"list":"p","base":null}\n'
_IDS = [f"{number:064x}" for number in range(30_000)]


def repeated(unit, megabytes, head=b"", tail=b""):
    """A list with a unit again and again, compressed, in pieces."""
    packing = zlib.compressobj(1)
    yield packing.compress(_START + head)
    some = unit * max(1, 65536 // len(unit))
    for _ in range(megabytes * MEGABYTE // len(some)):
        yield packing.compress(some)
    yield packing.compress(tail) + packing.flush()


def part(items, times):
    """The same part of one value, again and again."""
    line = b'["+",[5],[' + items + b"]]\n"
    return functools.partial(
        repeated, line, times * len(line) // MEGABYTE + 1, b'["<",["f","a",1,1,0,[]]]\n', b'[">"]\n'
    )


BOMBS = {
    "objects": functools.partial(repeated, b"{},", 31, b"[", b"0]\n"),
    "lists": functools.partial(repeated, b"[],", 31, b"[", b"0]\n"),
    "depth": functools.partial(repeated, b"[", 31),
    "a short line": functools.partial(repeated, b'["f","a",1,1,0,[' + b"{}," * 60_000 + b"0]]\n", 60),
    "parts of objects": part(b"{}," * 80_000 + b"0", 300),
    "parts of texts": part(b'"ab",' * 40_000 + b'"ab"', 300),
    "parts of pairs": part(b"[1,2]," * 30_000 + b"[1,2]", 300),
    "lines of nothing": functools.partial(repeated, b"\n", 60),
    "keys": functools.partial(repeated, b'"a":{', 31, b"{"),
    "names": functools.partial(repeated, b'["d","' + b"\\u0000" * 100 + b'",1,1]\n', 60),
}


def listing(*lines, entries=0, notes=(), environment=None):
    """A list that is whole, as our agent would send it; ``lines`` may be an iterator."""
    end = {"end": True, "entries": entries, "notes": notes, "environment": environment, "state": "s"}
    return wire.pack_lines([{"list": "p", "base": None}, *lines, end])


def long_name(number, length=3000):
    """Text of which each letter takes four bytes, because one of them does."""
    return f"{number:06}" + "a" * length + "\U0001f600"


def many_files(date):
    """As many as may be, whose paths are as long as the list allows, all changed."""
    names = random.Random(1)
    for number in range(200_000):
        yield ["f", f"{names.getrandbits(800):0200x}", 0o644, date + number, 1, [ID.hex()]]


def many_links(date):
    for number in range(8000):
        below = "/".join([f"{number:06}", *["b" * 240] * 15, "\U0001f600"])
        yield ["l", below, 0o777, date, below.replace("b", "c")]


def one_file(date):
    """A file of fifty gigabytes, by its ids."""
    yield ["f", "huge", 0o644, date, 1000, [ID.hex() * 500] * 400]


COSTLY = {
    "notes": lambda _: listing(notes=[["unreadable", long_name(number)] for number in range(20_000)]),
    "packages": lambda _: listing(environment={"full": [long_name(each, 400) for each in range(20_000)]}),
    "names that are none": lambda _: listing(*(["d", f"//{long_name(each, 200)}", 1, 1] for each in range(100_000))),
    "what is gone": lambda _: listing(*(["-", f"//{long_name(each, 200)}"] for each in range(100_000))),
    "many links": lambda date: listing(*many_links(date), entries=8000),
    "one file": lambda date: listing(*one_file(date), entries=1),
    "many files": lambda date: listing(*many_files(date), entries=200_000),
}


def in_turn(*lists):
    """The answers to one question after the other; nothing new after the last."""
    dates, left = itertools.count(1), iter(lists)
    return lambda: next(left, lambda _: listing())(next(dates))


@pytest.mark.parametrize("name", BOMBS)
def test_a_value_that_is_large_is_not_parsed(name):
    """Whatever it says: no line that the reader takes is longer than what is parsed in a moment."""
    reader = ChangeListReader()

    def read():
        for piece in BOMBS[name]():
            reader.feed(piece)
            reader.fresh()
        reader.end()

    with pytest.raises(WorkspaceError, match="makes no sense"):
        read()


@pytest.mark.parametrize("unit", [b"{},", b"[],", b'"ab",', b"[1,2],", b'{"a":1},'])
def test_the_longest_line_is_parsed_in_a_moment(unit):
    """Python's parser lets no other thread turn meanwhile: by the processor's time, the best of three."""
    line = b"[" + unit * ((wire.LONGEST_LINE - 3) // len(unit)) + b"0]"
    took = []
    for _ in range(3):
        began = time.thread_time()
        json.loads(line)
        took.append(time.thread_time() - began)
    assert min(took) < 0.1


async def victim(liar, store, rounds):
    """What a process says of itself that saves from such a provider so often."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", saving_process.__name__, f"http://127.0.0.1:{liar.server_port}", str(store), str(rounds),
        stdout=asyncio.subprocess.PIPE, env={**os.environ, **FRUGAL},
    )  # fmt: skip
    output, _ = await asyncio.wait_for(process.communicate(), 1500 * slower())
    assert process.returncode == 0
    return json.loads(output)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_list_takes_a_session_beyond_a_tenth_of_a_gigabyte(liar, tmp_path):
    """One after the other, each of which takes as much as a list can: so ten sessions take no more than a gigabyte."""
    liar.has(sound())
    first = functools.partial(listing, file("first"), entries=1)
    liar.changes = in_turn(lambda _: first(), *COSTLY.values(), COSTLY["many files"])
    found = asyncio.run(victim(liar, tmp_path / "store", len(COSTLY) + 2))
    assert found["files"][0] == 1
    assert found["files"][-2:] == [200_000, 200_000], found
    assert found["memory"] < MEMORY, (found["megabytes"], found["before"])
    assert found["stood"] < 0.1, found


@pytest.mark.slow
@pytest.mark.timeout(1600)
def test_ten_hostile_sessions_stay_below_a_gigabyte_and_no_loop_stops(tmp_path):
    """In ``make soak`` each of them goes on with a list that takes as much as one can."""
    costly = itertools.cycle(COSTLY.values())

    async def all_at_once(liars):
        rounds = 3 if SOAK else 2
        return await asyncio.gather(*(victim(liar, tmp_path / name, rounds) for name, liar in liars.items()))

    with contextlib.ExitStack() as stack:
        liars = {}
        for name, bomb in BOMBS.items():
            liars[name] = liar = Liar()
            again = [lambda _, bomb=bomb: bomb()] * 2
            liar.changes = in_turn(*again, *([next(costly)] if SOAK else []))
            liar.has(sound())
            stack.callback(liar.server_close)
            stack.callback(liar.shutdown)
        found = dict(zip(liars, asyncio.run(all_at_once(liars)), strict=True))
    assert sum(each["memory"] for each in found.values()) < 10 * MEMORY, found
    assert max(each["stood"] for each in found.values()) < 0.1, found
    assert all(set(each["files"][:2]) == {None} for each in found.values()), found
    assert all(all("makes no sense" in problem for problem in each["problems"][:2]) for each in found.values()), found


def lines_of(pieces):
    return zlib.decompress(b"".join(pieces)).splitlines()


@pytest.mark.parametrize(
    "value",
    [
        ["f", "large", 0o644, 1, 1, _IDS],
        ["f", "holes", 0o644, 1, 1, _IDS[:5], [[number, 7] for number in range(20_000)]],
        {"end": True, "notes": [["busy", "x" * 4000]] * 500, "environment": {"full": ["a==1"] * 30_000, "bare": []}},
        ["f", "small", 0o644, 1, 1, _IDS[:5]],
    ],
)  # fmt: skip
def test_what_is_large_and_honest_comes_in_parts_and_is_whole_again(value):
    packed = b"".join(wire.pack_lines([{"list": "p"}, value, ["-", "other"]]))
    assert all(len(line) <= LARGEST // 2 for line in lines_of([packed]))
    reader = wire.Lines(64 * MEGABYTE)
    found = [each for at in range(0, len(packed), 1000) for each in reader.feed(packed[at : at + 1000])]
    reader.end()
    assert found == [{"list": "p"}, value, ["-", "other"]]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["<", "+", ">"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


_PARTS = st.tuples(st.just("<"), _JSON) | st.tuples(st.just("+"), st.lists(_JSON, max_size=2), _JSON) | st.just([">"])


@settings(max_examples=examples(150), deadline=None)
@given(st.lists(_JSON | _PARTS, max_size=8))
def test_parts_in_any_order_harm_nobody(values):
    data = zlib.compress(b"".join(json.dumps(value).encode() + b"\n" for value in values))
    reader = wire.Lines(MEGABYTE)
    with contextlib.suppress(wire.WireError):
        for _ in reader.feed(data):
            pass
        reader.end()


@pytest.mark.parametrize("data", [b"[" * 200_000, b'{"a":' * 50_000, b"NaN", b"[1e999999", b"1" * 5000, b" " * 300_000])
def test_json_of_a_stranger_is_a_value_or_a_value_error(data):
    with pytest.raises(ValueError):  # noqa: PT011 - any
        json_value(data)
    with pytest.raises(WorkspaceError, match="never sends"):
        as_object(data)
