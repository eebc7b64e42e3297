"""Exceptions as a person may read them."""

from __future__ import annotations

import itertools
import traceback
from typing import Any

from golem_launcher.errors import LauncherError
from golem_launcher.text import clean_text

_NUMBERS = itertools.count(1)


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
        "title": clean_text(title),
        "remedy": clean_text(remedy),
        "details": clean_text(details),
    }
