"""Stores the last request and the presets on the user's side, without secrets.

Both are files of the launcher's directory. A value that a newer or older version does not know is left out, never an
error: whoever updates keeps the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from golem_launcher import files, paths
from golem_launcher.errors import RequestError
from golem_launcher.request import LaunchRequest, parse_request
from golem_launcher.request.redaction import without_secrets
from golem_launcher.untrusted_text import clean_line

if TYPE_CHECKING:
    from pathlib import Path

LONGEST_TITLE = 60
PRESETS_AT_MOST = 100

_LOCK_SECONDS = 5.0


def last_request() -> LaunchRequest | None:
    """What was started last, under a new name; ``None`` where nothing was. Blocking."""
    return _request(files.read_json(_directory() / "last.json"))


def remember(request: LaunchRequest) -> None:
    """Keep what was started, for the next time. Blocking; ``OSError`` when the disk does not take it."""
    files.write_json(_directory() / "last.json", _values(request))


def forget() -> None:
    """Know no more of what was started last. Blocking; ``OSError`` when the disk does not take it."""
    (_directory() / "last.json").unlink(missing_ok=True)


def presets() -> dict[str, LaunchRequest]:
    """The presets by title, in the order of their titles. Blocking."""
    found = files.read_json(_presets())
    requests = {title: _request(values) for title, values in found.items()} if isinstance(found, dict) else {}
    return {title: requests[title] or parse_request({}) for title in sorted(requests, key=str.casefold)}


def save_preset(title: str, request: LaunchRequest) -> str:
    """Keep a preset under ``title``, over one of the same title; the title as it is kept. Blocking."""
    title = clean_line(" ".join(title.split()), longest=LONGEST_TITLE)
    if not title:
        raise RequestError("A preset needs a title.")
    with files.locked(_directory() / "presets.lock", deadline=_LOCK_SECONDS):
        kept = _raw()
        if title not in kept and len(kept) >= PRESETS_AT_MOST:
            raise RequestError(f"There are {PRESETS_AT_MOST} presets.", "Remove one first.")
        files.write_json(_presets(), {**kept, title: _values(request)})
    return title


def remove_preset(title: str) -> None:
    """Forget a preset; nothing happens when there is none of that title. Blocking."""
    with files.locked(_directory() / "presets.lock", deadline=_LOCK_SECONDS):
        files.write_json(_presets(), {other: values for other, values in _raw().items() if other != title})


def _directory() -> Path:
    return paths.private_directory(paths.home() / "form")


def _presets() -> Path:
    return _directory() / "presets.json"


def _raw() -> dict[str, Any]:
    found = files.read_json(_presets())
    return found if isinstance(found, dict) else {}


def _values(request: LaunchRequest) -> dict[str, Any]:
    """What is kept of a request: no name, which is another one each time; no secrets; no uploads, which do not stay."""
    clean, _ = without_secrets(request)
    values = clean.model_dump(mode="json", exclude={"name"}, exclude_defaults=True)
    inputs = [item for item in clean.inputs if not item.startswith(f"{uploads_directory()}/")]
    return {**values, "inputs": inputs}


def uploads_directory() -> Path:
    """Where files lie that were uploaded to the form."""
    return paths.private_directory(paths.home() / "uploads")


def _request(values: object) -> LaunchRequest | None:
    """A request of kept values, less those that are no longer valid."""
    if not isinstance(values, dict):
        return None
    known = {name: value for name, value in values.items() if name in LaunchRequest.model_fields}
    try:
        return LaunchRequest(**known)
    except ValidationError as error:
        wrong = {str(detail["loc"][0]) for detail in error.errors(include_url=False) if detail["loc"]}
    if "outbound_urls" in wrong:
        wrong.add("outbound")  # 'listed' asks for addresses, and one with a password was not kept
    return parse_request({name: value for name, value in known.items() if name not in wrong})
