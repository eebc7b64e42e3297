"""What can travel between here and a provider, and what is said of what can't."""

from pathlib import Path

import pytest

from golem_launcher.agent.task_values import Untransportable, decode, encode


def there_and_back(value):
    blobs = []

    def add(blob):
        blobs.append(blob)
        return len(blobs) - 1

    return decode(encode(value, add, add), blobs.__getitem__, blobs.__getitem__)


@pytest.mark.parametrize(
    "value",
    [
        None, True, 0, -5, 2**80, 1.5, float("inf"), "text", "", [], {}, b"", b"\0\xff", [1, [2, {"a": b"x"}]],
        {"file": Path("a/b.txt"), "n": [None]}, "$golem", {"$GOLEM": 1},
    ],
)  # fmt: skip
def test_what_can_travel_comes_back_as_it_was(value):
    assert there_and_back(value) == value


def test_nan_travels_and_tuples_are_lists_there():
    assert there_and_back(float("nan")) != there_and_back(float("nan"))
    assert there_and_back((1, (2, b"x"))) == [1, [2, b"x"]]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({1, 2}, "sorted() makes a list"),
        (object(), "it is a object, which can't travel"),
        ({"a": [1, complex(1)]}, "it['a'][1] is a complex"),
        ({1: 2}, "it has the key 1"),
        ({"$golem": "bytes"}, "has the key"),
        ((len,), "it[0] is a builtin_function_or_method"),
    ],
)
def test_what_cannot_is_named(value, words):
    with pytest.raises(Untransportable) as raised:
        there_and_back(value)
    assert words in str(raised.value)


def test_what_contains_itself_is_refused():
    value = []
    value.append(value)
    with pytest.raises(Untransportable, match="contains itself"):
        there_and_back(value)


@pytest.mark.parametrize(
    "told", [{"$golem": "pickle", "blob": 0}, {"$golem": "bytes"}, {"$golem": "bytes", "blob": True}, {"$golem": []}]
)
def test_what_nobody_sends_is_refused(told):
    with pytest.raises((ValueError, TypeError)):
        decode(told, lambda _: b"", lambda _: b"")
