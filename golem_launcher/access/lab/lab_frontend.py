"""Serves the Lab's page from this side, with the files of the launcher's own JupyterLab.

JupyterLab's files have content hashes in their names: a file of the same name here is the same file. So over ten
megabytes stay off the VPN.

The page itself is the provider's, with its front-end extensions, whose files come from there. In strict mode it is
made here, from the settings that the provider's server put into its own, as data: then no script of a stranger's is in
it, and no extension but those that are installed on this side too.

The extension of the launcher's own (:mod:`.labextension`) is named by every page, in both modes,
and its files come from here whatever the provider has by that name.
"""

from __future__ import annotations

import functools
import gzip
import json
import math
import mimetypes
import re
import sys
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from golem_launcher.access.lab import labextension
from golem_launcher.access.origin_policy import OUR_HEADERS, Headers
from golem_launcher.errors import AccessError
from golem_launcher.untrusted_json import json_value

if TYPE_CHECKING:
    from collections.abc import Callable

_HASHED = re.compile(r"(^|[./])[0-9a-f]{16,20}(\.|$)")
_PAGES = re.compile(r"/(lab|doc)(/(tree|workspaces)(/.*)?)?/?")
_CONFIG, _CONFIG_END = b'<script id="jupyter-config-data" type="application/json">', b"</script>"
_MAIN = re.compile(r'src="{{ ?page_config\.fullStaticUrl ?}}/(main\.[0-9a-f]+\.js)(\?v=[0-9a-f]+)?"')
_TOKEN_SCRIPT = re.compile(r"<script>(/\* Remove token.*?)</script>", re.DOTALL)
_COMPRESSED = {".css", ".js", ".json", ".map", ".svg", ".txt", ".html"}
_LEAST_TO_COMPRESS = 1024
_COMPRESSION = 6
_REINSTALL = "Reinstall it: pip install --force-reinstall jupyterlab"
_LONGEST_TEXT = 4096
_MOST_ITEMS = 200
LARGEST_PAGE = 1024 * 1024
"""Of a provider's page, in bytes: what is longer is none of JupyterLab's."""
_FOREVER = b"public, max-age=31536000, immutable"
_URLS = {
    "appUrl": "lab", "fullAppUrl": "lab",
    "fullLabextensionsUrl": "lab/extensions", "labextensionsUrl": "lab/extensions",
    "fullLicensesUrl": "lab/api/licenses", "licensesUrl": "lab/api/licenses", "fullListingsUrl": "lab/api/listings",
    "listingsUrl": "lab/api/listings", "fullSettingsUrl": "lab/api/settings", "settingsUrl": "lab/api/settings",
    "fullStaticUrl": "static/lab", "fullThemesUrl": "lab/api/themes", "themesUrl": "lab/api/themes",
    "fullTranslationsApiUrl": "lab/api/translations", "translationsApiUrl": "lab/api/translations",
    "fullTreeUrl": "lab/tree", "treeUrl": "lab/tree", "fullWorkspacesApiUrl": "lab/api/workspaces",
    "workspacesApiUrl": "lab/api/workspaces",
}  # fmt: skip
_DROPPED = {"fullMathjaxUrl", "mathjaxUrl", "extensionManager", "extraLabextensionsPath", "news", "wsUrl",
            "disabledExtensions", "deferredExtensions", "lockedExtensions"}  # fmt: skip
"""In strict mode. Extensions turn off the plugins that they replace: without them JupyterLab needs its own."""


@dataclass(frozen=True)
class Served:
    """A complete HTTP answer that was made on this side."""

    status: int
    headers: Headers
    body: bytes


def tell_nobody(_: tuple[str, ...]) -> None:
    """The default: a callback that does nothing."""


@dataclass(frozen=True)
class LabFrontend:
    """JupyterLab's page and files, as one listener serves them from this computer."""

    base_url: str = "/"
    extensions: bool = False
    """Whether the provider's page and its extensions are shown; strict mode if not."""
    compress: bool = False
    """Worth it where the browser is on another machine."""
    key: str = field(default="", repr=False)
    """What its pages show to whoever they tell of their documents."""
    left_out: Callable[[tuple[str, ...]], None] = tell_nobody
    """Told the names of the extensions that strict mode leaves out of a page."""

    def file(self, path: str, *, gzipped: bool, known: bytes | None = None) -> Served | None:
        """Answer a GET of ``path`` from this side; ``None`` if the provider has to answer it. Blocking.

        ``gzipped``: the browser takes that; ``known``: the tag of what it has already.
        """
        inner = self._inner(path)
        own = labextension.files().get(inner)
        if own is not None:
            kind, body = own
            return Served(200, [*OUR_HEADERS, (b"content-type", kind), (b"cache-control", _FOREVER)], body)
        hashed = bool(_HASHED.search(inner.rpartition("/")[2]))
        if inner.startswith(("/static/lab/", "/lab/extensions/", "/lab/api/themes/", "/static/")):
            if self.extensions and not hashed:
                return None
            source = find(inner)
            if source is not None:
                return _serve(source, hashed=hashed, gzipped=gzipped and self.compress, known=known)
            if not self.extensions and Path(inner).suffix in {".js", ".mjs", ".wasm"}:
                return Served(
                    404, [*OUR_HEADERS, (b"content-type", b"text/plain")], b"The launcher has no such script.\n"
                )
        return None

    def wants(self, path: str) -> bool:
        """Whether the page at ``path`` is JupyterLab's, which is made on this side."""
        return bool(_PAGES.fullmatch(self._inner(path)))

    def page(self, theirs: bytes) -> bytes | None:
        """Make JupyterLab's page with the settings found in ``theirs``; ``None`` if that is no page of JupyterLab's."""
        before, begun, rest = theirs.partition(_CONFIG)
        settings, ended, after = rest.partition(_CONFIG_END)
        if not begun or not ended:
            return None
        try:
            config = json_value(settings)
            if not isinstance(config, dict):
                return None
            if not self.extensions:
                return self._made(config)
            config.update(federated_extensions=[*_others(config), labextension.entry()], golemLauncherKey=self.key)
            return before + begun + _as_data(config).encode() + ended + after
        except ValueError:
            return None

    def _inner(self, path: str) -> str:
        path = unquote(path.partition("?")[0])
        return path[len(self.base_url) - 1 :] if path.startswith(self.base_url) else path

    def _made(self, theirs: dict[str, Any]) -> bytes | None:
        config = {key: value for key, value in theirs.items() if key not in _DROPPED and _is_plain(value)}
        # JupyterLab puts its base before those that do not say that they are full.
        config.update({key: (self.base_url if key.startswith("full") else "/") + path for key, path in _URLS.items()})
        names = [str(each.get("name")) for each in _others(theirs)]
        shown = [each for each in own_extensions() if each["name"] in names]
        self.left_out(tuple(sorted(set(names) - {each["name"] for each in shown})))
        config["federated_extensions"] = [*shown, labextension.entry()]
        config.update(baseUrl=self.base_url, wsUrl="", golemLauncherKey=self.key)
        main, script = own_page()
        icons = self.base_url + "static/favicons/favicon"
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>JupyterLab</title>'
            '<meta name="viewport" content="width=device-width,initial-scale=1">'
            f'<script id="jupyter-config-data" type="application/json">{_as_data(config)}</script>'
            f'<link rel="icon" type="image/x-icon" href="{icons}.ico" class="idle favicon">'
            f'<link rel="" type="image/x-icon" href="{icons}-busy-1.ico" class="busy favicon">'
            f'<script defer="defer" src="{self.base_url}static/lab/{main}"></script></head>'
            f'<body class="jp-ThemedContainer"><script>{script}</script></body></html>'
        ).encode()


def page_headers(policy: bytes) -> Headers:
    """The headers of JupyterLab's page."""
    return [
        *OUR_HEADERS,
        (b"content-security-policy", policy),
        (b"content-type", b"text/html; charset=utf-8"),
        (b"cache-control", b"no-store"),
    ]


@functools.lru_cache(maxsize=4096)
def find(inner: str) -> Path | None:
    """Find the file of the JupyterLab installed here for a path below its base; ``None`` if there is none."""
    for prefix, folders in _places().items():
        if inner.startswith(prefix):
            rest = inner[len(prefix) :]
            for folder in folders if "\0" not in rest else ():
                path = (folder / rest).resolve()
                if path.is_file() and path.is_relative_to(folder):
                    return path
            return None
    return None


@functools.cache
def own_extensions() -> tuple[dict[str, Any], ...]:
    """The front-end extensions installed beside the launcher, as JupyterLab's page names them."""
    found = []
    for folder in _places()["/lab/extensions/"]:
        for package in sorted([*folder.glob("*/package.json"), *folder.glob("@*/*/package.json")]):
            try:
                value = json.loads(package.read_bytes())
                build = value["jupyterlab"]["_build"]
                name, load = str(value["name"]), str(build["load"])
            except (OSError, ValueError, KeyError, TypeError):
                continue
            parts = {key: build[key] for key in ("extension", "mimeExtension", "style") if key in build}
            found.append({"name": name, "load": load, "entrypoints": None, **parts})
    return tuple(found)


def _others(config: dict[str, Any]) -> list[dict[str, Any]]:
    """The extensions that a provider's page names, without one of the name of the launcher's own."""
    named, own = config.get("federated_extensions"), labextension.entry()["name"]
    found = [each for each in named if isinstance(each, dict)] if isinstance(named, list) else []
    return [each for each in found if each.get("name") != own]


def _as_data(config: dict[str, Any]) -> str:
    """As ``tojson`` of Jinja writes it: nothing in it can end the element.

    Raises ``ValueError`` for a number beyond a float, which JSON can name (``1e999``) and Python writes as no JSON.
    """
    return json.dumps(config, allow_nan=False).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@functools.cache
def own_page() -> tuple[str, str]:
    """The name of the main script of the JupyterLab installed here, and the script that hides the link's token."""
    text = (_places()["/static/lab/"][0] / "index.html").read_text(encoding="utf-8")
    main, script = _MAIN.search(text), _TOKEN_SCRIPT.search(text)
    if main is None:
        raise AccessError("The page of the JupyterLab that is installed here has no main script.", _REINSTALL)
    return main.group(1) + (main.group(2) or ""), script.group(1) if script else ""


@functools.cache
def _places() -> dict[str, tuple[Path, ...]]:
    """Where the files behind a path are; the longest prefix first."""
    share = Path(sys.prefix) / "share" / "jupyter"
    server = find_spec("jupyter_server")
    if server is None or server.origin is None:
        raise AccessError("There is no Jupyter Server here.", _REINSTALL)
    return {
        "/static/lab/": ((share / "lab" / "static").resolve(),),
        "/lab/extensions/": ((share / "labextensions").resolve(),),
        "/lab/api/themes/": ((share / "lab" / "themes").resolve(),),
        "/static/": ((Path(server.origin).parent / "static").resolve(),),
    }


def _serve(source: Path, *, hashed: bool, gzipped: bool, known: bytes | None) -> Served:
    about = source.stat()
    tag = f'"{about.st_mtime_ns:x}-{about.st_size:x}"'.encode()
    kind = mimetypes.guess_type(source.name)[0] or "application/octet-stream"
    headers: Headers = [
        *OUR_HEADERS,
        (b"content-type", kind.encode()),
        (b"cache-control", _FOREVER if hashed else b"no-cache"),
        (b"etag", tag),
        (b"vary", b"accept-encoding"),
    ]
    if known is not None and tag in known:
        return Served(304, headers, b"")
    if gzipped and source.suffix in _COMPRESSED and about.st_size >= _LEAST_TO_COMPRESS:
        return Served(200, [*headers, (b"content-encoding", b"gzip")], _compressed(source, about.st_mtime_ns))
    return Served(200, headers, source.read_bytes())


@functools.lru_cache(maxsize=512)
def _compressed(source: Path, changed: int) -> bytes:  # noqa: ARG001 - a changed file is another one
    return gzip.compress(source.read_bytes(), _COMPRESSION, mtime=0)


def _is_plain(value: object) -> bool:
    """Whether it is a number, a short text, or a short list of those."""
    if isinstance(value, list):
        return len(value) <= _MOST_ITEMS and all(not isinstance(item, list) and _is_plain(item) for item in value)
    if isinstance(value, str):
        return len(value) <= _LONGEST_TEXT
    return value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value))
