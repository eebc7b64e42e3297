"""Notebooks as HTML for viewers: what they show, what is taken out, and what ends by its limits."""

from __future__ import annotations

import base64
import json
import re
import signal
import subprocess
import sys
import warnings
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import pytest

from golem_launcher.session.view_only import render
from tests.patience import slower

_PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(1000)).decode()
_RUNS = {"script", "style", "iframe", "object", "embed", "form", "input", "button", "link", "meta", "base", "svg",
         "math", "video", "audio"}  # fmt: skip
_ROOT = Path(__file__).resolve().parents[3]
_IN_THREE_SECONDS = """
import sys
from golem_launcher.session.view_only import render
render.CPU_SECONDS = 3
sys.exit(render.main())
"""
"""Of a processor, where the program itself gives ten times as many."""


def rendered(tmp_path: Path, kind: str, data: bytes) -> str:
    """The fragment, made in this process: a program of its own takes a second to import what it needs."""
    source, fragment = tmp_path / "source", tmp_path / "fragment"
    source.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nbformat's and nbconvert's, about notebooks of strangers
        render.write(kind, source, fragment)
    return fragment.read_text()


def notebook(*cells: Any) -> bytes:
    return str(nbformat.writes(nbformat.v4.new_notebook(cells=list(cells)))).encode()


def put_out(data: dict[str, Any], **metadata: Any) -> Any:
    return nbformat.v4.new_output("display_data", data=data, metadata=metadata)


class _Elements(HTMLParser):
    """Every element with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.mark.slow
def test_cells_and_outputs_are_shown(tmp_path: Path) -> None:
    v4 = nbformat.v4
    outputs = [
        v4.new_output("stream", name="stdout", text="so far \x1b[31mred\x1b[0m"),
        put_out({"image/png": _PNG, "text/plain": "<Figure>"}, **{"image/png": {"width": 300, "alt": "A curve"}}),
        put_out({"text/html": "<table><tr><th></th><td>42</td></tr></table>", "text/plain": "42"}),
        v4.new_output("error", ename="ValueError", evalue="no", traceback=["ValueError: <no>"]),
    ]
    cells = (
        v4.new_markdown_cell("# Heading\n\n`a < b` and [another](other.ipynb)"),
        v4.new_code_cell("print(1)  # one", outputs=outputs, execution_count=3),
    )
    shown = rendered(tmp_path, "notebook", notebook(*cells))
    for words in (
        "<h1>Heading</h1>", "a &lt; b", 'href="other.ipynb"', "[3]:", "# one", 'ansi-red-fg">red', "A curve",
        'width="300"', f"data:image/png;base64,{_PNG}", "<td>42</td>", "ValueError: &lt;no&gt;",
    ):  # fmt: skip
        assert words in shown, words
    assert "Figure" not in shown
    assert len(re.findall('<section data-part="[0-9a-f]{16}">', shown)) == 2


_HOSTILE = """<script>alert('ran')</script><img src=x onerror="alert(1)"><img src="https://evil.example/x.png">
<a href="javascript:alert(1)">press</a><a href="data:text/html,x">press</a><a href="da&#9;ta:text/html,x">press</a>
<iframe src="https://evil.example"></iframe>
<form action="https://evil.example"><input name="password"></form><meta http-equiv="refresh" content="0;https://evil.example">
<link rel="preconnect" href="https://evil.example"><base href="https://evil.example"><p style="background:url(https://evil.example)">
<style>@import url(https://evil.example)</style><svg onload="alert(1)"><script>alert('ran')</script></svg><video src="https://evil.example">
<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">"""


@pytest.mark.parametrize("kind", ["text/html", "text/markdown", "text/latex", "text/plain", "image/svg+xml"])
def test_whatever_runs_or_loads_is_taken_out(tmp_path: Path, kind: str) -> None:
    v4 = nbformat.v4
    cells = [
        v4.new_markdown_cell(_HOSTILE),
        v4.new_raw_cell(_HOSTILE),
        v4.new_code_cell(_HOSTILE, outputs=[put_out({kind: _HOSTILE}), put_out({"image/png": _HOSTILE})]),
    ]
    shown = rendered(tmp_path, "notebook", notebook(*cells))
    for tag, attributes in _Elements(shown).found:
        assert tag not in _RUNS
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        address = re.sub(r"[\0-\x20]", "", attributes.get("href") or "").lower()
        assert not address.startswith(("javascript:", "data:"))
        assert (attributes.get("src") or "data:image/").startswith("data:image/")


def test_what_is_interactive_is_shown_as_a_picture_or_said(tmp_path: Path) -> None:
    outputs = [
        put_out({"application/vnd.plotly.v1+json": {}, "text/html": "<script>plot()</script>", "image/png": _PNG}),
        put_out({"application/vnd.jupyter.widget-view+json": {"model_id": "x"}, "text/plain": "IntSlider(value=0)"}),
        put_out({"application/javascript": "alert(1)"}),
    ]
    shown = rendered(tmp_path, "notebook", notebook(nbformat.v4.new_code_cell("show()", outputs=outputs)))
    assert shown.count("Interactive in the Lab.") == 2
    assert shown.count("of which nothing can be shown") == 1
    assert "plot()" not in shown
    assert _PNG in shown
    assert "IntSlider(value=0)" in shown


def test_texts_and_pictures_are_shown(tmp_path: Path) -> None:
    assert "<h1>Notes</h1>" in rendered(tmp_path, "text", b"# Notes\n\n<script>alert(1)</script>\xff")
    svg = rendered(tmp_path, "image/svg+xml", b"<svg onload='alert(1)'/>")
    assert [tag for tag, _ in _Elements(svg).found] == ["section", "img"]


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"null", b'{"cells": 7}', b'{"nbformat": 4, "cells": [[]]}', b"[" * 100_000, b"\xff\xfe"]
)
def test_what_is_no_notebook_is_said(tmp_path: Path, data: bytes) -> None:
    shown = rendered(tmp_path, "notebook", data)
    assert "no notebook that can be read" in shown


@pytest.mark.slow
def test_what_is_much_too_much_is_shortened(tmp_path: Path) -> None:
    v4 = nbformat.v4
    outputs = [v4.new_output("stream", name="stdout", text="x" * 300_000), put_out({"text/html": "<p>x</p>" * 100_000})]
    cells = [v4.new_code_cell("y" * 300_000, outputs=outputs), *(v4.new_markdown_cell("z") for _ in range(2100))]
    shown = rendered(tmp_path, "notebook", notebook(*cells))
    assert "characters more, which are not shown here" in shown
    assert len(shown) < 1_000_000
    assert "This output is too large to be shown." in shown
    assert "101 more cells are not shown." in shown


@pytest.mark.slow
def test_a_bomb_ends_by_its_limits(tmp_path: Path) -> None:
    output = {"output_type": "display_data", "metadata": {}, "data": {"text/html": "<b>" * 160_000}}
    cell = {"cell_type": "code", "source": "", "metadata": {}, "execution_count": 1, "outputs": [output]}
    bomb = json.dumps({"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": [cell] * 25})
    (tmp_path / "bomb").write_text(bomb)
    done = subprocess.run(
        [sys.executable, "-c", _IN_THREE_SECONDS, "notebook", "bomb", "fragment"],
        cwd=tmp_path, env={"HOME": str(tmp_path), "PYTHONPATH": str(_ROOT)}, timeout=300 * slower(), check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL
