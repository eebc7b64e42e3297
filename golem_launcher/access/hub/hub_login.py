"""Who a hub's users are: its login, asked for by the gate in front of a session.

JupyterHub's OAuth 2.0, as it is for every server that it starts (RFC 6749 with PKCE, RFC 7636). Its own ``HubOAuth``
is made for tornado's handlers and brings SQLAlchemy, 40 MiB for each session; and it leaves the hub's token with the
browser, in a cookie of the origin in which a stranger's pages are shown. Here the token stays in this process, and the
cookie is a number that means something to this gate alone.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode

import aiohttp

from golem_launcher import clock
from golem_launcher.access.lab.lab_frontend import Served
from golem_launcher.access.link.http_connection import page, plain
from golem_launcher.access.origin_policy import OUR_HEADERS

if TYPE_CHECKING:
    from golem_launcher.access.hub.hub_settings import HubSettings
    from golem_launcher.access.origin_policy import Headers

_CALLBACK = "oauth_callback"
_LOGINS, _TOKENS = 256, 256
"""How many of each are remembered."""
_LONGEST_PLACE = 2000
"""Of a place that a login goes on to: browsers keep no cookies of more than 4096 bytes."""
_BEGUN_SECONDS = 600
_CHECKED_SECONDS = 60.0
"""How long the hub's word on a token counts. A logout there is heard of as late as that."""
_HUB_AWAY_SECONDS = 3600.0
"""How long its last word counts while it does not answer: a session goes on while its hub is started anew."""
_SECONDS = 20.0
_NOT_ALLOWED = "This server is somebody else's."


@dataclass(frozen=True)
class _Begun:
    """A login that was begun: its browser keeps it, so that nobody's pushes out another's."""

    state: str
    place: str
    """To go on to."""
    at: float
    """Seconds since the computer was started."""


@dataclass(frozen=True)
class _Known:
    allowed: bool
    at: float


class HubUnreachable(Exception):  # noqa: N818 - it is a state of affairs
    """The hub did not answer, or not as it should."""


class HubLogin:
    """Decides who comes in. ``aclose`` once."""

    def __init__(self, settings: HubSettings) -> None:
        self._settings = settings
        self._key = secrets.token_bytes(32)
        self._logins: OrderedDict[str, str] = OrderedDict()
        """The hub's tokens of those who logged in, by the hash of their cookie."""
        self._tokens: OrderedDict[str, _Known] = OrderedDict()
        """What the hub said of tokens, by their hashes."""
        self._client: aiohttp.ClientSession | None = None
        self._scopes = {"access:servers", f"access:servers!user={settings.user}", *settings.access_scopes}
        start = "__Host-" if settings.secure and settings.own_host else ""
        self._cookie = f"{start}golem-gate-{hashlib.sha256(settings.prefix.encode()).hexdigest()[:8]}"
        self._begun_cookie = f"{self._cookie}-begun"

    async def aclose(self) -> None:
        """Close the connections to the hub."""
        if self._client is not None:
            await self._client.close()

    async def admit(self, method: bytes, target: str, headers: Headers) -> Served | None:
        """``None`` for who may come in; for anybody else the answer: to the hub's login, or a refusal."""
        path, _, query = target.partition("?")
        try:
            if path == self._settings.prefix + _CALLBACK and method == b"GET":
                return await self._come_back(query, headers)
            login = self._logged_in(headers)
            token = login or _bearer(headers)  # in this order: JupyterLab's page shows the Lab's own token beside
            if token is None:
                return self._to_login(method, target, headers)
            if await self._is_allowed(token):
                return None
        except HubUnreachable:
            return page(503, "The hub does not answer", "<p>It is asked who you are. Try again in a moment.</p>")
        if login is not None and _navigates(method, headers):  # logged out at the hub, or its token is too old
            self._logins.pop(_hash(_cookies(headers)[self._cookie]), None)
            return self._to_login(method, target, headers)
        return self._with_version(plain(403, _NOT_ALLOWED))

    def _to_login(self, method: bytes, target: str, headers: Headers) -> Served:
        """To the hub, for a person's browser; a program is told that it showed no token."""
        if not _navigates(method, headers):
            return self._with_version(plain(403, "Log in at the hub first, or show a token of it."))
        known = target.startswith(self._settings.prefix) and len(target) <= _LONGEST_PLACE
        place = target if known else self._settings.prefix
        begun = _Begun(secrets.token_urlsafe(24), place, clock.since_boot())
        verifier = self._verifier(begun.state)
        challenge = _base64(hashlib.sha256(verifier.encode()).digest())
        asked = {
            "client_id": self._settings.client_id,
            "redirect_uri": self._settings.callback_url,
            "response_type": "code",
            "state": begun.state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        login = f"{self._settings.authorize_url}?{urlencode(asked)}"
        return self._redirect(login, self._set_cookie(headers, self._begun_cookie, self._sealed(begun), _BEGUN_SECONDS))

    async def _come_back(self, query: str, headers: Headers) -> Served:
        """From the hub's login, with a code that stands for the user. Raises ``HubUnreachable``."""
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        begun = self._unsealed(_cookies(headers).get(self._begun_cookie, ""))
        if begun is None or begun.state != asked.get("state"):
            again = f'<a href="{self._settings.prefix}">Begin anew</a>'
            why = "It was begun elsewhere, or long ago, or in another tab since."
            return page(403, "This login can't be finished", f"<p>{why} {again}</p>")
        code = asked.get("code")
        token = await self._token_for(code, self._verifier(begun.state)) if code else None
        if token is None:
            return page(403, "The hub did not let you in", f'<p><a href="{self._settings.prefix}">Try again</a></p>')
        if not await self._is_allowed(token):
            return plain(403, _NOT_ALLOWED)
        login = secrets.token_urlsafe(32)
        self._logins[_hash(login)] = token
        _bound(self._logins, _LOGINS)
        over = self._set_cookie(headers, self._begun_cookie, "", 0)
        return self._redirect(begun.place, over, self._set_cookie(headers, self._cookie, login))

    def _logged_in(self, headers: Headers) -> str | None:
        """The hub's token of who logged in by this browser."""
        login = _cookies(headers).get(self._cookie, "")
        return self._logins.get(_hash(login)) if login else None

    async def _is_allowed(self, token: str) -> bool:
        """Whether the hub lets who has this token into this server. Raises ``HubUnreachable``."""
        key, now = _hash(token), clock.since_boot()
        known = self._tokens.get(key)
        if known is not None and now - known.at < _CHECKED_SECONDS:
            return known.allowed
        try:
            model = await self._ask("GET", f"{self._settings.api_url}/user", token=token)
        except HubUnreachable:
            if known is not None and known.allowed and now - known.at < _HUB_AWAY_SECONDS:
                return True
            raise
        scopes = model.get("scopes") if model is not None else None
        allowed = isinstance(scopes, list) and not self._scopes.isdisjoint(map(str, scopes))
        self._tokens[key] = _Known(allowed, now)
        self._tokens.move_to_end(key)
        _bound(self._tokens, _TOKENS)
        return allowed

    async def _token_for(self, code: str, verifier: str) -> str | None:
        """The hub's token for a code; ``None`` where it refuses. Raises ``HubUnreachable``."""
        form = {
            "client_id": self._settings.client_id,
            "client_secret": self._settings.api_token,
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._settings.callback_url,
            "code_verifier": verifier,
        }
        answer = await self._ask("POST", f"{self._settings.api_url}/oauth2/token", form=form)
        if answer is None:
            return None
        token = answer.get("access_token")
        if not isinstance(token, str):
            raise HubUnreachable
        return token

    async def _ask(
        self, method: str, url: str, *, token: str = "", form: dict[str, str] | None = None
    ) -> dict[str, Any] | None:
        """What the hub answers; ``None`` where it refuses. Raises ``HubUnreachable``."""
        if self._client is None:
            self._client = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_SECONDS))
        headers = {"Authorization": f"token {token}"} if token else {}
        try:
            async with self._client.request(method, url, data=form, headers=headers, allow_redirects=False) as answer:
                if answer.status in {400, 401, 403, 404}:
                    return None
                body = await answer.read()
                if answer.status != 200:  # noqa: PLR2004
                    raise HubUnreachable
                value = json.loads(body)
        except (aiohttp.ClientError, TimeoutError, ValueError):
            raise HubUnreachable from None
        if not isinstance(value, dict):
            raise HubUnreachable
        return value

    def _verifier(self, state: str) -> str:
        """PKCE's: nobody has it but this process, which keeps none."""
        return self._mac("verifier", state)

    def _sealed(self, begun: _Begun) -> str:
        told = _base64(json.dumps([begun.state, begun.place, begun.at]).encode())  # programs put quotes around an =
        return f"{told}.{self._mac('begun', told)}"

    def _unsealed(self, cookie: str) -> _Begun | None:
        """What :meth:`_sealed` made in this process, if it is not too old."""
        told, _, mac = cookie.partition(".")
        if not hmac.compare_digest(mac.encode(), self._mac("begun", told).encode()):
            return None
        begun = _Begun(*json.loads(base64.urlsafe_b64decode(told + "==")))
        return begun if clock.since_boot() - begun.at <= _BEGUN_SECONDS else None

    def _mac(self, purpose: str, text: str) -> str:
        return hmac.new(self._key, f"{purpose}:{text}".encode(), hashlib.sha256).hexdigest()

    def _set_cookie(self, headers: Headers, name: str, value: str, seconds: int | None = None) -> tuple[bytes, bytes]:
        path = "/" if name.startswith("__Host-") else self._settings.prefix
        parts = [f"{name}={value}", f"Path={path}", "HttpOnly", "SameSite=Lax"]
        if self._settings.secure or dict(headers).get(b"x-forwarded-proto", b"").startswith(b"https"):
            parts.append("Secure")
        if seconds is not None:
            parts.append(f"Max-Age={seconds}")
        return b"set-cookie", "; ".join(parts).encode()

    def _redirect(self, place: str, *cookies: tuple[bytes, bytes]) -> Served:
        headers = [*OUR_HEADERS, (b"location", place.encode("ascii", "replace")), (b"cache-control", b"no-store")]
        return self._with_version(Served(302, [*headers, *cookies], b""))

    def _with_version(self, served: Served) -> Served:
        """Add the header by which a hub checks its servers' JupyterHub version."""
        version = (b"x-jupyterhub-version", self._settings.version.encode())
        return Served(served.status, [*served.headers, version], served.body) if version[1] else served


def _bound(kept: OrderedDict[str, Any], most: int) -> None:
    while len(kept) > most:
        kept.popitem(last=False)


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _bearer(headers: Headers) -> str | None:
    """The hub's token that a program shows."""
    for name, value in headers:
        kind, _, token = value.decode("latin-1").strip().partition(" ")
        if name == b"authorization" and kind.lower() in {"token", "bearer"} and token:
            return token.strip()
    return None


def _cookies(headers: Headers) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in headers:
        if name == b"cookie":
            for part in value.decode("latin-1").split(";"):
                key, equals, text = part.strip().partition("=")
                if equals:
                    found.setdefault(key, text)
    return found


def _navigates(method: bytes, headers: Headers) -> bool:
    """Whether a person's browser goes to a page: only there the hub's login is of use."""
    asked = dict(headers)
    mode = asked.get(b"sec-fetch-mode")
    return method == b"GET" and (mode == b"navigate" if mode is not None else b"text/html" in asked.get(b"accept", b""))
