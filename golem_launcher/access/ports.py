"""The ports at a provider of what the agent starts there for itself, after the workload's first."""

from __future__ import annotations

from golem_launcher.agent.config import CARRIER_OFFSET, SERVER_OFFSET
from golem_launcher.workload.base import FIRST_PORT

CARRIER_PORT = FIRST_PORT + CARRIER_OFFSET
"""Where the agent takes the carriers."""
AGENT_PORT = FIRST_PORT + SERVER_OFFSET
"""The agent's own server."""
