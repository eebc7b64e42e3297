"""What verifying the saves of a workspace finds, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from golem_launcher.workspace.repository import entry_record
from golem_launcher.workspace.repository.entry import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from golem_launcher.workspace.repository.chunk_ids import ChunkIds
    from golem_launcher.workspace.repository.manifest import Manifest


@dataclass(frozen=True)
class VerifyReport:
    """What verifying a workspace found."""

    generations: int
    chunks: int
    damaged: tuple[str, ...]
    """What is lost, a sentence each."""


def losses(manifests: Sequence[Manifest], lost: ChunkIds) -> list[str]:
    """A sentence for each file of which one of the chunks ``lost`` is a part; it says which other save has it whole."""
    affected: dict[str, list[int]] = {}
    whole: dict[str, int] = {}
    for manifest in manifests:
        for each in manifest.entries.records:
            if any(map(lost.__contains__, entry_record.chunk_ids(each))):
                affected.setdefault(entry_record.path(each), []).append(manifest.generation)
            elif lost:
                whole[entry_record.path(each)] = manifest.generation
    found = []
    for path, numbers in affected.items():
        which = f"Generation {numbers[0]}" if len(numbers) == 1 else f"Generations {numbers[0]} to {numbers[-1]}"
        other = f"Generation {whole[path]} has it whole." if path in whole else "No other save has it whole."
        found.append(f"{which}: a part of {shown(path)} is lost. {other}")
    return found
