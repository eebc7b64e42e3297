"""``python -m golem_launcher.cli``, for where the script is not on the PATH."""

from __future__ import annotations

from golem_launcher.cli.entry import main

if __name__ == "__main__":
    main()
