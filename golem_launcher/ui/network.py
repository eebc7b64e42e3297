"""How the network in use is, for the header."""

from __future__ import annotations

from typing import Any

from golem_launcher.networks import LOCAL

_STATES = {"ready": "up", "starting": "starting", "broken": "failed"}


def network_view() -> dict[str, Any]:
    """Title, sentence, ``state`` (``up``, ``starting``, ``failed``, ``down``), and the word on a button that mends it.

    Blocking; what it says was looked up, not remembered.
    """
    from golem_launcher.localnet import network  # noqa: PLC0415 - not needed to show the page

    status = network.status()
    state = _STATES.get(status["stage"], "down")
    return {
        "title": LOCAL.title,
        "sentence": LOCAL.sentence,
        "state": state,
        "detail": _detail(state, len(status.get("providers", []))),
        "mend": {"down": "Start it", "failed": "Repair it"}.get(state, ""),
    }


def _detail(state: str, providers: int) -> str:
    if state == "up":
        return f"running, {providers} provider{'' if providers == 1 else 's'}"
    return {
        "starting": "starting …",
        "failed": "a part of it has stopped",
        "down": "not running; starts with the first session",
    }[state]


def bring_up() -> None:
    """Start or mend the network. Blocking; raises ``LocalNetError``."""
    from golem_launcher.localnet import network  # noqa: PLC0415

    network.up()
