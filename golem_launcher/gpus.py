"""GPUs as providers offer them and as programs find them there, and whether the two are the same."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from golem_launcher.units import counted, data_size, data_size_of

if TYPE_CHECKING:
    from collections.abc import Sequence

MEMORY_SHARE = 0.935
"""How much of the memory in a GPU's name it must have: a "24 GB" one has 22.5 to 24 GiB, a "16 GB" one 15 or 16."""

_GIB = 1 << 30
_MOST_NAMED = 4
_PARTS = re.compile(r"[a-z]+|\d+")
_CAPABILITY = re.compile(r"(\d{1,2})(?:\.(\d))?", re.ASCII)


class OfferedGpu(BaseModel):
    """GPUs of one model in one machine, as its offer has them."""

    model_config = ConfigDict(frozen=True)

    model: str = ""
    """Cleaned; empty where the offer does not say."""
    count: int = 1
    memory_gib: float = 0.0
    """Of each; 0 where the offer does not say."""
    compute_capability: str = ""
    """Like ``8.6``; empty where the offer does not say."""

    def is_capable_of(self, least: str) -> bool:
        """Whether its compute capability is at least that, as far as it is known."""
        return not self.compute_capability or as_numbers(self.compute_capability) >= as_numbers(least)


class GpuProcess(BaseModel):
    """A program that uses a GPU."""

    model_config = ConfigDict(frozen=True)

    pid: int
    name: str
    """Cleaned."""
    memory_bytes: int | None = None


class Gpu(BaseModel):
    """A GPU as ``nvidia-smi`` tells of it at its machine; a figure that it does not have is ``None``."""

    model_config = ConfigDict(frozen=True)

    name: str
    """Its model, cleaned like all words here."""
    driver: str = ""
    compute_capability: str = ""
    memory_total_bytes: int | None = None
    memory_bytes: int | None = None
    percent: float | None = None
    """How busy it is."""
    celsius: float | None = None
    watts: float | None = None
    watts_most: float | None = None
    """What it may draw."""
    processes: tuple[GpuProcess, ...] = ()

    @property
    def words(self) -> str:
        """All of it in a line: NVIDIA L4: 12 % busy, 1.2 of 22.5 GiB, 45 °C, 31 of 72 W, driver 550.54.14."""
        most = f" of {self.watts_most:.0f}" if self.watts_most else ""
        memory = self.memory_bytes
        if memory is not None and self.memory_total_bytes:
            used = data_size_of(memory, self.memory_total_bytes)
        else:
            used = "" if memory is None else f"{data_size(memory)} of its memory"
        figures = [
            "" if self.percent is None else f"{self.percent:.0f} % busy",
            used,
            "" if self.celsius is None else f"{self.celsius:.0f} °C",
            "" if self.watts is None else f"{self.watts:.0f}{most} W",
            f"driver {self.driver}" if self.driver else "",
        ]
        return f"{self.name}: {', '.join(filter(None, figures))}".removesuffix(": ")

    @property
    def programs(self) -> str:
        """Who uses it, in a line; empty where nobody does."""
        shown = [
            one.name if one.memory_bytes is None else f"{one.name} {data_size(one.memory_bytes)}"
            for one in self.processes[:_MOST_NAMED]
        ]
        more = len(self.processes) - len(shown)
        return f"{', '.join(shown)}{f' and {more} more' if more else ''}"


def differences(offered: Sequence[OfferedGpu], found: Sequence[Gpu]) -> tuple[str, ...]:
    """In what the GPUs of a machine are not those of its offer, a sentence each; nothing where they are."""
    count = sum(one.count for one in offered)
    if len(found) != count:
        return (f"{counted(count, 'GPU was', 'GPUs were')} offered, and there {_are(len(found))}.",)
    told = []
    for gpu in found:
        same = [one for one in offered if is_called(gpu.name, one.model) or is_called(one.model, gpu.name)]
        if not same:
            told.append(f"Offered was {_any_of(offered)}, and there is {gpu.name}.")
            continue
        least = min(one.memory_gib for one in same)
        if gpu.memory_total_bytes is not None and gpu.memory_total_bytes < least * MEMORY_SHARE * _GIB:
            told.append(f"{gpu.name} has {gpu.memory_total_bytes / _GIB:.1f} GiB, and was offered with {least:g}.")
        says = {one.compute_capability for one in same} - {""}
        if says and gpu.compute_capability and gpu.compute_capability not in says:
            other = " or ".join(sorted(says))
            told.append(f"{gpu.name} is of compute capability {gpu.compute_capability}, and was offered as {other}.")
    return tuple(dict.fromkeys(told))


def _are(count: int) -> str:
    return "is none that programs reach" if not count else f"{'is' if count == 1 else 'are'} {count}"


def _any_of(offered: Sequence[OfferedGpu]) -> str:
    return " or ".join(dict.fromkeys(one.model or "a GPU" for one in offered))


def is_called(model: str, words: str) -> bool:
    """Whether somebody who asks for ``words`` means a ``model``: all of them are in its name, in order and whole.

    ``rtx3090`` is in "NVIDIA GeForce RTX 3090" and ``A100 80GB`` in "A100-SXM4-80GB"; ``L4`` is not in "L40S".
    """
    parts = iter(_PARTS.findall(model.casefold()))
    return all(word in parts for word in _PARTS.findall(words.casefold()))


def capability(value: object) -> str:
    """A compute capability as it is written, ``8.6``; empty for what is none."""
    match = _CAPABILITY.fullmatch(f"{value}") if isinstance(value, str | int | float) else None
    return f"{int(match[1])}.{match[2] or 0}" if match else ""


def as_numbers(compute_capability: str) -> tuple[int, ...]:
    """A compute capability to compare by; those of GPUs that do not say theirs come first."""
    return tuple(map(int, compute_capability.split("."))) if compute_capability else ()
