"""A sweep from the page: a notebook is chosen, its parameters become a form, its results come back."""

from __future__ import annotations

import os
import shutil
import zipfile
from typing import TYPE_CHECKING

import nbformat
import pytest
from playwright.sync_api import expect

from tests.browser.axe import check_in_both_schemes
from tests.browser.conftest import new_context, open_page, program
from tests.patience import milliseconds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.usefixtures("sessions")

_LONG = "a_parameter_of_a_name_that_is_longer_than_its_column_and_goes_on"
_PARAMETERS = 'lr: float = 0.1  # how fast it learns\nname = "adam"\nlayers = [1, 2]\nbad = <b>'.replace("<b>", "1 + 1")


@pytest.fixture
def page(chromium: Browser, address: str, home: Path) -> Iterator[Page]:
    with new_context(chromium, accept_downloads=True) as context:
        yield open_page(context, address)
    for path in (home / "jobs").glob("*"):
        program("stop", path.name, "--force")
    shutil.rmtree(home / "jobs", ignore_errors=True)


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    return _written(tmp_path / "train.ipynb", _PARAMETERS)


def _written(path: Path, parameters: str) -> Path:
    """A notebook with these ``parameters``; with a cell of none where they are empty."""
    cells = [nbformat.v4.new_code_cell(parameters), nbformat.v4.new_code_cell("print(lr, name)")]
    cells[0]["metadata"]["tags"] = ["parameters"] if parameters else []
    path.write_text(nbformat.writes(nbformat.v4.new_notebook(cells=cells)))
    return path


def test_a_notebook_is_chosen_its_parameters_filled_in_and_its_results_downloaded(
    page: Page, notebook: Path, tmp_path: Path
) -> None:
    page.get_by_text("One notebook, many sets of parameters").click()
    form = page.get_by_role("form", name="A sweep")
    (tmp_path / "none.ipynb").write_text("{}")
    form.locator("input[type=file]").set_input_files(tmp_path / "none.ipynb")
    form.get_by_text("This is no notebook that can be read.").wait_for()
    form.locator("input[type=file]").set_input_files(notebook)
    rate = form.get_by_label("lr", exact=True)
    expect(rate).to_have_value("0.1")
    expect(form.get_by_label("name", exact=True)).to_have_value("'adam'")
    expect(form.get_by_label("layers", exact=True)).to_have_value("[1, 2]")
    form.get_by_text("how fast it learns").wait_for()
    form.get_by_text("1 notebook", exact=True).wait_for()
    form.get_by_text("At most 1 tGLM for all of it, on: This computer.").wait_for()
    rate.fill("0.5, {1, 2}")
    form.get_by_text("{1, 2} is no value of a parameter").wait_for()
    rate.fill("0.5, 0.25")
    form.get_by_text("2 notebooks", exact=True).wait_for()
    expect(form.get_by_role("button", name="Add a parameter")).to_be_hidden()  # all that it has are there
    form.get_by_label("Machines").fill("2")
    form.get_by_role("button", name="Start the sweep").click()
    card = page.get_by_role("article", name="job-")
    card.get_by_role("img", name="0 of 2 tasks done").wait_for(timeout=milliseconds(90))
    expect(form.get_by_role("button", name="Start the sweep")).to_be_enabled()
    card.get_by_role("img", name="2 of 2 tasks done").wait_for(timeout=milliseconds(400))
    if where := os.environ.get("LOOK"):
        card.screenshot(path=f"{where}/sweep-done.png")
    card.locator(".gl-badge", has_text="Ended").wait_for()
    with page.expect_download() as download:
        card.get_by_role("button", name="Download results").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.namelist() == [
            "lr=0.5.ipynb", "lr=0.25.ipynb", "summary.csv", "summary.html", "summary.parquet",
        ]  # fmt: skip
        executed = nbformat.reads(archive.read("lr=0.25.ipynb").decode(), as_version=4)
    assert executed["cells"][-1]["outputs"][0]["text"] == "0.25 adam\n"


