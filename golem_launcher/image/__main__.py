"""``python -m golem_launcher.image VARIANT``: builds an image in a process of its own, for a supervisor.

Each step is a line of JSON on stdout, and so is what went wrong (``what``, ``remedy``); the exit code is 0 or 1. When
nobody reads any more, it ends, and nothing half is left; so it does at SIGINT and SIGTERM.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import LauncherError
from golem_launcher.image.store import ImageStore

if TYPE_CHECKING:
    from golem_launcher.image.progress import BuildStep

_TELL_SECONDS = 0.5


def _say(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


class _Teller:
    """Tells each new step, and how far it is twice a second."""

    def __init__(self) -> None:
        self._name, self._at = "", 0.0

    def __call__(self, step: BuildStep) -> None:
        now = time.monotonic()
        if step.name != self._name or now - self._at > _TELL_SECONDS:
            self._name, self._at = step.name, now
            _say(asdict(step))


def main() -> int:
    """Make the variant that the first argument names."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        ImageStore().make(sys.argv[1], told=_Teller())
    except LauncherError as error:
        _say({"what": error.what, "remedy": error.remedy})
        return 1
    except BrokenPipeError:  # nobody waits for it any more
        return 1
    except OSError as error:
        _say({"what": f"The image can't be made: {error.strerror or error}.", "remedy": ""})
        return 1
    except KeyboardInterrupt:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
