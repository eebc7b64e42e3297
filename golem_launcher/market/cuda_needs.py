"""What the CUDA of a session's packages needs of a GPU: a newer PyTorch knows no older cards, and fails only there.

Judged by offers, before anything is paid. A version of CUDA makes programs for GPUs from a compute capability on:
CUDA 13 from 7.5 (Turing), CUDA 12 from 5.0 (Maxwell); PyTorch's own builds leave some of these out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from golem_launcher.gpus import as_numbers
from golem_launcher.software import SOFTWARE

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

    from golem_launcher.request import LaunchRequest

_TORCH = (("2.11", "7.5"), ("2.8", "7.0"), ("0", "5.0"))
"""From which release on PyTorch, as PyPI has it, needs what: made with CUDA 13, with 12.8, and before."""
_NAMED = re.compile(r"(?:.*-)?(?:cu|cuda)(1[1-9])(?:\d|x)?")
"""A package, or an extra, that is named after its version of CUDA: ``cupy-cuda12x``, ``jax[cuda13]``, ``cudf-cu12``."""
_BY_CUDA = {"11": "3.5", "12": "5.0"}
_NEWER = "7.5"


@dataclass(frozen=True)
class CudaNeed:
    """The least compute capability that packages can use, and which of them says so."""

    capability: str
    package: str


def cuda_need(request: LaunchRequest) -> CudaNeed | None:
    """What the packages of a session need that are to be installed, or are in its image; ``None`` for nothing known.

    Of an image of the user's own nothing is known.
    """
    own = SOFTWARE[request.software_taken].packages if request.image is None else ()
    found = [need for line in (*own, *request.packages) if (need := _need(line)) is not None]
    return max(found, key=lambda need: as_numbers(need.capability), default=None)


def _need(line: str) -> CudaNeed | None:
    try:
        requirement = Requirement(line)
    except InvalidRequirement:  # a path or an address
        return None
    name = canonicalize_name(requirement.name)
    if name == "torch":
        return CudaNeed(_of_torch(requirement.specifier), requirement.name)
    for word in (name, *map(canonicalize_name, requirement.extras)):
        if match := _NAMED.fullmatch(word):
            return CudaNeed(_BY_CUDA.get(match[1], _NEWER), requirement.name)
    return None


def _of_torch(allowed: SpecifierSet) -> str:
    """What the newest PyTorch needs that is allowed: it is the one that is installed."""
    for release, needed in _TORCH:
        if _allows_from(allowed, Version(release)):
            return needed
    return _TORCH[-1][1]


def _allows_from(allowed: SpecifierSet, first: Version) -> bool:
    """Whether ``allowed`` has versions that are ``first`` or newer."""
    for one in allowed:
        try:
            bound = Version(one.version.removesuffix(".*"))
        except InvalidVersion:  # ===
            continue
        pinned = one.operator == "==" and not one.version.endswith(".*")
        if (pinned or one.operator == "<=") and bound < first:
            return False
        if one.operator == "<" and bound <= first:
            return False
        if one.operator in {"~=", "=="} and not pinned and _after(bound, wildcard=one.operator == "==") <= first:
            return False
    return True


def _after(bound: Version, *, wildcard: bool) -> Version:
    """The first version that ``~=`` or ``==….*`` no longer allows."""
    parts = list(bound.release if wildcard or len(bound.release) == 1 else bound.release[:-1])
    parts[-1] += 1
    return Version(".".join(map(str, parts)))
