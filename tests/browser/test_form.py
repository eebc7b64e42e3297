"""The form in a real browser. One page serves all tests of this module, each of which leaves it as it may be left."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from golem_launcher.localnet import network
from golem_launcher.market import history
from golem_launcher.market.benchmark import Benchmark
from golem_launcher.market.offer_order import USUAL_CORE
from golem_launcher.request import LaunchRequest
from golem_launcher.session.on_disk.directory import session_directories
from golem_launcher.ui.form import preferences
from tests.browser.conftest import new_context, open_page
from tests.patience import milliseconds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, Locator, Page

_PRIVATE = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n-----END OPENSSH PRIVATE KEY-----"
_PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGhTnGXqrDVJoOrm0OaMTQyZ7F2VgVQXLFVb3KHZcBk8 me@home"

_LISTEN = """
() => {
  window.sent = [];
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (data) {
    window.sent.push(typeof data === "string" ? data : new TextDecoder().decode(data));
    return send.call(this, data);
  };
}
"""
_UNNAMED = """
(form) => [...form.querySelectorAll("input, select, textarea, button")]
  .filter((one) => !one.hidden && !one.labels?.length && !one.textContent.trim())
  .filter((one) => !one.getAttribute("aria-label") && !one.getAttribute("aria-labelledby"))
  .map((one) => one.outerHTML)
