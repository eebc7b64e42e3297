"""Errors of commands, in the exact words of Golem's exe-unit: programs tell failures apart by them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from golem_launcher.errors import LocalNetError

if TYPE_CHECKING:
    from golem_launcher.errors import LauncherError

State = tuple[str, str | None]
"""Where an activity is, and where it is going."""

_EXPECTED: dict[State, str] = {
    ("Initialized", None): "Activity is initialized - deploy() command is expected now",
    ("Deployed", None): "Activity is deployed - start() command is expected now",
    ("Ready", None): "Cannot send command after a successful start()",
}
_FAILED = -1


class CommandFailed(LocalNetError):  # noqa: N818 - reads as what it says
    """A program ended with something else than 0; ``code`` says with what: its exit code, or the signal's number."""

    def __init__(self, status: int) -> None:
        """``status`` is negative for a signal. The init of Golem's VM tells the two apart no more than this."""
        self.code = abs(status)
        super().__init__(f"ExeScript command exited with code {self.code}")


class StateError(LocalNetError):
    """The activity is in no state for the command."""

    def __init__(self, what: str) -> None:
        super().__init__(f"Local service error: State error: {what}")

    @classmethod
    def invalid(cls, state: State) -> StateError:
        """The command is not the one that is expected in this state."""
        return cls(_EXPECTED.get(state, f"This command is not allowed when activity is in the {state[0]} state"))

    @classmethod
    def busy(cls, state: State) -> StateError:
        """Another script's command runs."""
        return cls(f"Busy: {_pair(state)}")

    @classmethod
    def unexpected(cls, current: State, expected: State) -> StateError:
        """The state was changed while the command ran: the activity was terminated."""
        return cls(f"Unexpected state: current: {_pair(current)}, expected: {_pair(expected)}")


class RuntimeFailed(LocalNetError):  # noqa: N818 - likewise
    """The runtime could not do what the exe-unit asked of it."""

    def __init__(self, what: str) -> None:
        super().__init__(f"Runtime error: {what}")


def described(error: LauncherError | OSError, command: str) -> tuple[int, str]:
    """The return code and message that a requestor gets for an error in a ``command``; never a path of the host."""
    if isinstance(error, CommandFailed):
        return error.code, str(error)
    if isinstance(error, StateError | RuntimeFailed):
        return _FAILED, str(error)
    text = error.strerror or type(error).__name__ if isinstance(error, OSError) else str(error)
    if command == "transfer":
        return _FAILED, f"Local service error: Transfer error: {text}"
    if command == "sign":
        return _FAILED, text
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return _FAILED, f'Runtime error: Error {{ code: Internal, message: "{quoted}", context: {{}} }}'


def _pair(state: State) -> str:
    current, following = state
    return f"StatePair({current}, {f'Some({following})' if following else 'None'})"
