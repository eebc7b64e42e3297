"""A request's fields by name with their metadata, for whatever shows, reads or judges a request."""

from __future__ import annotations

import functools
import math
import typing
from decimal import Decimal

from golem_launcher.request.field_metadata import About
from golem_launcher.request.launch_request import LaunchRequest

NAMES = tuple(LaunchRequest.model_fields)
_NUMBERS: set[object] = {int, float, Decimal}

DECIDED_BY_JOBS = frozenset({
    "machines", "workers", "max_workers", "workload", "inputs", "resume", "save", "save_seconds", "save_space_gib",
    "store", "encrypt", "recover", "standby", "lab_extensions", "ssh_key", "kernel_state", "idle", "when_idle",
})  # fmt: skip
"""Fields that a job decides by itself."""


@functools.cache
def about(name: str) -> About:
    """The :class:`About` of a field."""
    return next(one for one in LaunchRequest.model_fields[name].metadata if isinstance(one, About))


def title(name: str) -> str:
    """The title of a field, as people read it."""
    return str(LaunchRequest.model_fields[name].title)


def option(name: str) -> str:
    """The option of ``golem-launcher start``; of a truth value the one that says what differs from the default."""
    words = name.replace("_", "-")
    return about(name).option or (f"--no-{words}" if LaunchRequest.model_fields[name].default is True else f"--{words}")


def is_list(name: str) -> bool:
    """Whether it takes several values: a line each in the form, an option each in a command."""
    return typing.get_origin(LaunchRequest.model_fields[name].annotation) is tuple


@functools.cache
def numbers() -> frozenset[str]:
    """The names of those that take a number."""
    return frozenset(name for name in NAMES if _kinds(LaunchRequest.model_fields[name].annotation) & _NUMBERS)


def _kinds(annotation: object) -> set[object]:
    """The types of values that an annotation allows."""
    inner = typing.get_args(annotation)
    if typing.get_origin(annotation) is typing.Annotated:
        return _kinds(inner[0])
    return {kind for each in inner for kind in _kinds(each)} if inner else {annotation}


def least(name: str) -> float:
    """The smallest number that it takes."""
    return _bound(name, "ge") or 0.0


def most(name: str) -> float:
    """The largest number that it takes."""
    bound = _bound(name, "le")
    return math.inf if bound is None else bound


def _bound(name: str, kind: str) -> float | None:
    bounds = (getattr(one, kind, None) for one in LaunchRequest.model_fields[name].metadata)
    return next((float(bound) for bound in bounds if bound is not None), None)


def is_whole(name: str) -> bool:
    """Whether it takes whole numbers alone."""
    return LaunchRequest.model_fields[name].annotation is int
