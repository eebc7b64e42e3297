"""What is known of a session at a moment: the content of its ``state.json``, which page, commands and tests read."""

from golem_launcher.session_state.machine import AGREED, ClusterState, MachineState, Tunnel
from golem_launcher.session_state.newcomers import MoveState, StandbyState
from golem_launcher.session_state.saving import KeptVariables, Saving
from golem_launcher.session_state.session import ProvidersSeen, SessionState

__all__ = [
    "AGREED",
    "ClusterState",
    "KeptVariables",
    "MachineState",
    "MoveState",
    "ProvidersSeen",
    "Saving",
    "SessionState",
    "StandbyState",
    "Tunnel",
]
