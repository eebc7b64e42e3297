"""Puts an ``nvidia-smi`` where a provider pretends to have GPUs, for the programs of its sessions."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from golem_launcher.localnet.runtime import nvidia_smi_program
from golem_launcher.localnet.runtime.python_environment import first_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from golem_launcher.localnet.runtime.python_environment import PrivateEnvironment


@dataclass(frozen=True)
class PretendedGpu:
    """One card, as sessions find it."""

    model: str
    memory_gib: float
    compute_capability: str


def put(gpus: Sequence[PretendedGpu] | None, environment: PrivateEnvironment) -> None:
    """Make the program in an environment. Without ``gpus`` it says that there are none; ``None`` makes none."""
    if gpus is None:
        return
    program = Path(nvidia_smi_program.__file__).read_text()
    path = environment.directory / "bin" / "nvidia-smi"
    call = f"sys.exit(main(sys.argv[1:], {[astuple(gpu) for gpu in gpus]!r}))"
    path.write_text(f"{first_lines(environment.python)}{program}\n\n{call}\n")
    path.chmod(0o755)
