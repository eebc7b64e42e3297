"""What the link lets through and what it strips: it trusts neither the browser's side nor the provider's.

Pure functions on headers as h11 gives them: lower-case names, bytes.
"""

from __future__ import annotations

import hashlib
import html
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

Headers = list[tuple[bytes, bytes]]

OUR_PLACE = "golem-launcher/"
"""Below a Lab's base: what is asked for there is answered on this side, or nowhere."""
FAREWELL = f"{OUR_PLACE}farewell"
"""How the session ended, where it has."""

LAB_HOST = b"127.0.0.1:8888"
"""The name by which JupyterLab is asked: it answers to a loopback address alone."""

_HOP = {b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authorization", b"te",
        b"trailer", b"upgrade"}  # fmt: skip
_REPLACED = {b"host", b"origin", b"cookie", b"referer", b"forwarded", b"x-real-ip", b"via"}
_TOLD = re.compile(
    rb"(accept|content|if|sec-fetch|sec-websocket)-[a-z-]+|accept|authorization|cache-control|expect|pragma|range|"
    rb"transfer-encoding|user-agent|x-requested-with|x-xsrftoken"
)
"""Of a request behind a hub: what a Lab needs. Proxies in front of a hub tell it by headers of their own who the user
is, with tokens that are good elsewhere, and there are more such proxies every year."""
_PASSED = {
    b"accept-ranges", b"allow", b"content-disposition", b"content-encoding", b"content-language",
    b"content-length", b"content-range", b"content-type", b"date", b"etag", b"last-modified",
    b"retry-after", b"sec-websocket-accept", b"sec-websocket-extensions", b"sec-websocket-protocol",
    b"sec-websocket-version", b"transfer-encoding", b"vary",
}  # fmt: skip
"""Of an answer: what says what it is. Everything else may reach beyond it, and browsers learn new ones every year: a
stranger may not give others our permission, load things, or tell others of what is done here."""
_NOT_KEPT = (b"cache-control", b"no-store")
"""Of whatever a provider answers: a browser that keeps it takes it for the answer of the next provider at this
address. Nor may it ask whether that has the same, as who made it up has chosen its ``ETag`` as well."""
_REPORTING = (b"report-uri", b"report-to")
_READ_BY_SCRIPTS = re.compile(rb"(?i)[a-z_-]{0,24}(xsrf|csrf)[a-z_-]{0,24}")
"""Cookies that a page compares with what it sends: their names stay."""
_LABS_OWN = re.compile(rb"_xsrf")
"""The one of them that a Lab's page reads: behind a hub others are other applications' of that origin."""
_COOKIE_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}")
_COOKIE_PARTS = (b"expires", b"max-age", b"path", b"httponly")
_OF_THIS_SITE = b"SameSite=Lax"
"""Of each cookie, whatever the server says: pages of other sites have none sent, but by a link to a whole page."""
_LOOPBACK = re.compile(r"(localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]{1,5})?")
_SCHEME = re.compile(r"(?i)[a-z][a-z0-9+.-]*:")
_REDIRECTS = {300, 301, 302, 303, 307, 308}
"""Those that browsers follow; Firefox the first as well."""
_SANDBOXED = re.compile(rb"/(files|nbconvert|view|static/exports)/")
_NO_SCRIPT = (
    b"sandbox allow-same-origin allow-forms allow-popups allow-popups-to-escape-sandbox allow-downloads; "
    b"script-src 'none'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
"""In a sandbox without scripts a page can't send the browser elsewhere by itself either (``meta refresh``)."""
_SANDBOX = b"sandbox allow-scripts allow-popups allow-downloads allow-forms; frame-ancestors 'self'"
_POLICY = (
    "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob: data: https:; "
    "connect-src 'self' {sockets} blob: data: https: wss:; frame-src 'self' {frames} blob: data: https:; "
    "object-src 'self' blob: data:; base-uri 'self'; form-action 'self' https:; frame-ancestors {parents}"
)
_OUR_PAGE = b"object-src 'none'; base-uri 'self'; frame-ancestors 'self'"


def is_of_this_computer(host: str) -> bool:
    """Whether a ``Host``, in small letters, is one that nobody can have point elsewhere."""
    return _LOOPBACK.fullmatch(host) is not None


@dataclass(frozen=True)
class OriginPolicy:
    """What one listener lets through between browsers and the server, and how it is changed on the way."""

    origins: frozenset[str]
    """The origins by which it is known, ``http://host:port``; anybody else's name for it is refused."""
    secret: str = field(repr=False)
    """Of this session alone: makes the names of its cookies its own."""
    base_url: str = "/"
    extensions: bool = False
    """Whether scripts of the provider's may run, as front-end extensions do: see :meth:`content_security_policy`."""
    remote_host: bytes = LAB_HOST
    """The name by which the server over there is asked."""
    framed_by: frozenset[str] = frozenset()
    """Other origins of the session, whose pages may show this one's in a frame."""
    names_itself: bool = False
    """Whether the server over there is told by what name the browser knows it: some make addresses of it."""
    only: str = ""
    """The path below which alone it answers; empty: everywhere."""
    token: str = field(default="", repr=False)
    """What is shown to the server over there for the user, whom this side has let in."""
    entry: str = ""
    """A path that nobody can guess, below which alone it answers; it is not passed on. Programs that can't show a
    token are told it; browsers are refused."""
    browsers_only: bool = False
    """Whether it asks for no token, and so answers only to browsers that say which page sends them: an old one (Safari
    before 16.4) says nothing, whoever that is."""
    behind_hub: bool = False
    """Whether a hub's server asks in the browser's name: it has its own names, and has let the user in."""

    def refusal(self, method: bytes, target: bytes, headers: Headers) -> str:
        """Why a request is refused, as a sentence for its sender; empty if it is allowed."""
        asked = [value.decode("latin-1").lower() for name, value in headers if name == b"host"]
        known = self._known(headers)
        if len(asked) != 1 or not (self.behind_hub or asked[0] in {urlsplit(origin).netloc for origin in known}):
            return "This address answers only to its own name."
        if method == b"CONNECT" or not target.startswith(b"/") or target.startswith(b"//"):
            return "This is no proxy for other places."
        if not target.startswith(self.entry.encode()):
            return "This is only a part of the address: golem-launcher gateway prints all of it."
        if not target.startswith(self.only.encode()):
            return "This address shows one server of the session."
        origins = [value.decode("latin-1").lower() for name, value in headers if name == b"origin"]
        if any(origin not in known for origin in origins):
            return "A page of another origin may not ask for this."
        return self._refused_by_site(method, headers)

    def _refused_by_site(self, method: bytes, headers: Headers) -> str:
        """Why a browser's request is refused, by where it says that it comes from; programs say nothing."""
        site = _one(headers, b"sec-fetch-site")
        if self.entry and site is not None:
            return "This address is for programs other than browsers."
        if self.browsers_only and site is None and not self._sent_by_own_page(headers):
            return "This address is for browsers that say which page sends them. Use golem-launcher tunnel."
        if _one(headers, b"service-worker") is not None:
            # It would stay in the browser when the provider is another, or the session, and meet that at this address.
            return "A session has no service workers."
        if site not in (None, b"same-origin", b"none"):
            mode, place = _one(headers, b"sec-fetch-mode"), _one(headers, b"sec-fetch-dest")
            shown = {b"document"} if site != b"same-site" or not self.framed_by else {b"document", b"iframe"}
            if mode != b"navigate" or place not in shown or method != b"GET":
                return "A page of another origin may not use this."
        return ""

    def _known(self, headers: Headers) -> frozenset[str]:
        """The origins by which this is known."""
        if not self.behind_hub:
            # Forwarded by ssh it has another port, or stands at localhost: names that nobody can point elsewhere.
            own = {value.decode("latin-1").lower() for name, value in headers if name == b"host"}
            return self.origins | {f"http://{name}" for name in own if is_of_this_computer(name)}
        names = (value.decode("latin-1").lower() for name, value in headers if name in {b"host", b"x-forwarded-host"})
        return frozenset(f"{scheme}://{name}" for name in names for scheme in ("http", "https"))

    def request(self, headers: Headers) -> Headers:
        """The headers of a request as they are passed on to the server."""
        kept = [(b"host", self.remote_host)]
        if self.token:
            kept.append((b"authorization", b"token " + self.token.encode()))
        upgrade = _one(headers, b"upgrade")
        if upgrade is not None:
            kept += [(b"connection", b"Upgrade"), (b"upgrade", upgrade)]
        elif self.names_itself:  # at an upgrade servers compare it with the origin, which is told by the other name
            kept += self._own_name(headers)
        chunked = _one(headers, b"transfer-encoding") is not None
        for name, value in headers:
            if name == b"content-length" and chunked:
                continue  # a server that went by the length would take the rest for another request (RFC 9112, 6.3)
            if name == b"origin":
                kept.append((name, b"http://" + self.remote_host))
            elif name == b"referer":
                page = self._own_page(value, headers)
                kept += [(name, b"http://" + self.remote_host + page)] if page is not None else []
            elif self._is_told(name, value):
                kept.append((name, value))
        cookies = self._own_cookies(value for name, value in headers if name == b"cookie")
        return [*kept, (b"cookie", cookies)] if cookies else kept

    def _is_told(self, name: bytes, value: bytes) -> bool:
        """Whether the server is told this header of a request as it came."""
        if name == b"authorization" and self.token:
            return False
        if self.behind_hub:  # what lets into the hub is none of the provider's business
            own = name != b"authorization" or self.secret.encode() in value.split()
            return own and _TOLD.fullmatch(name) is not None
        return name not in _HOP and name not in _REPLACED and not name.startswith(b"x-forwarded-")

    def _own_name(self, headers: Headers) -> Headers:
        """What a proxy tells of the name that was asked for, where that is this one's own and no forwarded one's."""
        host = _one(headers, b"host") or b""
        known = f"http://{host.decode('latin-1')}" in self.origins
        return [(b"x-forwarded-host", host), (b"x-forwarded-proto", b"http")] if known else []

    def _own_page(self, referer: bytes, headers: Headers) -> bytes | None:
        """The path of the page that asks, without its query; ``None`` for a page of another origin.

        Jupyter's server gives files to nobody who can't show one of its own pages.
        """
        page = referer.partition(b"?")[0]
        own = (origin.encode() for origin in self._known(headers))
        return next((page[len(origin) :] for origin in own if page.startswith(origin + b"/")), None)

    def _sent_by_own_page(self, headers: Headers) -> bool:
        """Whether a request names a page of this origin: an ``Origin`` of another was refused before."""
        referer = next((value for name, value in headers if name == b"referer"), b"")
        return self._own_page(referer, headers) is not None or any(name == b"origin" for name, _ in headers)

    def target(self, target: bytes) -> bytes:
        """The request's target as it is passed on to the server, without a hub's own token in its query."""
        target = target[len(self.entry.rstrip("/")) :]
        path, mark, query = target.partition(b"?")
        if not self.behind_hub or not mark:
            return target
        own = b"token=" + self.secret.encode()
        kept = [part for part in query.split(b"&") if not part.lower().startswith(b"token=") or part == own]
        return path + (mark + b"&".join(kept) if kept else b"")

    def response(self, path: bytes, headers: Headers, *, upgrade: bool = False) -> Headers:
        """The headers of an answer as they are passed back to the browser."""
        kept: Headers = []
        for name, value in headers:
            if name == b"set-cookie":
                cookie = self._renamed(value)
                if cookie:
                    kept.append((name, cookie))
            elif name == b"location":
                kept.append((name, self._here(value)))
            elif name == b"content-security-policy":  # beside ours it can but forbid more
                kept.append((name, _unreported(value)))
            elif name in _PASSED:
                kept.append((name, value))
        if upgrade:
            wanted = _one(headers, b"upgrade") or b"websocket"
            return [*kept, (b"connection", b"Upgrade"), (b"upgrade", wanted)]
        kept.append(_NOT_KEPT)
        inner = self.inner(path.decode("latin-1")).encode("latin-1")
        stopped = _SANDBOX if _SANDBOXED.match(inner) else _NO_SCRIPT
        kept.append((b"content-security-policy", self.content_security_policy() if self.extensions else stopped))
        return [*kept, *OUR_HEADERS]

    def inner(self, path: str) -> str:
        """The part of ``path`` below :meth:`root`, with a slash at its head."""
        return path[len(self.root) - 1 :]

    @property
    def root(self) -> str:
        """The path on this side below which the server over there answers."""
        return self.entry.rstrip("/") + self.base_url

    def content_security_policy(self) -> bytes:
        """What scripts of the session may do in the browser: as in any JupyterLab, within the session and the web.

        They send nothing to other programs of this computer or of the network around it, which speak plain HTTP and
        often ask for no password: from a page at a loopback address a browser would let them.
        """
        hosts = sorted(urlsplit(origin).netloc for origin in self.origins)
        names = sorted({str(urlsplit(origin).hostname) for origin in self.origins})
        return _POLICY.format(
            sockets=" ".join(f"ws://{host}" for host in hosts),
            frames=" ".join(f"http://{name}:*" for name in names),
            parents=" ".join(["'self'", *sorted(self.framed_by)]),
        ).encode()

    def leaves(self, status: int, headers: Headers) -> str | None:
        """Where a redirect leads if it leaves this origin; else ``None``."""
        if status not in _REDIRECTS:
            return None
        for name, value in headers:
            if name == b"location":
                place = value.decode("latin-1").strip()
                if not self._is_here(place):
                    return place
        return None

    def _is_here(self, place: str) -> bool:
        if any(sign <= " " or sign in "\\\x7f" for sign in place):
            return False  # browsers mend such addresses in ways of their own
        if _SCHEME.match(place):
            try:
                parts = urlsplit(place)
            except ValueError:
                return False
            origin = f"{parts.scheme}://{parts.netloc}".lower()
            if origin == f"http://{self.remote_host.decode()}":
                return not parts.path.startswith("//")  # what is left of it is a place of its own then
            return origin in self.origins
        return not place.startswith("//")

    def _here(self, value: bytes) -> bytes:
        """A redirect without the name by which the server was asked."""
        own = b"http://" + self.remote_host
        place = value[len(own) :] or b"/" if value.lower().startswith(own) else value
        return self.entry.rstrip("/").encode() + place if place.startswith(b"/") else place

    def _prefix(self) -> bytes:
        return _prefix(self.secret).encode()

    def _keeps_name(self, cookie: bytes) -> bool:
        """Whether the browser has a cookie of the server's by the name that the server gave it."""
        return (_LABS_OWN if self.behind_hub else _READ_BY_SCRIPTS).fullmatch(cookie) is not None

    def _own_cookies(self, values: Iterable[bytes]) -> bytes:
        """The cookies that the server has set itself, by the names it gave them; no others."""
        prefix, found = self._prefix(), {}
        for part in b";".join(values).split(b";"):
            name, equals, value = part.strip().partition(b"=")
            if name.startswith(prefix):
                name = name[len(prefix) :]
            elif not self._keeps_name(name):
                continue
            if equals and name not in found:  # browsers send the one of the narrower path first
                found[name] = value
        return b"; ".join(name + b"=" + value for name, value in found.items())

    def _renamed(self, cookie: bytes) -> bytes:
        first, *parts = cookie.split(b";")
        name, equals, value = first.strip().partition(b"=")
        if not equals or not _COOKIE_NAME.fullmatch(name):
            return b""
        if not self._keeps_name(name):
            name = self._prefix() + name
        kept = [part.strip() for part in parts if part.strip().partition(b"=")[0].lower() in _COOKIE_PARTS]
        base = self.base_url.encode()
        paths = [part for part in kept if part.lower().startswith(b"path=")]
        if base != b"/" and not (paths and paths[-1][5:].startswith(base)):
            kept = [part for part in kept if part not in paths] + [b"Path=" + base]
        return b"; ".join([name + b"=" + value, *kept, _OF_THIS_SITE])


def login_cookies(secret: str) -> str:
    """What the names of cookies begin with that a Lab gives to a browser that has shown the token ``secret``."""
    return f"{_prefix(secret)}username-"


def _prefix(secret: str) -> str:
    return f"golem-{hashlib.sha256(secret.encode()).hexdigest()[:12]}-"


OUR_HEADERS: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),  # the link's token is in its address
]
OUR_PAGE: Headers = [*OUR_HEADERS, (b"content-security-policy", _OUR_PAGE)]

