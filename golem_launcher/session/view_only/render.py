"""``python -m golem_launcher.session.view_only.render KIND FILE FRAGMENT``: makes HTML of one file that viewers see.

A process for one file, with limits of time and memory, because the file is a stranger's: a bomb of JSON or of nested
lists ends here, and its viewers are told that it can't be shown. What it writes is a list of ``section`` elements, each
with a mark of what is in it, so that a page that is open takes over only those that changed.

nbconvert makes the HTML, and what it makes is cleaned: an element or attribute that is not on the list here goes, and
with it scripts, styles, frames, forms, and whatever would be loaded from elsewhere. (The pages' own policy, which
browsers enforce, lets none of it work either.)
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import html
import os
import re
import resource
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CPU_SECONDS = 30
MEMORY_BYTES = 1024 * 1024 * 1024
LARGEST_FRAGMENT = 32 * 1024 * 1024
_NICE = 10
_LONGEST_HTML = 512 * 1024
"""Characters of an output that is HTML: cleaning takes a second or so for each of these."""
_LONGEST_TEXT = 64 * 1024
"""Likewise of one that is text, and of a cell's source."""
_MOST_CELLS = 2000
_MOST_OUTPUTS = 200
_PICTURES = ("image/svg+xml", "image/png", "image/jpeg", "image/gif", "image/webp")
_TEXTS = ("text/markdown", "text/latex", "text/plain")
_LARGEST_PICTURE = 8 * 1024 * 1024
_RUNS = re.compile(r"<(script|style)\b.*?(?:</\1\s*>|\Z)", re.DOTALL | re.IGNORECASE)
_IS_INTERACTIVE = re.compile(r"<(script|iframe|object|embed|canvas|video|audio)\b", re.IGNORECASE)
_STATIC = "Interactive in the Lab. What is shown here can't be used."
_NOTHING = "An interactive output, of which nothing can be shown here."
_TAGS = frozenset(
    {
        "a", "abbr", "b", "blockquote", "br", "caption", "cite", "code", "col", "colgroup", "dd", "del", "details",
        "div", "dl", "dt", "em", "figcaption", "figure", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "ins",
        "kbd", "li", "mark", "ol", "p", "pre", "q", "s", "samp", "small", "span", "strong", "sub", "summary", "sup",
        "table", "tbody", "td", "tfoot", "th", "thead", "tr", "tt", "u", "ul", "var",
    }
)  # fmt: skip
_ATTRIBUTES = frozenset({"class", "title", "dir", "lang", "colspan", "rowspan", "scope", "start", "open", "align"})
_OF_PICTURES = frozenset({"alt", "width", "height"})
_UNSEEN = re.compile(r"[\0-\x20\x7f-\xa0]")
"""Browsers read an address without these."""
_WIDE, _HINT = '<div class="wide">', '<p class="hint">'
_MEANT = {
    f"{_WIDE}{_HINT}": f"<div>{_HINT}",
    _WIDE: '<div class="wide" tabindex="0" role="group" aria-label="Output">',
    "<th></th>": "<td></td>",
}
"""For whoever uses keys or a screen reader: what is wider than a page is scrolled by keys; no heading is empty."""


def main() -> int:
    """Write the fragment of the file that the arguments name, or say by the exit status that there can be none."""
    kind, source, fragment = sys.argv[1:]
    _limit()
    write(kind, Path(source), Path(fragment))
    return 0


def write(kind: str, source: Path, fragment: Path) -> None:
    """Write the fragment of a file; :func:`main` calls it within its limits.

    ``kind`` is ``notebook``, ``text`` or a picture's type. Raises ``OSError``, and ``RecursionError`` and
    ``MemoryError`` for bombs.
    """
    parts = _picture(kind, source.read_bytes()) if "/" in kind else _text(kind, source.read_bytes())
    with fragment.open("w", encoding="utf-8", errors="replace") as file:
        for part in parts:
            mark = hashlib.sha256(part.encode(errors="replace")).hexdigest()[:16]
            file.write(f'<section data-part="{mark}">{part}</section>\n')


def _limit() -> None:
    os.nice(_NICE)
    limits = {
        resource.RLIMIT_CPU: CPU_SECONDS,
        resource.RLIMIT_AS: MEMORY_BYTES,
        resource.RLIMIT_FSIZE: LARGEST_FRAGMENT,
        resource.RLIMIT_CORE: 0,
    }
    for which, most in limits.items():
        resource.setrlimit(which, (most, most))


