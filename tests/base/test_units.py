"""Numbers as people read them, the same from Python and from the page's scripts."""

import json
import re
import shutil
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest

import golem_launcher
from golem_launcher.units import coins, coins_at_a_glance, counted, data_size

PACKAGE = Path(golem_launcher.__file__).parent
COUNTED = [
    ((0, "file"), "0 files"),
    ((1, "file"), "1 file"),
    ((2, "file"), "2 files"),
    ((1234567, "file"), "1,234,567 files"),
    ((1, "file is", "files are"), "1 file is"),
    ((1000, "file is", "files are"), "1,000 files are"),
]


@pytest.mark.parametrize(("given", "said"), COUNTED)
def test_what_is_counted_is_in_its_number(given, said):
    assert counted(*given) == said


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node to run scripts with")
def test_the_page_counts_in_the_same_words():
    script = (PACKAGE / "ui/common/units.js").read_text()
    given = json.dumps([given for given, _ in COUNTED])
    asked = f"{script}\nconsole.log(JSON.stringify({given}.map((each) => counted(...each))))"
    run = ["node", "--input-type=module", "-e", asked]
    done = subprocess.run(run, capture_output=True, text=True, timeout=30, check=True)
    assert json.loads(done.stdout) == [said for _, said in COUNTED]


def test_nobody_makes_a_plural_by_hand():
    found = [
        f"{path.relative_to(PACKAGE)}: {line.strip()}"
        for path in PACKAGE.rglob("*")
        if path.suffix in {".py", ".js"} and path.name not in {"units.py", "units.js"}
        for line in path.read_text().splitlines()
        if re.search(r"['\"]s['\"] (if|else)|(if|else) ['\"]s['\"]|[!=]== 1 \? \"[a-z ]+\" : \"[a-z ]+\"", line)
    ]
    assert not found


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "unknown"),
        ("0", "0"),
        ("100", "100"),
        ("0.0123000", "0.0123"),
        ("0.000000004", "0.000000004"),
        ("-2", "-2"),
    ],
)
def test_money_has_the_digits_that_count(given, said):
    assert coins(None if given is None else Decimal(given)) == said


@pytest.mark.parametrize(
    ("given", "said"), [(0, "0"), ("123.456", "123"), ("0.0012345", "0.00123"), ("1.10", "1.1"), ("20000", "20000")]
)
def test_money_at_a_glance_has_three_digits(given, said):
    assert coins_at_a_glance(Decimal(given)) == said


@pytest.mark.parametrize(
    ("given", "said"),
    [(0, "0 bytes"), (999, "999 bytes"), (320_000, "320 kB"), (107_400_000, "107.4 MB"), (2.5e15, "2,500.0 TB")],
)
def test_sizes_are_told_in_thousands(given, said):
    assert data_size(given) == said
