"""The port numbers that the agent uses on a provider, counted from the workload's first."""

from __future__ import annotations

from golem_launcher.agent.config import CARRIER_OFFSET, SERVER_OFFSET
from golem_launcher.workload.base import FIRST_PORT

CARRIER_PORT = FIRST_PORT + CARRIER_OFFSET
"""Where the agent takes the carriers."""
AGENT_PORT = FIRST_PORT + SERVER_OFFSET
"""The agent's own server."""
