"""What commands print of strangers' words drives no terminal, whether it is for people or for programs."""

from __future__ import annotations

import json

import pytest

from golem_launcher.cli.terminal import printing

_HOSTILE = "".join(map(chr, range(0xA0))) + "\x1b]8;;http://evil\x07link\x1b\\\x9b31m\u2028\u202e\ud800\U000e0041"


@pytest.mark.parametrize("told", [printing.say, printing.progress])
def test_words_are_cleaned(told: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert callable(told)
    told(_HOSTILE)
    printed = "".join(capsys.readouterr())
    assert "link" in printed
    assert all(each.isprintable() or each in "\t\n\xa0" for each in printed)


@pytest.mark.parametrize(("told", "lines"), [(printing.print_json, 3), (printing.print_json_line, 1)])
def test_values_are_whole_and_in_letters_alone(told: object, lines: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert callable(told)
    told({"line": _HOSTILE})
    printed = capsys.readouterr().out
    assert json.loads(printed) == {"line": _HOSTILE}
    assert printed.count("\n") == len(printed.splitlines()) == lines
    assert all(" " <= each <= "~" for each in printed.replace("\n", ""))
