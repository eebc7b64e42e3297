"""The pages of a view-only link in a browser: they follow what changes, keep their place, and run nothing of it."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from playwright.sync_api import expect

from golem_launcher.session.on_disk import view_only_link
from tests.browser.axe import check_in_both_schemes
from tests.browser.conftest import new_context
from tests.patience import milliseconds
from tests.session.view_only.viewing import Viewing, viewing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow
_SECONDS = 120
_HOSTILE = (
    "<script>document.title = 'ran'</script><img src=x onerror=\"document.title = 'ran'\">"
    '<img src="https://evil.example/x.png"><iframe src="https://evil.example"></iframe>'
    '<link rel="stylesheet" href="https://evil.example/x.css"><p style="position:fixed">seen</p>'
)


def _png() -> str:
    """A small picture of one colour."""
    rows = b"".join(b"\0" + b"\x40\x80\xc0" * 120 for _ in range(60))
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", 120, 60, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    made = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"".join(made)).decode()


def _put_out(data: dict[str, Any], **metadata: Any) -> Any:
    return nbformat.v4.new_output("display_data", data=data, metadata=metadata)


def _write(shown: Viewing, result: str, *, cells: int = 12) -> None:
    """A notebook of all kinds of cells, whose first result is this."""
    v4 = nbformat.v4
    table = "<table class='dataframe'><thead><tr><th></th>" + "".join(f"<th>column {n}</th>" for n in range(12))
    table += "</tr></thead><tbody>" + "".join(
        f"<tr><th>{row}</th>" + "".join(f"<td>{row * n / 7:.4f}</td>" for n in range(12)) + "</tr>" for row in range(5)
    )
    outputs = [
        v4.new_output("stream", name="stdout", text=f"{result} \x1b[31mred\x1b[0m \x1b[32mgreen\x1b[0m"),
        _put_out({"image/png": _png()}, **{"image/png": {"alt": "A plot"}}),
        _put_out({"text/html": f"{table}</tbody></table>"}),
        _put_out({"text/html": _HOSTILE, "text/plain": "a figure"}),
        v4.new_output("error", ename="", evalue="", traceback=["\x1b[0;31mValueError\x1b[0m: no"]),
    ]
    notebook = v4.new_notebook(
        cells=[
            v4.new_markdown_cell(f"## Analysis\n\nWith [a link](https://example.org) and `code`.\n\n{_HOSTILE}"),
            v4.new_code_cell(
                "import numpy as np  # numbers\nx = [f'{n:.2f}' for n in range(3)]\nreturn x", outputs=outputs
            ),
            *(v4.new_markdown_cell(f"Paragraph {number}. " + "More of it. " * 60) for number in range(cells)),
        ]
    )
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
    (shown.work / "analysis.ipynb").write_text(nbformat.writes(notebook))


@pytest.fixture
def shown(tmp_path: Path) -> Iterator[Viewing]:
    with viewing(tmp_path) as shown:
        _write(shown, "first result")
        (shown.work / "data").mkdir()
        (shown.work / "data" / "notes on a long name that goes on and on.md").write_text("# Notes")
        yield shown


def _open(page: Page, shown: Viewing) -> None:
    page.goto(shown.link.url)
    page.get_by_role("link", name="analysis.ipynb").click()
    page.get_by_text("first result").wait_for(timeout=milliseconds(_SECONDS))


def test_an_open_page_takes_over_what_changed_and_keeps_its_place(chromium: Browser, shown: Viewing) -> None:
    with new_context(chromium) as context:
        page = context.new_page()
        _open(page, shown)
        page.evaluate("scrollTo(0, 900)")
        page.evaluate("window.mark = document.querySelector('section:last-of-type')")
        place = page.evaluate("window.mark.getBoundingClientRect().top")
        _write(shown, "second result")
        page.get_by_text("second result").wait_for(timeout=milliseconds(_SECONDS))
        assert page.evaluate("window.mark === document.querySelector('section:last-of-type')")
        assert abs(page.evaluate("window.mark.getBoundingClientRect().top") - place) < 2
        expect(page.get_by_text("Changed")).to_contain_text(" s ago")
        _write(shown, "third result", cells=13)
        page.get_by_text("Paragraph 12.").wait_for(timeout=milliseconds(_SECONDS))
        page.get_by_role("link", name="my-lab").press("Enter")
        page.get_by_role("heading", name="Notebooks").wait_for()
        (shown.work / "new.md").write_text("# New")
        page.get_by_role("link", name="new.md").wait_for(timeout=milliseconds(_SECONDS))
        assert page.get_by_role("listitem").first.inner_text().startswith("new.md")
        shown.words = "The session looks for another machine. What you see was there before."
        page.get_by_text("looks for another machine").wait_for(timeout=milliseconds(_SECONDS))
        view_only_link.remove(shown.directory)
        page.get_by_text("This link opens nothing.").wait_for(timeout=milliseconds(_SECONDS))
        assert page.get_by_role("listitem").count() == 0
        context.complaints.clear()  # type: ignore[attr-defined]  # the browser tells of the 403


def test_nothing_that_is_shown_runs(chromium: Browser, shown: Viewing) -> None:
    with new_context(chromium) as context:  # which takes note of whatever is asked for elsewhere
        page = context.new_page()
        answered: list[str] = []
        page.on("response", lambda answer: "evil" in answer.url and answered.append(answer.url))
        _open(page, shown)
        assert page.title() == "analysis.ipynb (view only)"
        assert page.locator("main :is(script, iframe, link, style, form, [style], [onerror])").count() == 0
        # What might get past the cleaning is stopped by the browser.
        page.evaluate(
            """html => {
              const box = document.createElement("div");
              document.querySelector("main").append(box);
              box.innerHTML = html;
              const script = document.createElement("script");
              script.textContent = "document.title = 'ran'";
              box.append(script);
            }""",
            _HOSTILE,
        )
        page.get_by_text("seen").last.wait_for()
        assert page.title() == "analysis.ipynb (view only)"
        assert page.evaluate("getComputedStyle([...document.querySelectorAll('p[style]')].at(-1)).position") == "static"
        told = context.complaints  # type: ignore[attr-defined]
        assert told
        assert all("Content Security Policy" in one or one.startswith("asked https://evil") for one in told), told
        assert not answered
        told.clear()


def test_it_is_read_by_everybody(chromium: Browser, shown: Viewing) -> None:
    with new_context(chromium) as context:
        page = context.new_page()
        page.goto(shown.link.url)
        page.get_by_role("link", name="analysis.ipynb").wait_for()
        check_in_both_schemes(page, page.locator("body"), "view-only-list")
        _open(page, shown)
        check_in_both_schemes(page, page.locator("body"), "view-only")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="my-lab")).to_be_focused()
        view_only_link.remove(shown.directory)
        page.goto(shown.link.url)
        check_in_both_schemes(page, page.locator("body"), "view-only-revoked")
        context.complaints.clear()  # type: ignore[attr-defined]  # the browser tells of the 403
