"""What is a whole number to either side, of all that strangers send in its place."""

from __future__ import annotations

import pytest

from golem_launcher.agent.whole_number import whole


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("007", 7), (b"42", 42), ("9" * 18, 10**18 - 1)])
def test_plain_digits_are_one(text: str | bytes, number: int) -> None:
    assert whole(text) == number


_NONE = [
    "",
    b"",
    "+1",
    "-1",
    " 1",
    "1\n",
    "1_0",
    "1.0",
    "1e3",
    "0x1",
    "\u00b2",
    "\u0663",
    "\uff11",
    "9" * 19,
    "9" * 5000,
]


@pytest.mark.parametrize("text", [*_NONE, b"\xb2"])
def test_nothing_else_is(text: str | bytes) -> None:
    assert whole(text) is None


def test_it_has_as_many_digits_as_fit() -> None:
    assert (whole("999", 3), whole("1000", 3)) == (999, None)
