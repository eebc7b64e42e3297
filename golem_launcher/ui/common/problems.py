"""Turns exceptions into sentences for people."""

from __future__ import annotations

import itertools
import os
import re
import traceback
from typing import Any

from golem_launcher.errors import LauncherError
from golem_launcher.untrusted_text import clean_text

_NUMBERS = itertools.count(1)

_GONE = "(left out)"
_BLOCK = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_NAMED = re.compile(
    r"((?:token|app_?key|api_?key|password|passwd|secret|authorization|credential|signature)\w{0,60}[\"']?\s*[=:]\s*[\"']?"
    r"(?:bearer\s+|basic\s+|token\s+)?|bearer\s+)[^\s\"'&,;)}\]]+",
    re.IGNORECASE,
)
_USER = re.compile(r"([a-z][a-z0-9+.-]{0,30}://)[^/\s@\"']+@", re.IGNORECASE)
_SECRET_VARIABLE = re.compile(r"KEY|TOKEN|SECRET|PASSW", re.IGNORECASE)
_SHORTEST_SECRET = 8


def problem(error: BaseException) -> dict[str, Any]:
    """What a banner shows for ``error``: ``title``, ``remedy`` and ``details``, all cleaned text."""
    if isinstance(error, LauncherError):
        title, remedy = error.what, error.remedy
    else:
        title = "Something went wrong in this page."
        remedy = "Running sessions are not affected. Reloading the page may help; please report the details."
    details = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return {
        "id": next(_NUMBERS),
        "title": clean_text(without_keys(title)),
        "remedy": clean_text(without_keys(remedy)),
        "details": clean_text(without_keys(details)),
    }


def without_keys(text: str) -> str:
    """The text less tokens, keys and passwords: it is made to be copied into a report."""
    for name, value in os.environ.items():
        if len(value) >= _SHORTEST_SECRET and _SECRET_VARIABLE.search(name):
            text = text.replace(value, _GONE)
    text = _BLOCK.sub(_GONE, text)
    text = _USER.sub(rf"\1{_GONE}@", text)
    return _NAMED.sub(rf"\1{_GONE}", text)
