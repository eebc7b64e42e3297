"""What is made from the code is as the code is."""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = runpy.run_path(str(ROOT / "scripts" / "generate"))["FILES"]


@pytest.mark.parametrize("path", FILES)
def test_it_is_as_the_code_is(path):
    assert (ROOT / path).read_text() == FILES[path](), "make generated"
