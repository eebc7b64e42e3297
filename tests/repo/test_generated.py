"""What is made from the code is as the code is."""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = {
    path: content
    for script in ("generate", "dashboards")
    for path, content in runpy.run_path(str(ROOT / "scripts" / script))["FILES"].items()
}


@pytest.mark.parametrize("path", FILES)
def test_it_is_as_the_code_is(path):
    assert (ROOT / path).read_text() == FILES[path](), "make generated"


@pytest.mark.slow
def test_the_page_of_errors_has_each_by_its_words():
    page = runpy.run_path(str(ROOT / "scripts" / "docs_site.py"))["errors"]()
    assert "| There is no session '…'. | See 'golem-launcher list'. |" in page
    rows = [line for line in page.splitlines() if line.startswith("| ") and "| said |" not in line]
    assert len(rows) > 600
    for row in (
        "| No other machine fits. … | See what there is: golem-launcher offers |",  # put together
        "| The provider vanished: nothing there answers. |  |",  # the same in several places
        "| Another program has the address of '…'. | Go on: golem-launcher wake … |",  # one of two
        "| There is no Jupyter Server here. | Reinstall it: pip install --force-reinstall jupyterlab |",
        "| The notebook is not connected to a provider. | Connect again: %connect |",  # of a room's own kind
    ):
        assert row in rows
    assert all(line.replace("\\|", "").count("|") == 3 for line in rows)
