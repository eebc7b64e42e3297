"""The table of the local network's faithfulness names tests that are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_each_row_has_a_test():
    text = (ROOT / "docs" / "localnet.md").read_text()
    table = text.partition("## Real beside local")[2].partition("Kinder on purpose")[0]
    rows = [line for line in table.splitlines() if line.startswith("|")][2:]
    assert len(rows) > 20
    for row in rows:
        named = re.findall(r"`(tests/[\w/.]+)::(\w+)`", row)
        assert named, row
        for file, function in named:
            assert f"def {function}(" in (ROOT / file).read_text(), f"{file}::{function}"
