"""``python -m golem_launcher.kernel``: the kernel, as Jupyter's programs start it; or install, uninstall, list."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

_COMMANDS = ("install", "uninstall", "list")


def main() -> int:
    """Run the kernel of a connection file, or one of the commands about kernels; the exit code."""
    if len(sys.argv) > 1 and (sys.argv[1] in _COMMANDS or sys.argv[1] in {"-h", "--help"}):
        from golem_launcher.cli.main import main as command_line

        sys.argv[1:] = ["kernel", *sys.argv[1:]]
        command_line()
        return 0
    parser = argparse.ArgumentParser(prog="python -m golem_launcher.kernel", description="A kernel on Golem.")
    parser.add_argument("-f", dest="connection_file", type=Path, required=True, help="Made by who starts the kernel.")
    parser.add_argument("--request", type=Path, help="A request in YAML, by which the first cell connects.")
    parser.add_argument("--on-shutdown", choices=("disconnect", "leave-running"), default="disconnect")
    given = parser.parse_args()
    from golem_launcher.kernel.serve import serve

    return serve(given.connection_file, given.request, given.on_shutdown)


if __name__ == "__main__":
    sys.exit(main())