"""


@pytest.fixture(scope="module")
def form_context(chromium: Browser) -> Iterator[BrowserContext]:
    with new_context(chromium, permissions=["clipboard-read", "clipboard-write"]) as context:
        yield context


@pytest.fixture(scope="module")
def form(no_session: None, form_context: BrowserContext, address: str) -> Page:  # noqa: ARG001
    return open_page(form_context, address)


def _field(page: Page, name: str):
    return page.locator(f".gl-field-{name}")


def _command(page: Page, *words: str) -> None:
    for word in words:
        page.locator(".gl-share pre", has_text=word).wait_for(state="attached")


def test_fields_follow_the_fields_they_depend_on(form: Page) -> None:
    assert _field(form, "budget").locator(".gl-unit").inner_text() == "tGLM"
    assert _field(form, "price_per_hour").locator(".gl-unit").inner_text() == "tGLM per hour"
    assert not _field(form, "gpu_model").is_visible()
    form.get_by_label("GPUs").fill("2")
    assert _field(form, "gpu_model").is_visible()
    assert _field(form, "gpu_memory_gib").is_visible()
    form.get_by_label("GPU model").fill("RTX")
    _command(form, "--gpus 2 --gpu-model RTX")
    form.get_by_label("GPUs").fill("0")
    assert not _field(form, "gpu_model").is_visible()
    form.get_by_role("radio", name="PyTorch on a GPU").check()
    assert form.get_by_label("GPUs").input_value() == "1"
    form.get_by_label("GPU model").fill("")

    assert not form.get_by_label("Image", exact=True).is_visible()
    form.locator("summary", has_text="Advanced").click()
    form.get_by_label("Image", exact=True).fill("me/mine:1")
    assert not _field(form, "software").is_visible()
    assert form.get_by_text("Your own image is used").is_visible()
    _command(form, "--image me/mine:1")
    form.get_by_label("Image", exact=True).fill("")
    assert not form.get_by_label("Addresses it may reach").is_visible()
    form.get_by_label("Internet for the session").select_option("Only what I list")
    assert form.get_by_label("Addresses it may reach").is_visible()
    form.get_by_label("Internet for the session").select_option("Package servers only")
    form.get_by_label("Save my work").uncheck()
    assert not form.get_by_label("Where saves are kept").is_visible()
    _command(form, "--no-save")
    form.get_by_label("Save my work").check()
    assert "no money" in form.locator(".gl-field-network .gl-tile", has_text="This computer").inner_text()


def test_errors_open_the_fold_they_are_in_and_take_the_focus(form: Page) -> None:
    if form.locator(".gl-group-advanced").get_attribute("open") is not None:
        form.locator("summary", has_text="Advanced").click()
    form.get_by_label("Image", exact=True).evaluate("input => input.value = 'not an image'")
    form.get_by_role("button", name="Start JupyterLab on Golem").click()
    form.locator("[aria-invalid]").first.wait_for()
    assert form.evaluate("document.activeElement.name") == "image"
    assert "must be a tag" in _field(form, "image").inner_text().lower()
    form.get_by_label("Image", exact=True).fill("")
    form.get_by_label("Time", exact=True).fill("0")
    form.keyboard.press("Tab")
    form.locator(".gl-field-hours .gl-error-text", has_text="at least").wait_for()  # said when the field is left
    form.get_by_label("Time", exact=True).fill("1")
    assert list(session_directories()) == []


def test_a_private_key_does_not_stay(form: Page) -> None:
    key = form.get_by_label("Public SSH key")
    form.evaluate(_LISTEN)
    key.evaluate("(input, text) => { input.value = text; input.dispatchEvent(new Event('input')) }", _PRIVATE)
    assert key.input_value() == ""
    assert "thrown away" in _field(form, "ssh_key").inner_text()
    packages = form.get_by_label("Packages", exact=True)
    packages.fill(_PRIVATE)
    assert packages.input_value() == ""
    key.fill(_PUBLIC)
    _command(form, "--ssh-key")
    sent = form.evaluate("window.sent.join()")
    assert "AAAAC3NzaC1lZDI1NTE5AAAAIGhTnGXq" in sent
    assert "b3BlbnNz" not in sent
    key.fill("")


def test_presets_and_files(form: Page, tmp_path: Path) -> None:
    form.get_by_label("Cores").fill("3")
    picker = form.locator(".gl-field-packages input[type=file]")
    (tmp_path / "requirements.txt").write_text(_PRIVATE)
    picker.set_input_files(tmp_path / "requirements.txt")
    form.locator(".gl-field-packages", has_text="thrown away").wait_for()
    (tmp_path / "requirements.txt").write_bytes("# mine\nnumpy\n-e .\n".encode("utf-16"))
    picker.set_input_files(tmp_path / "requirements.txt")
    _command(form, "--package numpy")
    assert "# left out, line 3, '-e .'" in form.get_by_label("Packages", exact=True).input_value()
    form.get_by_role("button", name="Save as preset").click()
    form.get_by_role("button", name="Cancel").press("Escape")
    expect(form.get_by_role("button", name="Save as preset")).to_be_focused()
    form.get_by_role("button", name="Save as preset").press("Enter")
    form.get_by_label("Title of the preset").fill("Three <b>cores</b>")
    form.keyboard.press("Enter")
    form.get_by_label("Preset", exact=True).locator("option", has_text="Three <b>cores</b>").wait_for(state="attached")

    form.locator("summary", has_text="As a command").click()
    with form.expect_download() as download:
        form.get_by_role("button", name="Download as a file").click()
    form.get_by_role("button", name="Copy command").click()
    form.get_by_role("button", name="Copied").wait_for()
    assert "--cpus 3" in form.evaluate("navigator.clipboard.readText()")

    form.reload()
    form.locator(".gl-start").wait_for()
    assert form.get_by_label("Cores").input_value() == "1"
    form.get_by_label("Preset", exact=True).select_option("Three <b>cores</b>")
    _command(form, "--cpus 3", "--package numpy")
    form.get_by_label("Cores").fill("1")
    form.locator(".gl-share input[type=file]").set_input_files(download.value.path())
    _command(form, "--cpus 3")
    (tmp_path / "hostile.yaml").write_text("a: &a [x]\nb: *a")
    form.locator(".gl-share input[type=file]").set_input_files(tmp_path / "hostile.yaml")
    form.get_by_text("anchors, aliases and tags have no place").wait_for()
    form.get_by_role("button", name="Remove").click()
    form.get_by_text("No presets yet").wait_for(state="attached")


def test_what_it_will_cost_is_shown_before_and_what_to_loosen(form: Page) -> None:
    form.reload()
    price = form.locator(".gl-price")
    price.get_by_text("3 machines fit").wait_for()
    assert "Which would last" in price.inner_text()
    place = price.get_by_role("button", name="Start JupyterLab on Golem").bounding_box()
    form.get_by_label("Memory", exact=True).fill("999")
    price.get_by_text("No machine fits.").wait_for()
    assert price.get_by_role("button", name="Start JupyterLab on Golem").bounding_box() == place
    price.get_by_role("button", name="Use this").first.click()
    assert form.get_by_label("Memory", exact=True).input_value() != "999"
    price.get_by_text("1 machine fits").wait_for()
    form.get_by_label("Memory", exact=True).fill("-")
    price.get_by_text("Prices show when the form is right.").wait_for()
    price.get_by_text("To be mended: Memory.").wait_for()
    form.get_by_label("Memory", exact=True).fill("1")
    expect(price.get_by_text("To be mended")).to_be_hidden()
    price.get_by_text("3 machines fit").wait_for()
    form.locator("#rendered_cells").evaluate("panel => panel.scrollTo(0, 600)")
    assert price.get_by_role("button", name="Start JupyterLab on Golem").bounding_box()["y"] < 600  # still in sight


def test_a_machine_is_picked_from_those_that_fit(form: Page) -> None:
    table = form.get_by_role("table", name="Machines that fit")
    names = table.get_by_role("rowheader")
    best = form.get_by_role("checkbox", name="Best for me")
    expect(names).to_have_text([re.compile("^local-small"), re.compile("standard"), re.compile("gpu")])  # by price
    expect(best).to_be_checked()
    standard = table.get_by_role("row", name="local-standard")
    for words in ("8 GiB", "20 GiB", re.compile("not tried yet|sessions? went well")):
        expect(standard).to_contain_text(words)
    expect(table.get_by_role("row", name="local-pretend-gpu")).to_contain_text("Pretend GPU (not real)")
    table.get_by_role("button", name="Memory").click()
    expect(names).to_have_text([re.compile("gpu"), re.compile("standard"), re.compile("small")])
    expect(table.get_by_role("columnheader", name="Memory")).to_have_attribute("aria-sort", "descending")
    table.get_by_role("button", name="Place").click()
    expect(names.first).to_have_text(re.compile("standard"))
    expect(standard).to_contain_text("Switzerland")
    expect(table.get_by_role("columnheader", name="Reputation")).to_have_count(0)  # nobody says anything here

    standard.get_by_role("checkbox").check()
    expect(best).not_to_be_checked()
    _command(form, "--allow 0x")
    form.locator(".gl-price").get_by_text("1 machine picked").wait_for()
    expect(names).to_have_count(3)  # the others can still be picked
    form.get_by_label("Only these providers").evaluate("field => field.value = 'local-small'")
    form.get_by_label("Only these providers").dispatch_event("input")
    expect(table.get_by_role("row", name="local-small").get_by_role("checkbox")).to_be_checked()
    expect(standard.get_by_role("checkbox")).not_to_be_checked()
    table.get_by_role("row", name="local-small").get_by_role("checkbox").uncheck()
    expect(best).to_be_checked()
    form.locator(".gl-price").get_by_text("3 machines fit").wait_for()


def test_how_fast_a_machine_was_is_told_once_it_was_measured(form: Page, home: Path) -> None:
    del home
    table = form.get_by_role("table", name="Machines that fit")
    provider_id = next(one["node_id"] for one in network.status()["providers"] if one["name"] == "local-standard")
    measured = Benchmark(core_rate=1.44 * USUAL_CORE, cores_rate=USUAL_CORE)
    history.note_benchmark(provider_id, "local-standard", measured)
    try:
        expect(table.get_by_role("row", name="local-standard")).to_contain_text(
            "1.4 \N{MULTIPLICATION SIGN}", timeout=milliseconds(30)
        )
        form.get_by_text("with a usual core of a server as 1").wait_for()
    finally:
        history.forget(provider_id)


def test_the_usual_software_is_that_of_the_network_until_one_is_picked(form: Page) -> None:
    def tiles(name: str) -> Locator:
        return form.get_by_role("radio", name=name)

    expect(tiles("Base")).to_be_checked()
    tiles("Hoodi").check()
    expect(tiles("Data science")).to_be_checked()
    form.locator(".gl-offers-sending", has_text="MiB go from your computer").wait_for()
    assert "--software" not in form.locator(".gl-share pre").first.inner_text()
    tiles("Base").check()
    _command(form, "--software base")
    tiles("This computer").check()
    expect(tiles("Base")).to_be_checked()
    tiles("Data science").check()
    tiles("Hoodi").check()
    expect(tiles("Data science")).to_be_checked()
    form.reload()


def test_start_stays_in_sight_where_there_is_one_column(form: Page) -> None:
    wide = form.viewport_size
    assert wide
    start = form.get_by_role("button", name="Start JupyterLab on Golem")
    form.set_viewport_size({"width": 360, "height": 740})
    for place in (0, 900, 1500):
        form.locator("#rendered_cells").evaluate("(panel, place) => panel.scrollTo(0, place)", place)
        expect(start).to_be_in_viewport(ratio=1)
    form.locator(".gl-offers-short", has_text="tGLM for 1 h").wait_for()
    form.set_viewport_size(wide)


@pytest.mark.usefixtures("home")
def test_what_comes_back_from_last_time_is_said_and_can_be_undone(form: Page) -> None:
    preferences.remember(LaunchRequest(allow=("attic",), outbound="off", hours=2, budget=2))
    form.reload()
    kept = form.get_by_role("group", name="Kept from last time")
    kept.get_by_text("Only these providers: attic").wait_for()
    kept.get_by_text("Internet for the session: Nothing").wait_for()
    expect(kept.get_by_role("listitem")).to_have_count(2)  # the others are in plain sight
    kept.get_by_role("button", name="Reset Only these providers").click()
    expect(kept.get_by_role("listitem")).to_have_count(1)
    _command(form, "--hours 2")
    kept.get_by_role("button", name="Reset the form").press("Enter")
    expect(kept).to_be_hidden()
    expect(form.get_by_role("heading", name="New session")).to_be_focused()
    expect(form.get_by_label("Time", exact=True)).to_have_value("1")
    form.locator(".gl-share pre:not(:has-text('--outbound'), :has-text('--hours'))").wait_for(state="attached")
    assert preferences.last_request() is None


def test_networks_are_told_apart(form: Page) -> None:
    form.get_by_role("radio", name="Polygon").check()
    header = form.locator(".gl-header")
    header.get_by_text("Polygon", exact=True).wait_for()
    assert header.locator(".gl-money").inner_text() == "real money"
    assert header.get_by_role("button", name="Start the node").is_visible()
    assert "You pay real money" in form.locator(".gl-price").inner_text()
    form.locator(".gl-price").get_by_text("Prices show when your node runs.").wait_for()
    form.get_by_role("radio", name="This computer").check()
    header.get_by_text("This computer", exact=True).wait_for()
    assert header.locator(".gl-money").inner_text() == "no money"


def test_files_are_uploaded_in_parts(form: Page, home: Path, tmp_path: Path) -> None:
    data = os.urandom(9_000_000)
    (tmp_path / "data.bin").write_bytes(data)
    picker = form.get_by_label("Upload files")
    picker.set_input_files([tmp_path / "data.bin", tmp_path / "data.bin"])
    files = form.locator(".gl-upload")
    for name in ("data.bin", "data (2).bin"):
        files.filter(has_text=name).get_by_role("button", name="Remove").wait_for()
    assert sorted(path.name for path in home.glob("uploads/*/*")) == ["data (2).bin", "data.bin"]
    assert next(home.glob("uploads/*/data.bin")).read_bytes() == data
    picker.set_input_files({"name": "<img src=x>\u202e", "mimeType": "", "buffer": b"x"})
    files.filter(has_text="<img src=x>").get_by_role("button", name="Remove").wait_for()
    assert form.locator(".gl-form img").count() == 0
    _command(form, "data.bin", "--input")
    while files.count():
        files.first.get_by_role("button").click()
    _command(form, "golem-launcher start")
    form.locator(".gl-share pre:not(:has-text('--input'))").wait_for(state="attached")
    assert list(home.glob("uploads/*/*")) == []


def test_a_folder_is_chosen_or_dropped_and_comes_with_its_files(form: Page, home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    (folder / "data" / "deep").mkdir(parents=True)
    (folder / "empty").mkdir()
    big = os.urandom(5_000_000)
    wanted = {"read me.md": b"hello", "data/one.bin": big, **{f"data/deep/{n}.txt": b"%d" % n for n in range(150)}}
    for name, data in wanted.items():
        (folder / name).write_bytes(data)
    form.get_by_label("Upload a folder").set_input_files(folder)
    rows = form.locator(".gl-upload")
    rows.get_by_text("152 files, 4.8 MiB").wait_for()

    form.get_by_label("Files to bring").scroll_into_view_if_needed()
    box = form.locator(".gl-drop").bounding_box()
    assert box
    place = {"x": box["x"] + 20, "y": box["y"] + 10}
    drag = {"items": [], "files": [str(folder), str(folder / "read me.md")], "dragOperationsMask": 1}
    browser = form.context.new_cdp_session(form)
    for kind in ("dragEnter", "dragOver", "drop"):
        browser.send("Input.dispatchDragEvent", {"type": kind, **place, "data": drag})
    rows.filter(has_text="read me.md").get_by_role("button", name="Remove").wait_for()
    rows.filter(has_text="project (2)").get_by_text("152 files").wait_for()
    for arrived in home.glob("uploads/*/project*"):
        found = {str(path.relative_to(arrived)): path.read_bytes() for path in arrived.rglob("*") if path.is_file()}
        assert found == wanted
    _command(form, "project (2)", "--input")
    while rows.count():
        rows.first.get_by_role("button").click()
    form.locator(".gl-share pre:not(:has-text('--input'))").wait_for(state="attached")


def test_the_keyboard_suffices_and_everything_has_a_name(form: Page) -> None:
    form.locator("summary", has_text="Advanced").evaluate("summary => (summary.parentElement.open = true)")
    unnamed = form.locator(".gl-form").evaluate(_UNNAMED)
    assert unnamed == []
    form.get_by_label("Name", exact=True).focus()
    reached = set()
    for _ in range(60):
        form.keyboard.press("Tab")
        reached.add(form.evaluate("document.activeElement.name || document.activeElement.textContent"))
    names = {re.sub("-gl-tiles.*", "", name) for name in reached}
    assert {"network", "software", "budget", "packages", "inputs", "resume", "image", "store"} <= names
    assert "Start JupyterLab on Golem" in names


_FIRST_SEEN = """
window.seen = { loading: [], headlines: [], places: [] };
const look = () => {
  const loading = document.getElementById("loading_text");
  if (loading) window.seen.loading.push(loading.textContent);
  const headline = document.querySelector(".gl-offers-headline");
  const below = document.querySelector(".gl-group-advanced");
  if (headline) window.seen.headlines.push(headline.textContent);
  if (below) window.seen.places.push(Math.round(below.getBoundingClientRect().top));
  requestAnimationFrame(look);
};
requestAnimationFrame(look);
"""


def test_what_it_costs_is_worked_out_in_sight_and_moves_nothing(form_context: BrowserContext, address: str) -> None:
    page = form_context.new_page()
    page.add_init_script(_FIRST_SEEN)
    page.goto(address)
    page.locator(".gl-price").get_by_text("3 machines fit").wait_for()
    page.locator(".gl-machine-choice").get_by_text("local-standard").first.wait_for()
    seen = page.evaluate("window.seen")
    assert seen["loading"][-1] == "Opening the launcher …"
    assert seen["headlines"][0] == "Working out the price …"
    assert "" not in seen["headlines"]
    assert max(seen["places"]) - min(seen["places"]) <= 12, sorted(set(seen["places"]))
    page.close()