def _picture(kind: str, data: bytes) -> Iterator[str]:
    yield f'<img alt="The picture itself" src="data:{kind};base64,{base64.b64encode(data).decode()}">'


def _text(kind: str, data: bytes) -> Iterable[str]:
    text = data.decode("utf-8", "replace")
    return _Notebook().parts(text) if kind == "notebook" else _Notebook().of_text(text)


class _Notebook:
    """Makes one notebook's parts."""

    def __init__(self) -> None:
        import bleach  # noqa: PLC0415 - a picture needs none of them
        from nbconvert.exporters import HTMLExporter  # noqa: PLC0415 - likewise

        self._secret = secrets.token_hex(8)
        """Stands where a cell begins, and before the number of a picture: no notebook can guess it."""
        self._pictures: list[str] = []
        """What is put in once all else is clean."""
        self._exporter = HTMLExporter(exclude_anchor_links=True, template_name="basic")
        self._exporter.raw_template = (
            "{%- extends 'basic/index.html.j2' -%}"
            f"{{% block any_cell %}}{self._secret}begins{{{{ super() }}}}{{% endblock any_cell %}}"
            f"{{% block data_html %}}{_WIDE}{{{{ output.data['text/html'] | join }}}}</div>{{% endblock data_html %}}"
        )
        self._cleaner = bleach.sanitizer.Cleaner(
            tags=_TAGS, attributes=self._allows, protocols={"http", "https", "mailto", "data"}, strip=True
        )

    def parts(self, text: str) -> Iterator[str]:
        """The HTML of each cell."""
        import nbformat  # noqa: PLC0415 - as above

        try:
            notebook = nbformat.reads(text, as_version=4)
            cells = [self._cell(cell) for cell in notebook.cells[:_MOST_CELLS]]
        except (nbformat.ValidationError, ValueError, TypeError, AttributeError, KeyError, RecursionError):
            yield "<p>This is no notebook that can be read. It may be being written just now.</p>"
            return
        more = len(notebook.cells) - _MOST_CELLS
        language = notebook.metadata.get("language_info", {}) if isinstance(notebook.metadata, dict) else {}
        yield from self._made(nbformat.v4.new_notebook(cells=cells), language)
        if more > 0:
            yield f"<p>{more:,} more cells are not shown.</p>"

    def of_text(self, text: str) -> Iterator[str]:
        """The HTML of a text in Markdown."""
        import nbformat  # noqa: PLC0415 - as above

        cell = nbformat.v4.new_markdown_cell(_shortened(text, _LONGEST_HTML))
        yield from self._made(nbformat.v4.new_notebook(cells=[cell]), {})

    def _made(self, notebook: Any, language: Any) -> Iterator[str]:
        name = language.get("name") if isinstance(language, dict) else None
        lexer = name if isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9+#.-]{1,40}", name) else "python"
        notebook.metadata["language_info"] = {"name": lexer, "pygments_lexer": lexer}
        body, _ = self._exporter.from_notebook_node(notebook)
        for cell in body.split(f"{self._secret}begins")[1:]:
            yield self._cleaned(cell)

    def _cleaned(self, cell: str) -> str:
        clean = self._cleaner.clean(cell)
        for made, meant in _MEANT.items():
            clean = clean.replace(made, meant)
        place = rf"data:image/,{self._secret}:([0-9]+)"
        return re.sub(place, lambda found: self._pictures[int(found[1])], clean).strip()

    def _allows(self, tag: str, name: str, value: str) -> bool:
        if name in _ATTRIBUTES:
            return True
        if tag == "a":
            return name == "href" and not _UNSEEN.sub("", html.unescape(value)).lower().startswith("data:")
        if tag == "img":
            return name in _OF_PICTURES or (name == "src" and value.startswith("data:image/"))
        return False

    def _cell(self, cell: Any) -> Any:
        """A cell with no more than is shown of it."""
        from nbformat import v4  # noqa: PLC0415 - as above

        source = _shortened(_joined(cell.get("source", "")), _LONGEST_TEXT)
        if cell.cell_type == "markdown":
            made = v4.new_markdown_cell(_RUNS.sub("", source))
            made["attachments"] = _attached(cell.get("attachments"))
            return made
        if cell.cell_type != "code":
            return v4.new_raw_cell(source)
        outputs = cell.get("outputs", [])[:_MOST_OUTPUTS]
        count = cell.get("execution_count")
        return v4.new_code_cell(
            source,
            execution_count=count if isinstance(count, int) else None,
            outputs=[made for output in outputs for made in self._outputs(output)],
        )

    def _outputs(self, output: Any) -> Iterator[Any]:
        """What is shown of an output."""
        from nbformat import v4  # noqa: PLC0415 - as above

        if output.output_type == "stream":
            name = "stderr" if output.get("name") == "stderr" else "stdout"
            yield v4.new_output("stream", name=name, text=_shortened(_joined(output.get("text", "")), _LONGEST_TEXT))
        elif output.output_type == "error":
            lines = output.get("traceback") or [f"{output.get('ename')}: {output.get('evalue')}"]
            traceback = _shortened("\n".join(map(str, lines)), _LONGEST_TEXT).split("\n")
            yield v4.new_output("error", ename="", evalue="", traceback=traceback)
        else:
            data = {str(kind): value for kind, value in dict(output.get("data", {})).items()}
            yield from (v4.new_output("display_data", data=shown) for shown in self._shown(data, output))

    def _shown(self, data: dict[str, Any], output: Any) -> Iterator[dict[str, Any]]:
        """The one of an output's representations that is shown, and a line where that is not all."""
        as_html = _joined(data.get("text/html", ""))
        runs = any(kind.startswith("application/") for kind in data) or bool(_IS_INTERACTIVE.search(as_html))
        shown: dict[str, Any] | None = None
        if as_html and not runs and len(as_html) <= _LONGEST_HTML:
            shown = {"text/html": _RUNS.sub("", as_html)}
        for kind in _PICTURES if shown is None else ():
            if kind in data and (picture := self._put_aside(kind, _joined(data[kind]), output)):
                shown = {"text/html": picture}
                break
        for kind in _TEXTS if shown is None else ():
            if text := _joined(data.get(kind, "")):
                shown = {kind: _shortened(_RUNS.sub("", text), _LONGEST_TEXT)}
                break
        if shown is not None:
            yield shown
        if runs:
            yield {"text/html": f"{_HINT}{_STATIC if shown is not None else _NOTHING}</p>"}
        elif shown is None:
            yield {"text/html": f"{_HINT}This output is too large to be shown.</p>"}

    def _put_aside(self, kind: str, encoded: str, output: Any) -> str:
        """The element of a picture, whose data are put in once all is clean; empty where it is none."""
        if kind == "image/svg+xml":
            data = encoded.encode()
        else:
            try:
                data = base64.b64decode(encoded)
            except (ValueError, binascii.Error):
                return ""
        if not data or len(data) > _LARGEST_PICTURE:
            return ""
        self._pictures.append(f"data:{kind};base64,{base64.b64encode(data).decode()}")
        place = f"data:image/,{self._secret}:{len(self._pictures) - 1}"
        about = output.get("metadata", {}).get(kind)
        size = "".join(
            f' {name}="{about[name]}"'
            for name in ("width", "height")
            if isinstance(about, dict) and isinstance(about.get(name), int)
        )
        alt = about.get("alt") if isinstance(about, dict) else None
        words = alt if isinstance(alt, str) else "A picture that the cell above put out"
        return f'<img alt="{html.escape(words[:500])}" src="{place}"{size}>'


def _attached(attachments: Any) -> dict[str, Any]:
    """The pictures of a text cell."""
    found = {}
    for name, bundle in attachments.items() if isinstance(attachments, dict) else ():
        if isinstance(bundle, dict):
            kept = {kind: value for kind, value in bundle.items() if kind in _PICTURES and isinstance(value, str)}
            found[str(name)] = kept
    return found


def _joined(text: Any) -> str:
    """A text that may be a list of lines."""
    if isinstance(text, list):
        return "".join(part for part in text if isinstance(part, str))
    return text if isinstance(text, str) else ""


def _shortened(text: str, longest: int) -> str:
    more = len(text) - longest
    return text if more <= 0 else f"{text[:longest]}\n… and {more:,} characters more, which are not shown here"


if __name__ == "__main__":
    sys.exit(main())
