"""Finds out by trying which runtime this machine supports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from golem_launcher.errors import LocalNetError
from golem_launcher.localnet.runtime.process_runtime import ProcessRuntime
from golem_launcher.localnet.runtime.sandbox_runtime import SandboxRuntime, why_no_sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from golem_launcher.localnet.runtime.runtime_interface import ActivityPlace, Runtime

    Factory = Callable[[ActivityPlace], Runtime]

Preference = Literal["auto", "process", "sandbox"]


def choose_runtime(preference: Preference) -> tuple[Factory, str]:
    """What makes runtimes here, and a sentence that says which one and why. Blocking, about 50 ms.

    Raises :class:`LocalNetError` when the sandbox is asked for and can't be had.
    """
    if preference == "process":
        return ProcessRuntime, "Runtime: process, as asked."
    reason = why_no_sandbox()
    if not reason:
        why = "as asked" if preference == "sandbox" else "bubblewrap works here"
        return SandboxRuntime, f"Runtime: sandbox, {why}."
    if preference == "sandbox":
        raise LocalNetError(f"No sandbox: {reason}.", "Install bubblewrap, or take the runtime process.")
    return ProcessRuntime, f"Runtime: process (a private directory, no isolation), because {reason}."
