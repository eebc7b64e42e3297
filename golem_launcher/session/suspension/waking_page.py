"""The page at a suspended session's address, which wakes it up: made of one script, one style and a few settings."""

from __future__ import annotations

import html
import json
import secrets

from golem_launcher.own_modules import text_beside

_PAGE = """\
<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{name} is suspended</title>
<meta name="viewport" content="width=device-width,initial-scale=1"><style nonce="{nonce}">{style}</style></head>
<body><main><h1 id="title">{name} is suspended</h1><p id="told" hidden></p><p id="problem" role="alert" hidden></p>
<div id="buttons"></div><p id="costs" hidden></p><p><span id="doing" role="status" hidden></span>
<span id="clock" hidden></span></p>
<progress id="bar" aria-label="How far it is" hidden></progress></main>
<noscript><p>Wake it up: golem-launcher wake {name}</p></noscript>
<script type="application/json" id="about">{about}</script><script type="module" nonce="{nonce}">{script}</script>
</body></html>
"""
_POLICY = (
    "sandbox allow-scripts; default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
    "connect-src {origin}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""In a sandbox it has an origin that is nobody else's: what runs at the same address can't read it or press in it."""

Answer = tuple[dict[str, str], bytes]
"""Headers and body."""


def waking_page(name: str, service_path: str, origin: str) -> Answer:
    """The page of the session ``name`` at this ``origin``; it is told and heard at the ``service_path``."""
    nonce = secrets.token_urlsafe(16)
    about = json.dumps({"name": name, "servicePath": service_path}).replace("<", "\\u003c")
    style, script = text_beside(__file__, ".css"), text_beside(__file__, ".js")
    page = _PAGE.format(name=html.escape(name), nonce=nonce, about=about, style=style, script=script)
    return {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": _POLICY.format(nonce=nonce, origin=origin),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }, page.encode()


def told_to_it(value: object) -> Answer:
    """An answer to the script of a waking page, as JSON. The origin of such a page is ``null``."""
    return {"Content-Type": "application/json", "Access-Control-Allow-Origin": "null"}, json.dumps(value).encode()
