"""What the launcher tells the agent, and what the agent tells JupyterLab."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

EXTENSION = f"{__package__}.extension"
SECTION = "GolemLauncher"
"""The section of the server's configuration that our extension reads."""


@dataclass(frozen=True)
class Config:
    """The launcher's orders."""

    token: str
    port: int
    root: Path
    """The notebook directory, in the orders relative to their file; made when it is not there."""
    deadline: float
    """Unix time at which everything ends."""
    base_url: str
    state: Path
    """A private directory of the agent's own."""

    @classmethod
    def read(cls, path: Path) -> Config:
        """Read the orders and remove the file: it holds the token."""
        values = json.loads(path.read_bytes())
        path.unlink()
        state = path.resolve().parent / "golem-launcher"
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        return cls(
            token=str(values["token"]),
            port=int(values["port"]),
            root=(path.parent / str(values["root"])).resolve(),
            deadline=float(values["deadline"]),
            base_url=str(values["base_url"]),
            state=state,
        )

    @property
    def logs(self) -> Path:
        """The directory of the log."""
        return self.state / "log"

    def write_lab_config(self) -> Path:
        """Write JupyterLab's configuration, readable by its owner only: the token is in no argument and no variable."""
        path = self.state / "jupyter_server_config.json"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(self._lab_config(), file)
        return path

    def _lab_config(self) -> dict[str, object]:
        return {
            "ServerApp": {
                "ip": os.environ.get("GOLEM_BIND_ADDRESS", "0.0.0.0"),  # noqa: S104 - only the VPN leads here
                "port": self.port,
                "port_retries": 0,  # the launcher looks for it at this port and no other
                "base_url": self.base_url,
                "root_dir": str(self.root),
                "open_browser": False,
                "allow_root": True,
                "allow_remote_access": True,
                "jpserver_extensions": {EXTENSION: True},
            },
            "IdentityProvider": {"token": self.token},
            SECTION: {"logs": str(self.logs)},
            "LabApp": {"news_url": None, "check_for_updates_class": "jupyterlab.NeverCheckForUpdate"},
        }
