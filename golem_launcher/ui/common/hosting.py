"""Detects where the page is served from, and what follows from that."""

from __future__ import annotations

import os


def on_hub() -> bool:
    """Whether this runs on a hub's server: the browser is then on another machine, and our addresses mean nothing."""
    return any(name in os.environ for name in ("JUPYTERHUB_SERVICE_PREFIX", "BINDER_LAUNCH_HOST"))


def place_words() -> str:
    """What can't be done where this runs, and where it can; empty where everything can."""
    if "BINDER_LAUNCH_HOST" not in os.environ:
        return ""
    return (
        "This is Binder. Its network lets no UDP out, so a node here can't join a public Golem network: sessions run "
        "on the local network, or by a node of yours elsewhere (YAGNA_API_URL and YAGNA_APPKEY). When Binder closes, "
        "all that is here is gone. To carry on at home, install Golem Launcher there and run the command that the form "
        "shows under “As a command or a file”."
    )
