# ruff: noqa: INP001 - a program of the container, and no part of a package
"""The container's program: serves the page until the container is stopped, then saves and ends sessions that run."""

import signal
import subprocess
import sys

_PAGE = [
    "jupyter",
    "server",
    "--ip=0.0.0.0",
    "--port=8866",  # not 8888, where each session of the local network listens, at a loopback address of its own
    "--no-browser",
    "--ServerApp.answer_yes=True",  # Ctrl-C means it
    "--ServerApp.default_url=/voila/render/launcher.ipynb",
    "--ServerApp.root_dir=/app",
]


def main() -> int:
    """Serve; the exit code of the end."""
    with subprocess.Popen(_PAGE) as page:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: page.terminate())
    return subprocess.call(["golem-launcher", "down"])


if __name__ == "__main__":
    sys.exit(main())
