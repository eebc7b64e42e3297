"""What the agent's server tells its process manager to do, by lines in a pipe. A number sets the deadline."""

from __future__ import annotations

DASK = b"dask"
"""Dask is to be started, or anew."""
LEAD = b"lead:"
"""What an order begins with that names JupyterLab's new token: this machine is the head from now on."""
