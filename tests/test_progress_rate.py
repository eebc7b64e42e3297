"""How far something is, how fast, and how long it takes still."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

import golem_launcher
from golem_launcher import progress_rate
from golem_launcher.progress_rate import SoFar, Speed
from tests.patience import slower


def test_the_speed_is_that_of_late_and_not_known_at_once(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    now = [0.0]
    monkeypatch.setattr(progress_rate.time, "monotonic", lambda: now[0])
    of = Speed()
    assert of.at(0) == 0
    now[0] = 1
    assert of.at(10) == 10
    for second in range(2, 30):
        now[0] = second
        last = of.at(10 + 30 * (second - 1))
    assert last == 30
    assert of.at(5) == 0  # it began again


def test_some_bytes_are_told_with_their_rate_and_the_time_that_is_left(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    now = [0.0]
    monkeypatch.setattr(progress_rate.time, "monotonic", lambda: now[0])
    so_far = SoFar()
    assert so_far.far() == ("", None)
    for second in (1, 2, 3):
        now[0] = second
        so_far.told(second * 2**20, 10 * 2**20)
        words, share = so_far.far()
    assert (words, share) == ("3.0 of 10.0 MiB (30 %), 1.0 MiB/s, 7 s left", 0.3)


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node to run scripts with")
def test_the_page_says_the_same_of_its_own_transfers() -> None:
    page = Path(golem_launcher.__file__).parent / "ui/common"
    asked = f"""
import {{ Speed }} from {json.dumps((page / "progress_rate.js").as_uri())};
const speed = new Speed();
const seconds = [1, 2, 3];
const words = seconds.map((second) => speed.figures(second * 2 ** 20, 10 * 2 ** 20, second * 1000));
words.push(speed.figures(0, 0, 4000), speed.figures(2 ** 19, 2 ** 20, 5000));
console.log(JSON.stringify(words));
"""
    run = ["node", "--no-warnings", "--input-type=module", "-e", asked]
    done = subprocess.run(run, capture_output=True, text=True, timeout=30 * slower(), check=True)
    assert json.loads(done.stdout) == [
        "1.0 of 10.0 MiB (10 %)",
        "2.0 of 10.0 MiB (20 %), 1.0 MiB/s, 8 s left",
        "3.0 of 10.0 MiB (30 %), 1.0 MiB/s, 7 s left",
        "0 of 0 bytes (100 %)",  # it began again
        "0.5 of 1.0 MiB (50 %), 512 KiB/s, 1 s left",
    ]
