"""How to reach a yagna daemon: its addresses and app-key."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Node:
    """The way to a yagna daemon. The key never shows in ``repr``."""

    api_url: str
    """REST address, like ``http://127.0.0.1:7465``."""
    app_key: str = field(repr=False)
    gsb_url: str | None = None
    """Address of its service bus when it runs on this machine: ``unix:/path`` or ``tcp://host:port``."""

    def environment(self) -> dict[str, str]:
        """The variables that make yapapi, ``gftp`` and ``yagna`` use this node (to add to a child's own)."""
        variables = {
            "YAGNA_API_URL": self.api_url,
            "YAGNA_APPKEY": self.app_key,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        }
        if self.gsb_url:
            variables["GSB_URL"] = self.gsb_url
        return variables
