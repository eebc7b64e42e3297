"""``golem-launcher page``: serves the launcher page."""

from __future__ import annotations

import os
import sys
import threading
import webbrowser
from typing import Annotated

import typer

from golem_launcher.cli.terminal.command_io import Json, print_json, reports_errors, say
from golem_launcher.errors import LauncherError
from golem_launcher.ui.server import serve
from golem_launcher.untrusted_text import clean_text


def add_commands(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.command("page")(page)


@reports_errors
def page(
    *,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of the page; 8866 or the next free one if not given.")
    ] = None,
    browser: Annotated[bool, typer.Option(help="Open a browser when there is one.")] = True,
    as_json: Json = False,
) -> None:
    """Serve the launcher page on this computer, until Ctrl-C. Sessions go on without it.

    Example: golem-launcher page --port 9000 --no-browser
    """

    def ready(address: str) -> None:
        if as_json:
            print_json({"url": address})
        else:
            say(f"Golem Launcher is at {address}")
        sys.stdout.flush()
        if browser and has_screen():
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    listener = serve.listen(port)
    threading.Thread(target=_bring_up, daemon=True).start()
    serve.serve(listener, ready=ready)
    if not as_json:
        say("The page is closed; sessions that run go on. See them: golem-launcher list. End all: golem-launcher down.")


def _bring_up() -> None:
    """Start the local network while the page is opened; the page itself shows how that goes."""
    from golem_launcher.ui.header.network import bring_up

    try:
        bring_up()
    except LauncherError as error:
        sys.stderr.write(f"Warning: {clean_text(str(error))}\n")


def has_screen() -> bool:
    """Whether opening a browser makes sense here: not in CI, and only with a display."""
    if os.environ.get("CI"):
        return False
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
