"""The pages that viewers see: a list of files, one file, and what is said where there is neither.

They run one script, ours, which looks every few seconds whether there is something new, and takes over what changed.
It and the style are known to the browser by their hashes, so nothing else that gets into a page runs or restyles it;
nothing is loaded from anywhere, and the page stands in a sandbox.
"""

from __future__ import annotations

import base64
import hashlib
import html
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

from golem_launcher.own_modules import text_beside
from golem_launcher.units import counted, data_size

if TYPE_CHECKING:
    from golem_launcher.session.view_only.shown_files import ShownFile, ShownListing

_PAGE = """\
<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width,initial-scale=1"><style>{style}</style></head>
<body data-version="{version}"><header><p>{session}</p><p id="away" role="status"></p></header>
<main><h1 dir="auto">{heading}</h1>{before}<{parts} id="parts">"""
_END = """</{parts}></main><script type="module">{script}</script></body></html>
"""
_POLICY = (
    "sandbox allow-scripts allow-same-origin allow-popups allow-popups-to-escape-sandbox; default-src 'none'; "
    "script-src '{script}'; style-src '{style}'; img-src data:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
"""In a sandbox it opens no dialog, sends no form, and takes its tab nowhere but where its reader presses."""
NO_LINK = "This link opens nothing. Its owner has revoked it, or a part of it is missing."
_VIEW_ONLY = '<span class="badge">view only</span>'

Page = tuple[bytes, bytes]
"""What comes before the parts of a file, and after them."""


def headers() -> dict[str, str]:
    """Those of each page."""
    style, script = text_beside(__file__, ".css"), text_beside(__file__, ".js")
    return {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": _POLICY.format(script=_hash(script), style=_hash(style)),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "X-DNS-Prefetch-Control": "off",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cache-Control": "no-store",
    }


def list_page(session: str, listing: ShownListing, words: str, version: str) -> bytes:
    """The page that lists the files; ``words`` are about the session at this moment."""
    now = time.time()
    rows = "".join(_row(file, now) for file in listing.files.values())
    before = _said(words) + ("" if rows or words else _said("There is no notebook in this session yet."))
    if listing.more:
        before += _said(f"The newest {counted(len(listing.files), 'file')} are shown; there are more.")
    start, end = _page(session, "Notebooks", html.escape(session), before, version, parts="ul")
    return start + rows.encode(errors="replace") + end


def file_page(session: str, file: ShownFile, words: str, version: str, up: str) -> Page:
    """The page of one file, around its parts; ``up`` leads to the list."""
    link = f'<a href="{html.escape(up)}">{html.escape(session)}</a>'
    before = f'<p class="hint">Changed {_ago(file, time.time())}</p>{_said(words)}'
    return _page(link_text(file.path), link_text(file.path), link, before, version)


def notice_page(title: str, words: str) -> bytes:
    """A page that says something in a sentence or two: there is nothing to see now, or no more."""
    return b"".join(_page(title, title, "Golem Launcher", _said(words), ""))


def link_text(path: str) -> str:
    """A path as a viewer reads it."""
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in path)


def _page(title: str, heading: str, session: str, before: str, version: str, *, parts: str = "div") -> Page:
    """``session`` and ``before`` are HTML; ``parts`` is the element that what can change stands in."""
    head = _PAGE.format(
        title=html.escape(f"{title} (view only)"),
        style=text_beside(__file__, ".css"),
        version=version,
        session=f"{session} {_VIEW_ONLY}",
        heading=html.escape(heading),
        before=before,
        parts=parts,
    )
    return head.encode(errors="replace"), _END.format(script=text_beside(__file__, ".js"), parts=parts).encode()


def _row(file: ShownFile, now: float) -> str:
    place = html.escape(f"files/{quote(file.path)}")
    mark = hashlib.sha256(f"{file.path} {file.stamp}".encode()).hexdigest()[:16]
    return (
        f'<li data-part="{mark}"><a dir="auto" href="{place}">{html.escape(link_text(file.path))}</a> '
        f'<span class="hint">changed {_ago(file, now)}, {data_size(file.size)}</span></li>'
    )


def _ago(file: ShownFile, now: float) -> str:
    """How long ago it changed, in seconds, which the script counts on and puts into words."""
    seconds = max(round(now - file.changed_at), 0)
    return f'<span data-ago="{seconds}">{counted(seconds, "second")} ago</span>'


def _said(words: str) -> str:
    return f'<p class="said">{html.escape(words)}</p>' if words else ""


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