_PAGE = """\
<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width,initial-scale=1">{more}
<style>:root{{color-scheme:light dark}}
body{{font:1rem/1.5 system-ui,sans-serif;max-width:40rem;margin:4rem auto;padding:0 1rem}}
h1{{line-height:1.25;overflow-wrap:anywhere}}code{{overflow-wrap:anywhere}}
@media(prefers-color-scheme:dark){{body{{background:#111;color:#eee}}a{{color:#9cf}}}}</style></head>
<body><main><h1>{title}</h1>{body}</main></body></html>
"""
_AGAIN = """
<noscript><meta http-equiv="refresh" content="{seconds}"></noscript><script type="module">
const [page] = performance.getEntriesByType("navigation");
async function look() {{
  const answer = await fetch(location.href, {{ cache: "no-store" }}).catch(() => null);
  if (answer === null || answer.status === page.responseStatus) setTimeout(look, 1000 * {seconds});
  else location.reload();
}}
setTimeout(look, 1000 * {seconds});
</script>"""
"""Loads the page anew once there is another answer: a screen reader does not begin anew with each try."""


def html_page(title: str, body: str, *, again_seconds: int | None = None) -> bytes:
    """The bytes of a page made on this side. ``title`` is text, ``body`` is HTML.

    ``again_seconds``: so often it looks whether there is an answer of another status by now, which is shown then.
    """
    more = _AGAIN.format(seconds=again_seconds) if again_seconds else ""
    return _PAGE.format(title=html.escape(title), body=body, more=more).encode()


def leaving_page(place: str) -> bytes:
    """The page shown instead of a redirect that leaves the session's origin."""
    shown = html.escape("".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in place[:2000]))
    link = (
        f'<p><a rel="noreferrer noopener" href="{shown}">Go there</a></p>'
        if place.startswith(("http://", "https://"))
        else ""
    )
    return html_page(
        "The session sends you elsewhere",
        f"<p>The provider's server wants your browser to go to</p><p><code>{shown}</code></p>"
        f"<p>That is not your session any more. Type no password there that you did not expect to type.</p>{link}",
    )


def _unreported(policy: bytes) -> bytes:
    """A policy that tells nobody of what it stops: the address of a page may hold the link's token."""
    parts = [part.strip() for part in policy.split(b";")]
    return b"; ".join(part for part in parts if part and part.split()[0].lower() not in _REPORTING)


def _one(headers: Headers, wanted: bytes) -> bytes | None:
    return next((value.strip().lower() for name, value in headers if name == wanted), None)
