"""Why nobody answered, in words for people: such errors tell classes of libraries and numbers of the system."""

from __future__ import annotations

import os

from golem_launcher.errors import LauncherError


def silence_reason(error: Exception) -> str:
    """Say why a request got no answer, for the end of a sentence without its full stop.

    Whoever tells the user of it calls this with what aiohttp, a socket, a JSON parser or a way in raised. Of what a
    stranger sent nothing is repeated.
    """
    if isinstance(error, LauncherError):
        return error.what.removesuffix(".")
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ValueError):
        return "its answer makes no sense"
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno) if error.errno > 0 else "its address is not known"  # below 0 are those of names
    return "the connection broke off"
