"""Numbers as people read them, the same from Python and from the page's scripts."""

import json
import re
import shutil
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest

import golem_launcher
from golem_launcher.units import coins, coins_at_a_glance, counted, data_size, data_size_of, duration
from tests.patience import slower

PACKAGE = Path(golem_launcher.__file__).parent
ROOT = Path(__file__).parent.parent
TABLE = json.loads((Path(__file__).with_name("units.json")).read_text())
"""What is written for what is given, by Python and by the page's scripts alike.

A running clock ("durations") is the page's alone."""


@pytest.mark.parametrize(("given", "said"), TABLE["counted"])
def test_what_is_counted_is_in_its_number(given, said):
    assert counted(*given) == said


@pytest.mark.parametrize(("given", "said"), TABLE["sizes"])
def test_sizes_are_told_in_the_units_of_requests(given, said):
    assert data_size(given) == said


@pytest.mark.parametrize(("given", "said"), TABLE["parts of sizes"])
def test_a_part_of_a_size_is_told_in_the_unit_of_the_whole(given, said):
    assert data_size_of(*given) == said


@pytest.mark.parametrize(("given", "said"), TABLE["lengths"])
def test_lengths_of_time_are_told_in_one_unit(given, said):
    assert duration(given) == said


@pytest.mark.parametrize(("given", "said"), TABLE["amounts"])
def test_money_at_a_glance_has_three_digits(given, said):
    assert coins_at_a_glance(Decimal(given)) == said


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node to run scripts with")
@pytest.mark.parametrize(
    ("subject", "call"),
    [
        ("counted", "counted(...given)"),
        ("sizes", "formatBytes(given)"),
        ("parts of sizes", "formatBytesOf(...given)"),
        ("lengths", "formatLength(given)"),
        ("amounts", "formatAmount(Number(given))"),
        ("durations", "formatDuration(given)"),
        ("ages", "formatAgo(given)"),
    ],
)
def test_the_page_writes_the_same(subject, call):
    script = (PACKAGE / "ui/common/format.js").read_text()
    asked = f"{script}\nconsole.log(JSON.stringify({json.dumps(TABLE[subject])}.map(([given]) => {call})))"
    run = ["node", "--input-type=module", "-e", asked]
    done = subprocess.run(run, capture_output=True, text=True, timeout=30 * slower(), check=True)
    assert json.loads(done.stdout) == [said for _, said in TABLE[subject]]


def test_nobody_writes_a_size_or_a_length_of_time_by_hand():
    found = [
        f"{path.relative_to(PACKAGE)}: {line.strip()}"
        for path in PACKAGE.rglob("*.py")
        if path.name != "units.py"
        for line in path.read_text().splitlines()
        if re.search(r"/ (1e6|1e9|1_000_000|1024\*\*[23]):\.?\d?f?\}|(?<!/)/ (60|3600)(:\.\df)?\} ?(min|hours)", line)
    ]
    assert not found


def test_sizes_have_one_system_of_units_everywhere():
    """Of a thousand are measurements alone, and the names that makers give their graphics cards."""
    documents = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
    scripts = [path for path in PACKAGE.rglob("*") if path.suffix in {".py", ".js", ".pyi"}]
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in (*scripts, *documents)
        if path.name not in {"benchmarks.md", "CHANGELOG.md"}
        for line in path.read_text().splitlines()
        if re.search(r"(?<![\"`])\b[0-9.,]+ (kB|MB|GB|TB)\b", line)
    ]
    assert not found


def test_nobody_makes_a_plural_by_hand():
    found = [
        f"{path.relative_to(PACKAGE)}: {line.strip()}"
        for path in PACKAGE.rglob("*")
        if path.suffix in {".py", ".js"} and path.name not in {"units.py", "format.js"}
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
        ("999999999999999", "999999999999999"),
        ("1.5E+400", "1.50E+400"),
        ("0E+40", "0"),
    ],
)
def test_money_has_the_digits_that_count(given, said):
    assert coins(None if given is None else Decimal(given)) == said
