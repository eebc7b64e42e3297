"""Hostile strings become plain, short and visible."""

from __future__ import annotations

import csv
import io
import re
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golem_launcher.untrusted_text import (
    LONGEST_LINE,
    LONGEST_NAME,
    clean_line,
    clean_name,
    clean_text,
    last_line,
    sentence,
    spreadsheet_cell,
)
from tests.patience import slower

# Any code point, surrogates too, with what drives terminals and reorders text far more often than chance would have it.
_HOSTILE = st.lists(
    st.one_of(
        st.characters(codec=None, exclude_categories=()),
        st.sampled_from(["\x1b", "\x1b[", "\x1b]0;", "\x9b", "\x9d", "\x07", "\x1b\\", "\u202e", "\u2028", "m"]),
        st.text(max_size=8),
    ),
    max_size=300,
).map("".join)

_BIDI = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def _assert_harmless(shown: str) -> None:
    assert not [c for c in shown if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and c != "\t"]
    assert not _BIDI & set(shown)
    shown.encode()  # no lone surrogates: it can be printed and stored


@given(_HOSTILE, st.integers(2, 50))
def test_line(text: str, longest: int) -> None:
    for limit in (longest, LONGEST_LINE):
        shown = clean_line(text, longest=limit)
        _assert_harmless(shown)
        assert len(shown) <= limit
        assert clean_line(shown, longest=limit) == shown


@given(_HOSTILE)
def test_name(text: str) -> None:
    shown = clean_name(text)
    _assert_harmless(shown)
    assert 0 < len(shown) <= LONGEST_NAME


@given(_HOSTILE)
def test_text_keeps_lines_apart(text: str) -> None:
    for line in clean_text(text).split("\n"):
        _assert_harmless(line)
        assert len(line) <= LONGEST_LINE


@given(st.text(st.characters(codec="ascii", min_codepoint=32, max_codepoint=126), max_size=200))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert clean_line(text) == text


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9d0;title\x9cafter", "after"),
        ("\x9b2Jgone", "gone"),
        ("a\u202eb", "a\\u202eb"),
        ("col\tumn", "col\tumn"),
        ("naïve 日本語 ✓", "naïve 日本語 ✓"),
        ("x" + "\u0301" * 100, "x" + "\u0301" * 4),
    ],
)
def test_examples(hostile: str, shown: str) -> None:
    assert clean_line(hostile) == shown


@pytest.mark.slow
@pytest.mark.parametrize("piece", ["a", "\x1b[", "\x1b]", "\x9b1;", "\n\x1b", "\u202e", "\u0301", "\r\n", " "])
def test_megabytes_take_linear_time(piece: str) -> None:
    def seconds(size: int) -> float:
        text = piece * (size // len(piece))
        begun = time.process_time()
        clean_text(text)
        clean_name(text)
        return time.process_time() - begun

    def linear() -> bool:
        small, large = seconds(250_000), seconds(1_000_000)
        return large < min(12 * small + 0.1, 2.5 * slower())  # a quadratic one would take sixteen times as long

    seconds(100_000)
    assert any(linear() for _ in range(5))  # a busy machine makes one of them slow, and not always the same


@pytest.mark.parametrize(
    ("words", "closed"),
    [
        ("the connection was closed", "the connection was closed."),
        ("exit code 1 (unknown)", "exit code 1 (unknown)."),
        ("It is over.", "It is over."),
        ("a line that was cut …", "a line that was cut …"),
        ("", ""),
    ],
)
def test_words_of_others_are_closed_by_a_full_stop(words, closed):
    assert sentence(words) == closed


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@x", "\uff1d1+1", ' "=1+1', '"" =1'])
@pytest.mark.parametrize("before", ["", "x;", "x\t", "x; \u00a0", '"x";'])
def test_no_cell_of_a_spreadsheet_is_a_formula_whatever_it_separates_them_by(separator, formula, before) -> None:
    table = io.StringIO()
    csv.writer(table).writerow(["a", spreadsheet_cell(before + formula), "b"])
    for cell in re.split(f"[{separator}\n]", table.getvalue()):
        assert not cell.strip('" \u00a0').startswith(("=", "+", "-", "@", "\uff1d"))


def test_a_spreadsheets_cell_is_found_soon() -> None:
    began = time.process_time()
    for text in ("\t", ";", " ", '"', '; "'):
        spreadsheet_cell(text * 100_000)
    assert time.process_time() - began < 1 * slower()


def test_the_last_line_is_the_last_with_something_in_it() -> None:
    assert last_line(b"one\n\x1b[31mtwo\x1b[0m\n \n", longest=20) == "two"
    assert last_line(b"x" * 10_000, longest=20) == "x" * 19 + "\u2026"
    assert last_line(b"\n \n", longest=20) == last_line(b"", longest=20) == ""
