"""What a notebook says of its parameters, and what is typed for them; nothing of either is executed."""

import json

import pytest

from golem_launcher.errors import RequestError
from golem_launcher.tasks.parameters import Parameter, is_notebook, parameters_in, sets_typed, unheeded

_CELL = """
lr: float = 0.1  # how fast it läuft
name, other = "a", "b"
depth = 2; layers = [1,
  2]
rate = open("/nowhere").read()
bare: int
lr = 0.5
print("not", executed)
"""


def notebook_of(*sources, tag="parameters"):
    cells = [{"source": source, "metadata": {"tags": [tag]}} for source in sources]
    return json.dumps({"cells": cells}).encode()


def test_parameters_are_read_from_the_tagged_cells_without_executing_them():
    assert parameters_in(notebook_of(_CELL)) == [
        Parameter("lr", "0.5"),
        Parameter("depth", "2"),
        Parameter("layers", "[1, 2]"),
        Parameter("rate", "open('/nowhere').read()"),
    ]
    assert parameters_in(notebook_of(["x = 'ä'  # ", "# why"])) == [Parameter("x", "'ä'", "why")]
    assert parameters_in(notebook_of("x <- 1")) == parameters_in(notebook_of("x = 1", tag="other")) == []
    deep = notebook_of("x = " + "-" * 200_000 + "1")
    assert (parameters_in(deep), unheeded(deep, [{"x": 1}])) == ([], "")


def test_what_is_no_notebook():
    assert is_notebook(notebook_of(""))
    for data in (b"", b"{", b"[]", b'{"cells": 1}', b"[" * 100_000):
        assert not is_notebook(data)


def test_what_is_typed_is_a_value_or_several():
    def values(text):
        return [one["x"] for one in sets_typed({"x": text})]

    assert values("0.1, 0.01") == [0.1, 0.01]
    assert values("[1, 2]") == [[1, 2]]
    assert values("[1], [2]") == [[1], [2]]
    assert values("'a, b', 'c'") == ["a, b", "c"]
    assert values("adam, sgd") == ["adam", "sgd"]
    assert values("true, none") == [True, None]
    assert values("{'a': 1}") == [{"a": 1}]
    assert values("5") == [5]
    assert sets_typed({"a": "1, 2", "b": "3", "c": " "}) == ({"a": 1, "b": 3}, {"a": 2, "b": 3})
    assert sets_typed({}) == ({},)


@pytest.mark.parametrize(
    "text",
    [
        "{1}",
        "b'x'",
        "1j",
        "...",
        "{1: 2}",
        "()",
        "1e999",
        "a, nan",
        "9" * 5000,
        f"b, {'9' * 5000}",
        "a" * 200_000 + ",b",
    ],
)
def test_what_can_be_no_parameter_is_refused(text):
    """Among it what would be another value in the job's file, or none."""
    with pytest.raises(RequestError) as refused:
        sets_typed({"x": text})
    assert refused.value.field == "x"


def test_a_name_that_is_none_is_refused_by_its_field():
    with pytest.raises(RequestError) as refused:
        sets_typed({"two words": "1"})
    assert refused.value.field == "two words"
