"""The ports at a provider of what the agent starts there."""

from __future__ import annotations

from golem_launcher.agent.workspace.wire import PORT_OFFSET

LAB_PORT = 8888
CARRIER_PORT = LAB_PORT + 1
"""Where the agent takes the carriers."""
WORKSPACE_PORT = LAB_PORT + PORT_OFFSET
"""The agent's workspace server."""
