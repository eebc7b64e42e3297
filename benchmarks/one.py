"""``python -m benchmarks.one NAME DIRECTORY``: one benchmark, its rows as JSON on the last line of the output.

Each runs in a process of its own: it measures its own memory, too, and may be killed.
"""

from __future__ import annotations

import importlib
import json
import signal
import sys
from dataclasses import asdict
from pathlib import Path


def main() -> None:
    name, directory = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is ended
    rows = importlib.import_module(f"benchmarks.{name}").rows(Path(directory))
    print(json.dumps([asdict(row) for row in rows]))


if __name__ == "__main__":
    main()