def test_the_form_holds_whatever_notebook_is_chosen(page: Page, tmp_path: Path) -> None:
    page.get_by_text("One notebook, many sets of parameters").click()
    form = page.get_by_role("form", name="A sweep")
    check_in_both_schemes(page, form, "sweep-first")
    (tmp_path / "none.ipynb").write_text("{}")
    form.locator("input[type=file]").set_input_files(tmp_path / "none.ipynb")
    form.get_by_text("This is no notebook that can be read.").wait_for()
    check_in_both_schemes(page, form, "sweep-unreadable")

    form.locator("input[type=file]").set_input_files(_written(tmp_path / "plain.ipynb", ""))
    form.get_by_text("1 notebook", exact=True).wait_for()
    form.get_by_role("button", name="Add a parameter").click()
    form.get_by_label("Its name").fill("two words")
    form.get_by_text("'two words' is no name of a parameter.").wait_for()
    expect(form.get_by_label("Its name")).to_have_attribute("aria-invalid", "true")
    check_in_both_schemes(page, form, "sweep-named")

    long = f"{_PARAMETERS}\n{_LONG} = 'a value that is as long as its name'  # {'and a comment that goes on ' * 4}"
    form.locator("input[type=file]").set_input_files(_written(tmp_path / f"{'a-notebook-' * 8}.ipynb", long))
    form.get_by_label(_LONG).wait_for()
    form.get_by_label("lr", exact=True).fill("0.5, {1, 2}")
    form.get_by_text("{1, 2} is no value of a parameter").wait_for()
    check_in_both_schemes(page, form, "sweep-parameters")


def test_what_is_wrong_is_said_at_its_field_and_nothing_begins(page: Page, tmp_path: Path, home: Path) -> None:
    notebook = _written(tmp_path / "train.ipynb", f"{_PARAMETERS}\nepochs, depth = 1, 2")
    page.get_by_text("One notebook, many sets of parameters").click()
    form = page.get_by_role("form", name="A sweep")
    form.locator("input[type=file]").set_input_files(notebook)
    start = form.get_by_role("button", name="Start the sweep")
    machines = form.get_by_label("Machines")
    for wrong in ("", "none", "0", "-1", "1,5", "51", "9" * 30):
        machines.fill(wrong)
        expect(form.get_by_text("It must be a whole number of machines, 1 to 50.")).to_be_hidden()
        start.click()
        form.get_by_text("It must be a whole number of machines, 1 to 50.").wait_for()
        expect(machines).to_be_focused()
        expect(machines).to_have_attribute("aria-invalid", "true")
    machines.fill("2")
    rate = form.get_by_label("lr", exact=True)
    for wrong in ("1e999", "9" * 5000, "()"):
        rate.fill(wrong)
        expect(rate).to_have_attribute("aria-invalid", "true")
        start.click()
        expect(start).to_be_enabled()
        expect(rate).to_be_focused()
    rate.fill(", ".join(map(str, range(10_001))))
    form.get_by_text("That makes 10,001 sets of parameters; 1 to 10,000 make a sweep.").wait_for()
    rate.fill("0.5")

    form.get_by_role("button", name="Add a parameter").click()
    name = form.get_by_label("Its name")
    form.get_by_label("Its values").fill("1, 2")
    form.get_by_text("It needs a name.").wait_for()
    start.click()
    expect(name).to_be_focused()
    name.fill("lr")  # the values of one of both would be lost
    form.get_by_text("'lr' is above already").wait_for()
    start.click()
    expect(name).to_be_focused()
    expect(name).to_have_attribute("aria-invalid", "true")
    form.get_by_label("Its values").fill("")
    name.fill("epoch")  # which would have been paid for, and then not be looked at
    form.get_by_text("The notebook has no parameter 'epoch'.").wait_for()
    expect(name).to_have_attribute("aria-invalid", "true")
    name.fill("epochs")
    form.get_by_label("Its values").fill("1, 2")
    form.get_by_text("2 notebooks", exact=True).wait_for()
    page.evaluate("() => dispatchEvent(new Event('online'))")  # all that the kernel knows is told again
    form.get_by_label("Its values").fill("1, 2, 3")
    form.get_by_text("3 notebooks", exact=True).wait_for()
    page.get_by_label("Budget", exact=True).fill("0")
    form.get_by_text("The form above has something to mend first.").first.wait_for()
    start.click()
    expect(form.get_by_role("alert")).to_have_text("The form above has something to mend first.")
    expect(form.get_by_label("Its values")).to_have_value("1, 2, 3")
    expect(rate).to_have_value("0.5")
    assert not list((home / "jobs").glob("*"))
